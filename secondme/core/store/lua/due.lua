-- The first members of a schedule, with the store's own time to judge them by.
-- KEYS  [schedule] : a ZSET member -> ms
-- ARGV  1 most members
-- Returns {now ms, member, ms, member, ms, ...}, earliest first
-- FLAGS no-writes
local answer = redis.call('ZRANGE', KEYS.schedule, 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
table.insert(answer, 1, string.format('%.0f', now_ms()))
return answer
