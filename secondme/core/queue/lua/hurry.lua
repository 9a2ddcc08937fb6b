-- Everything that waits is due now. What must still wait is put back when it is begun.
-- KEYS  queue_later
-- Returns how many
local now = now_ms()
local waiting = redis.call('ZRANGE', KEYS.queue_later, 0, 9999)
for _, contact in ipairs(waiting) do redis.call('ZADD', KEYS.queue_later, 'XX', 'LT', now, contact) end
return #waiting
