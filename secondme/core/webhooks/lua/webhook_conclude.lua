-- What became of a try. An endpoint that wants no more, or has taken nothing for too long, is disabled: said once, and what waits is dead
-- KEYS  webhook_state webhook_queue webhook_messages webhook_dead webhook_counts events_log
-- ARGV  1 endpoint 2 message id 3 fence 4 sent|retry|dead|gone 5 status 6 ms until the next try 7 ms for which nothing is tried, or 0
--       8 ms without success after which it is disabled 9 security event channel
-- Returns done | disabled | stale
typed()
if redis.call('HGET', KEYS.webhook_messages, ARGV[2] .. ':fence') ~= ARGV[3] then return 'stale' end
local now = now_ms()
local text = string.format('%.0f', now)

local function leave(id)
  redis.call('ZREM', KEYS.webhook_queue, id)
  redis.call('HDEL', KEYS.webhook_messages, id, id .. ':tries', id .. ':fence')
end

local function bury(id, why)
  local raw = redis.call('HGET', KEYS.webhook_messages, id)
  local message = decode(raw)
  if message then
    local contact = words(message.contactId) and ',"contactId":' .. cjson.encode(message.contactId) or ''
    redis.call('LPUSH', KEYS.webhook_dead, '{"message":' .. raw .. contact .. ',"tries":' ..
      (redis.call('HGET', KEYS.webhook_messages, id .. ':tries') or '0') .. ',"why":' .. cjson.encode(why) .. ',"diedAt":' .. text .. '}')
    redis.call('HINCRBY', KEYS.webhook_counts, 'dead', 1)
  end
  leave(id)
end

redis.call('HSET', KEYS.webhook_state, 'status', ARGV[5], 'triedAt', text)
if ARGV[4] == 'sent' then
  leave(ARGV[2])
  redis.call('HSET', KEYS.webhook_state, 'succeededAt', text)
  redis.call('HDEL', KEYS.webhook_state, 'failingSince', 'waitUntil')
  redis.call('HINCRBY', KEYS.webhook_state, 'sent', 1)
  redis.call('HINCRBY', KEYS.webhook_counts, 'sent', 1)
  return 'done'
end
redis.call('HINCRBY', KEYS.webhook_messages, ARGV[2] .. ':tries', 1)
redis.call('HDEL', KEYS.webhook_messages, ARGV[2] .. ':fence')
redis.call('HSETNX', KEYS.webhook_state, 'failingSince', text)
if ARGV[7] ~= '0' then redis.call('HSET', KEYS.webhook_state, 'waitUntil', string.format('%.0f', now + ARGV[7])) end
if ARGV[4] == 'retry' then
  redis.call('ZADD', KEYS.webhook_queue, now + ARGV[6], ARGV[2])
else
  bury(ARGV[2], ARGV[5])
end
local since = tonumber(redis.call('HGET', KEYS.webhook_state, 'failingSince'))
local why = ARGV[4] == 'gone' and 'gone' or now - since >= tonumber(ARGV[8]) and 'failing' or nil
if why and redis.call('HSETNX', KEYS.webhook_state, 'disabledAt', text) == 1 then
  redis.call('HSET', KEYS.webhook_state, 'disabledWhy', why)
  for _, id in ipairs(redis.call('ZRANGE', KEYS.webhook_queue, 0, -1)) do bury(id, 'disabled') end
  publish(ARGV[9], { event = 'webhook_disabled', severity = 'warn', webhook = ARGV[1], why = why, timestamp = now })
end
redis.call('LTRIM', KEYS.webhook_dead, 0, 499)
redis.call('EXPIRE', KEYS.webhook_dead, 2592000)
return why and 'disabled' or 'done'
