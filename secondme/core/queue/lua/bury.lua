-- Messages that were set aside are gone for good. Safe to repeat.
-- KEYS  dead dead_index
-- ARGV  1 contact
-- Returns how many there were
typed()
local count = redis.call('LLEN', KEYS.dead)
redis.call('DEL', KEYS.dead)
redis.call('ZREM', KEYS.dead_index, ARGV[1])
return count
