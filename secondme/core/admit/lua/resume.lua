-- Lifts a pause and makes the tokens that waited for it due.
-- KEYS  1 pause key 2 kill switch mark 3 later 4 paused index
-- ARGV  1 contact, or '' for everybody 2 '1' to lift the kill switch too 3 pause event channel
-- Returns resumed | not_paused | killed
local now = now_ms()
if ARGV[1] == '' then
  if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS[1], KEYS[2]) == 2 then return 'killed' end
  redis.call('DEL', KEYS[2])
end
local lifted = redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[4], ARGV[1] ~= '' and ARGV[1] or 'ALL')
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[3], 'XX', 'LT', now, ARGV[1])
else
  for _, contact in ipairs(redis.call('ZRANGE', KEYS[3], 0, 9999)) do redis.call('ZADD', KEYS[3], 'XX', 'LT', now, contact) end
end
if lifted == 0 then return 'not_paused' end
publish(ARGV[3], { contactId = ARGV[1] ~= '' and ARGV[1] or 'ALL', action = 'resume', timestamp = now })
return 'resumed'
