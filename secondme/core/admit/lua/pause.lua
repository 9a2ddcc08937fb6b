-- Nobody, or one contact, is answered from now on.
-- KEYS  [target] killed paused_index events_log
-- ARGV  1 contact, or '' for everybody 2 ms, 0 for until resumed 3 '1' for the kill switch 4 pause event channel
-- Returns the ms at which it began, or 'killed' when a mere pause of everybody would weaken the kill switch
if ARGV[1] == '' and ARGV[3] ~= '1' and redis.call('EXISTS', KEYS.target, KEYS.killed) == 2 then return 'killed' end
local now = now_ms()
local text = string.format('%.0f', now)
local value = text
if ARGV[1] ~= '' then
  value = '{"pausedAt":' .. text .. ',"reason":"manual"'
  if ARGV[2] ~= '0' then value = value .. ',"until":' .. string.format('%.0f', now + ARGV[2]) end
  value = value .. '}'
end
if ARGV[2] == '0' then redis.call('SET', KEYS.target, value) else redis.call('SET', KEYS.target, value, 'PX', ARGV[2]) end
redis.pcall('ZADD', KEYS.paused_index, ARGV[2] == '0' and '+inf' or now + ARGV[2], ARGV[1] ~= '' and ARGV[1] or 'ALL') -- only so that its end is said
if ARGV[3] == '1' then redis.call('SET', KEYS.killed, '1') elseif ARGV[1] == '' then redis.call('DEL', KEYS.killed) end
publish(ARGV[4], { contactId = ARGV[1] ~= '' and ARGV[1] or 'ALL', action = ARGV[3] == '1' and 'kill' or 'pause', reason = 'manual',
  pausedAt = now, timestamp = now })
return text
