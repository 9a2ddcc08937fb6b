-- Everything that waits is due now. What must still wait is put back when it is begun.
-- KEYS  1 later
-- Returns how many
local now = now_ms()
local waiting = redis.call('ZRANGE', KEYS[1], 0, 9999)
for _, contact in ipairs(waiting) do redis.call('ZADD', KEYS[1], 'XX', 'LT', now, contact) end
return #waiting
