-- The platform certainly does not have the row: try again later, or hold the whole reply for the owner. A prompt is dropped instead.
-- KEYS  1 outbox 2 due 3 mailbox 4 held 5 held index 6 trace
-- ARGV  1 contact 2 fence 3 row id 4 delay ms 5 max attempts (0: hold at once) 6 queue event channel
-- Returns later | held | dropped | stale
local now = now_ms()
local box = redis.call('HMGET', KEYS[3], 'sending', 'send_fence')
if box[1] ~= ARGV[3] or box[2] ~= ARGV[2] then return 'stale' end
redis.call('HDEL', KEYS[3], 'sending', 'send_until', 'send_owner')
local raw = redis.call('LINDEX', KEYS[1], 0)
local head = decode(raw)
if not head or head.rowId ~= ARGV[3] then return 'stale' end
head.attempts = (head.attempts or 0) + 1
if head.attempts < tonumber(ARGV[5]) then
  if next(head.answers or {}) == nil then head.answers = nil end -- cjson would write an empty list as an object
  redis.call('LSET', KEYS[1], 0, cjson.encode(head))
  redis.call('ZADD', KEYS[2], now + ARGV[4], ARGV[1])
  return 'later'
end
local held = false
while true do
  local item = decode(raw)
  if not item or item.replyId ~= head.replyId then break end
  redis.call('LPOP', KEYS[1])
  if item.kind == 'reply' then
    hold(KEYS[4], KEYS[5], ARGV[1], raw, 'undeliverable', now)
    held = true
  end
  raw = redis.call('LINDEX', KEYS[1], 0)
end
if raw then redis.call('ZADD', KEYS[2], now, ARGV[1]) else redis.call('ZREM', KEYS[2], ARGV[1]) end
if not held then return 'dropped' end
trace(KEYS[6], 'held', now, head.answers or {}, ',"reply":' .. cjson.encode(head.replyId) .. ',"reason":"undeliverable"')
publish(ARGV[6], { type = 'reply_held', contactId = ARGV[1], replyId = head.replyId, reason = 'undeliverable', timestamp = now })
return 'held'
