-- What happened waits for an endpoint, once, however many processes looked
-- KEYS  webhook_state webhook_queue webhook_messages
-- ARGV  1 cursor from which was looked 2 cursor up to which was looked, then for each message: id, JSON
-- Returns done | moved
typed()
local state = redis.call('HMGET', KEYS.webhook_state, 'cursor', 'disabledAt')
if state[1] ~= ARGV[1] or state[2] then return 'moved' end
redis.call('HSET', KEYS.webhook_state, 'cursor', ARGV[2])
for i = 3, #ARGV, 2 do
  if redis.call('HSETNX', KEYS.webhook_messages, ARGV[i], ARGV[i + 1]) == 1 then redis.call('ZADD', KEYS.webhook_queue, now_ms(), ARGV[i]) end
end
return 'done'
