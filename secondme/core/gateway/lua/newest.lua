-- When the newest turn of each of these histories was said.
-- KEYS  histories...
-- Returns for each of them ms, or '' for an empty one and for one of the wrong type
-- FLAGS no-writes
local moments = {}
for at = TAIL, #KEYS do moments[#moments + 1] = redis.pcall('ZREVRANGE', KEYS[at], 0, 0, 'WITHSCORES')[2] or '' end
return moments
