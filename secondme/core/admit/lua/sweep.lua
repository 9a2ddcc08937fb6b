-- What expired leaves the indexes, is said once, and the counts are right again. So are the pauses that ended by themselves.
-- KEYS  1 index pending 2 index approved 3 index denied 4 index invites 5 stats 6 paused index
-- ARGV  1 pairing event channel 2 pause event channel
-- Returns {pending, approved, denied}
local now = now_ms()
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[1], contact)
  publish(ARGV[1], { type = 'pairing_expired', contactId = contact, timestamp = now })
end
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS[6], contact)
  publish(ARGV[2], { contactId = contact, action = 'resume', reason = 'expired', timestamp = now })
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now)
count_stats(KEYS[5], KEYS[1], KEYS[2], KEYS[3], now)
return { redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('ZCARD', KEYS[3]) }
