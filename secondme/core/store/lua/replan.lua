-- A schedule after its clock was put back: what is in the future comes sooner by as much, and nothing before now.
-- KEYS  [schedule] : a ZSET member -> ms
-- ARGV  1 by how many ms the clock was put back
-- Returns how many members
local now, moved = now_ms(), 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS.schedule, '(' .. string.format('%.0f', now), '(+inf', 'LIMIT', 0, 10000)) do
  local at = tonumber(redis.call('ZSCORE', KEYS.schedule, member))
  redis.call('ZADD', KEYS.schedule, 'XX', math.max(now, at - ARGV[1]), member)
  moved = moved + 1
end
return moved
