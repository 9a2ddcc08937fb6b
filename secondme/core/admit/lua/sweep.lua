-- What expired leaves the indexes, is said once, and the counts are right again. So are the pauses that ended by themselves.
-- Events of more than 7 days ago leave their log.
-- KEYS  index_pending index_approved index_denied index_invites pairing_stats paused_index events_log
-- ARGV  1 pairing event channel 2 pause event channel
-- Returns {pending, approved, denied}
typed()
local now = now_ms()
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS.index_pending, '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS.index_pending, contact)
  publish(ARGV[1], { type = 'pairing_expired', contactId = contact, timestamp = now })
end
for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS.paused_index, '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('ZREM', KEYS.paused_index, contact)
  publish(ARGV[2], { contactId = contact, action = 'resume', reason = 'expired', timestamp = now })
end
redis.call('ZREMRANGEBYSCORE', KEYS.index_denied, '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS.index_invites, '-inf', now)
redis.pcall('XTRIM', KEYS.events_log, 'MINID', '~', string.format('%.0f', now - 604800000))
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
return { redis.call('ZCARD', KEYS.index_pending), redis.call('ZCARD', KEYS.index_approved), redis.call('ZCARD', KEYS.index_denied) }
