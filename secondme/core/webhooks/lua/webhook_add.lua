-- An endpoint is told of what happens from now on
-- KEYS  webhook webhook_state webhook_secret webhook_index
-- ARGV  1 endpoint 2 JSON 3 secret 4 cursor 5 most endpoints
-- Returns added | full
typed()
if redis.call('ZCARD', KEYS.webhook_index) >= tonumber(ARGV[5]) then return 'full' end
redis.call('SET', KEYS.webhook, ARGV[2])
redis.call('HSET', KEYS.webhook_secret, 'current', ARGV[3])
redis.call('HSET', KEYS.webhook_state, 'cursor', ARGV[4])
redis.call('ZADD', KEYS.webhook_index, now_ms(), ARGV[1])
return 'added'
