-- A code that nobody used opens nothing any more. Repeatable.
-- KEYS  invite index_invites
-- ARGV  1 code
-- Returns the invite as JSON; '' when there was none
local record = redis.call('GET', KEYS.invite)
redis.call('DEL', KEYS.invite)
redis.pcall('ZREM', KEYS.index_invites, ARGV[1])
return record or ''
