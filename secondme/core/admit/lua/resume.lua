-- Lifts a pause and makes the tokens that waited for it due.
-- KEYS  [target] killed queue_later paused_index events_log
-- ARGV  1 contact, or '' for everybody 2 '1' to lift the kill switch too 3 pause event channel
-- Returns resumed | not_paused | killed
typed(KEYS.queue_later)
local now = now_ms()
if ARGV[1] == '' then
  if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS.target, KEYS.killed) == 2 then return 'killed' end
  redis.call('DEL', KEYS.killed)
end
local lifted = redis.call('DEL', KEYS.target)
redis.pcall('ZREM', KEYS.paused_index, ARGV[1] ~= '' and ARGV[1] or 'ALL')
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS.queue_later, 'XX', 'LT', now, ARGV[1])
else
  for _, contact in ipairs(redis.call('ZRANGE', KEYS.queue_later, 0, 9999)) do redis.call('ZADD', KEYS.queue_later, 'XX', 'LT', now, contact) end
end
if lifted == 0 then return 'not_paused' end
publish(ARGV[3], { contactId = ARGV[1] ~= '' and ARGV[1] or 'ALL', action = 'resume', timestamp = now })
return 'resumed'
