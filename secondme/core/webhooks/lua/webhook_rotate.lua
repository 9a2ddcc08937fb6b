-- An endpoint has a new secret; the one before it is good for a while, so that its receiver can be told
-- KEYS  webhook webhook_secret
-- ARGV  1 secret 2 ms for which the one before is good
-- Returns rotated | missing
if redis.call('EXISTS', KEYS.webhook) == 0 then return 'missing' end
typed()
local before = redis.call('HGET', KEYS.webhook_secret, 'current')
redis.call('HSET', KEYS.webhook_secret, 'current', ARGV[1])
if before then
  redis.call('HSET', KEYS.webhook_secret, 'previous', before, 'previousUntil', string.format('%.0f', now_ms() + ARGV[2]))
end
return 'rotated'
