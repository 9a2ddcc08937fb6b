-- What was said to and by a contact, and what is on its way to be said.
-- KEYS  history outbox
-- ARGV  1 most turns 2 most rows
-- Returns {turn JSON..., oldest first}, {row JSON..., in order}
-- FLAGS no-writes
return { redis.call('ZRANGE', KEYS.history, -tonumber(ARGV[1]), -1), redis.call('LRANGE', KEYS.outbox, 0, tonumber(ARGV[2]) - 1) }
