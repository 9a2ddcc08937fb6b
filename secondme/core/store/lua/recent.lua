-- What was said to and by a contact before a message of theirs, what was said to them since, and what may be or is on its way.
-- KEYS  history outbox held
-- ARGV  1 most turns 2 most rows 3 id of the message as a JSON string, or '' for the newest turns of all 4 when it was sent, ms
-- Returns {turn JSON..., oldest first}, {row JSON..., in order}, {held reply JSON..., in order}
-- FLAGS no-writes
return {
  turns_before(KEYS.history, tonumber(ARGV[1]), ARGV[3], tonumber(ARGV[4])),
  redis.call('LRANGE', KEYS.outbox, 0, tonumber(ARGV[2]) - 1),
  redis.call('LRANGE', KEYS.held, 0, -1),
}
