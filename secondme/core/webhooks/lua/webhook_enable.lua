-- An endpoint is tried again, and told of what happens from now on
-- KEYS  webhook webhook_state webhook_queue
-- ARGV  1 cursor
-- Returns enabled | missing
if redis.call('EXISTS', KEYS.webhook) == 0 then return 'missing' end
typed()
if redis.call('HDEL', KEYS.webhook_state, 'disabledAt', 'disabledWhy') > 0 then redis.call('HSET', KEYS.webhook_state, 'cursor', ARGV[1]) end
redis.call('HDEL', KEYS.webhook_state, 'failingSince', 'waitUntil')
for _, id in ipairs(redis.call('ZRANGE', KEYS.webhook_queue, 0, -1)) do redis.call('ZADD', KEYS.webhook_queue, 'LT', now_ms(), id) end
return 'enabled'
