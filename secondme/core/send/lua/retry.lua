-- The platform certainly does not have the row: try again later, or hold the whole reply for the owner. A prompt is dropped instead.
-- KEYS  outbox outbox_due mailbox held held_index trace jobs_fates events_log
-- ARGV  1 contact 2 fence 3 row id 4 delay ms 5 max attempts (0: hold at once) 6 queue event channel
-- Returns later | held | dropped | stale
typed()
local now = now_ms()
local box = redis.call('HMGET', KEYS.mailbox, 'sending', 'send_fence')
if box[1] ~= ARGV[3] or box[2] ~= ARGV[2] then return 'stale' end
redis.call('HDEL', KEYS.mailbox, 'sending', 'send_until', 'send_owner')
local raw = redis.call('LINDEX', KEYS.outbox, 0)
local head = decode(raw)
if not head or head.rowId ~= ARGV[3] then return 'stale' end
head.attempts = (head.attempts or 0) + 1
if head.attempts < tonumber(ARGV[5]) then
  if next(head.answers or {}) == nil then head.answers = nil end -- cjson would write an empty list as an object
  redis.call('LSET', KEYS.outbox, 0, cjson.encode(head))
  redis.call('ZADD', KEYS.outbox_due, now + ARGV[4], ARGV[1])
  return 'later'
end
local held = false
while true do
  local item = decode(raw)
  if not item or item.replyId ~= head.replyId then break end
  redis.call('LPOP', KEYS.outbox)
  fate(KEYS.jobs_fates, item, 'undeliverable', now, '')
  if item.kind == 'reply' or item.kind == 'own' then
    hold(KEYS.held, KEYS.held_index, KEYS.trace, ARGV[6], ARGV[1], raw, 'undeliverable', now)
    held = true
  end
  raw = redis.call('LINDEX', KEYS.outbox, 0)
end
if raw then redis.call('ZADD', KEYS.outbox_due, now, ARGV[1]) else redis.call('ZREM', KEYS.outbox_due, ARGV[1]) end
if not held then return 'dropped' end
trace(KEYS.trace, 'held', now, head.answers or {}, ',"reply":' .. cjson.encode(head.replyId) .. ',"reason":"undeliverable"')
publish(ARGV[6], { type = 'reply_held', contactId = ARGV[1], replyId = head.replyId, reason = 'undeliverable', timestamp = now })
return 'held'
