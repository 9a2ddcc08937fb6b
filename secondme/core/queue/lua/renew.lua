-- A working worker keeps its lease and its token. Refused once anybody else had a later fence.
-- KEYS  mailbox queue
-- ARGV  1 group 2 token 3 worker 4 fence 5 lease ms
-- Returns 1 | 0
local box = redis.call('HMGET', KEYS.mailbox, 'fence', 'lease_owner')
if box[1] ~= ARGV[4] or box[2] ~= ARGV[3] then return 0 end
redis.call('XCLAIM', KEYS.queue, ARGV[1], ARGV[3], 0, ARGV[2], 'JUSTID')
redis.call('HSET', KEYS.mailbox, 'lease_until', now_ms() + ARGV[5])
return 1
