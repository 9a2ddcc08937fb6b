-- Tokens that workers have count as given to them now: after the clock was put back, the server would call none of them idle until it shows the
-- time again at which they were given out.
-- KEYS  queue
-- ARGV  1 group
-- Returns how many
local found = redis.pcall('XPENDING', KEYS.queue, ARGV[1], '-', '+', 10000)
if found.err then return 0 end -- no worker has ever run
for _, each in ipairs(found) do redis.call('XCLAIM', KEYS.queue, ARGV[1], each[2], 0, each[1], 'IDLE', 0, 'JUSTID') end
return #found
