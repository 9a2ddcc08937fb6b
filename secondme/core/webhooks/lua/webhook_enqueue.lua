-- What happened waits for an endpoint, once, however many processes looked; but what was taken out of the log meanwhile: its contact was forgotten
-- KEYS  webhook_state webhook_queue webhook_messages events_log
-- ARGV  1 cursor from which was looked 2 cursor up to which was looked, then for each message: id of its event or '', message id, JSON
-- Returns done | moved
typed()
local state = redis.call('HMGET', KEYS.webhook_state, 'cursor', 'disabledAt')
if state[1] ~= ARGV[1] or state[2] then return 'moved' end

local function parts(id)
  local at, number = id:match('^(%d+)-(%d+)$')
  return tonumber(at), tonumber(number)
end

local oldest = redis.pcall('XRANGE', KEYS.events_log, '-', '+', 'COUNT', 1)
local first_at, first_number
if oldest[1] then first_at, first_number = parts(oldest[1][1]) end

local function was_taken_out(id)
  if id == '' or not first_at then return false end
  local at, number = parts(id)
  if at < first_at or (at == first_at and number < first_number) then return false end -- trimmed
  return #redis.call('XRANGE', KEYS.events_log, id, id) == 0
end

redis.call('HSET', KEYS.webhook_state, 'cursor', ARGV[2])
for i = 3, #ARGV, 3 do
  if not was_taken_out(ARGV[i]) and redis.call('HSETNX', KEYS.webhook_messages, ARGV[i + 1], ARGV[i + 2]) == 1 then
    redis.call('ZADD', KEYS.webhook_queue, now_ms(), ARGV[i + 1])
  end
end
return 'done'
