-- A message that the gate could not take, because a record of its contact is broken, is a dead letter. Nothing of a stranger is kept. Repeatable.
-- KEYS  approved dead dead_index events_log
-- ARGV  1 contact 2 message id 3 mail JSON 4 queue event channel
-- Returns stranger | set_aside
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
typed()
local now = now_ms()
for _, raw in ipairs(redis.call('LRANGE', KEYS.dead, -100, -1)) do
  local mail = decode(raw)
  if mail and mail.messageId == ARGV[2] then return 'set_aside' end
end
redis.call('RPUSH', KEYS.dead, ARGV[3])
redis.call('LTRIM', KEYS.dead, -100, -1)
redis.call('EXPIRE', KEYS.dead, 2592000)
redis.call('ZADD', KEYS.dead_index, now, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS.dead_index, 0, -1001)
publish(ARGV[4], { type = 'record_broken', contactId = ARGV[1], timestamp = now })
return 'set_aside'
