-- Dead letters of an endpoint are tried again, from the first try on
-- KEYS  webhook webhook_state webhook_queue webhook_messages webhook_dead
-- ARGV  for each: the dead letter as it is kept, message id, message JSON
-- Returns how many | missing | disabled
if redis.call('EXISTS', KEYS.webhook) == 0 then return 'missing' end
typed()
if redis.call('HEXISTS', KEYS.webhook_state, 'disabledAt') == 1 then return 'disabled' end
local count = 0
for i = 1, #ARGV, 3 do
  if redis.call('LREM', KEYS.webhook_dead, 1, ARGV[i]) == 1 then
    redis.call('HSET', KEYS.webhook_messages, ARGV[i + 1], ARGV[i + 2])
    redis.call('ZADD', KEYS.webhook_queue, now_ms(), ARGV[i + 1])
    count = count + 1
  end
end
return count
