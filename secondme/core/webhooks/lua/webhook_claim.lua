-- One process tries the message of an endpoint that is due first; when it says nothing more of it, the message is anybody's again
-- KEYS  webhook_state webhook_queue webhook_messages
-- ARGV  1 lease ms
-- Returns {idle} | {later, ms} | {taken, id, JSON, fence, failed tries}
typed()
local now = now_ms()
local state = redis.call('HMGET', KEYS.webhook_state, 'cursor', 'disabledAt', 'waitUntil')
if not state[1] or state[2] then return { 'idle' } end
local head = redis.call('ZRANGE', KEYS.webhook_queue, 0, 0, 'WITHSCORES')
while head[1] and redis.call('HEXISTS', KEYS.webhook_messages, head[1]) == 0 do -- its contact was forgotten
  redis.call('ZREM', KEYS.webhook_queue, head[1])
  redis.call('HDEL', KEYS.webhook_messages, head[1] .. ':tries', head[1] .. ':fence')
  head = redis.call('ZRANGE', KEYS.webhook_queue, 0, 0, 'WITHSCORES')
end
if not head[1] then return { 'idle' } end
local due = math.max(tonumber(head[2]), tonumber(state[3] or '0'))
if due > now then return { 'later', math.ceil(due - now) } end
local fence = redis.call('HINCRBY', KEYS.webhook_state, 'fence', 1)
redis.call('HSET', KEYS.webhook_messages, head[1] .. ':fence', fence)
redis.call('ZADD', KEYS.webhook_queue, now + ARGV[1], head[1])
return { 'taken', head[1], redis.call('HGET', KEYS.webhook_messages, head[1]), fence,
  tonumber(redis.call('HGET', KEYS.webhook_messages, head[1] .. ':tries') or '0') }
