-- A pause with an end, after the clock was put back: one that the wrong clock began lasts as long as it was meant to.
-- KEYS  [target] paused_index
-- ARGV  1 contact, or ALL 2 by how many ms the clock was put back 3 since when it was wrong
-- Returns 1 | 0
typed(KEYS.paused_index)
local now, back = now_ms(), tonumber(ARGV[2])
local ends, raw = tonumber(redis.call('ZSCORE', KEYS.paused_index, ARGV[1]) or nil), redis.call('GET', KEYS.target)
if not ends or ends == math.huge or not raw then return 0 end
local record = decode(raw)
local began = tonumber(raw) or (record and tonumber(record.pausedAt))
if not began or not (began >= tonumber(ARGV[3]) or began > now) then return 0 end
local value = string.format('%.0f', began - back)
if record then
  record.pausedAt, record['until'] = began - back, ends - back
  value = cjson.encode(record)
end
redis.call('SET', KEYS.target, value, 'PX', string.format('%.0f', math.max(1, ends - back - now)))
redis.call('ZADD', KEYS.paused_index, math.max(now, ends - back), ARGV[1])
return 1
