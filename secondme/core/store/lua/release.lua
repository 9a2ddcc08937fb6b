-- The owner decides about a contact's held replies: send one now, or drop it.
-- KEYS  1 held 2 held index 3 outbox 4 due 5 approved
-- ARGV  1 contact 2 reply id 3 'send' | 'drop'
-- Returns {sent, n} | {dropped, n} | {missing} | {gone}
local now = now_ms()
if ARGV[3] == 'send' and redis.call('EXISTS', KEYS[5]) == 0 then return { 'gone' } end
local count = 0
for _, raw in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local item = decode(raw)
  if item and item.row and item.row.replyId == ARGV[2] then
    redis.call('LREM', KEYS[1], 1, raw)
    count = count + 1
    if ARGV[3] == 'send' then
      item.row.dueAt, item.row.typingFrom, item.row.attempts = now, now, 0
      if next(item.row.answers or {}) == nil then item.row.answers = nil end
      post(KEYS[3], KEYS[4], ARGV[1], cjson.encode(item.row), now)
    end
  end
end
if redis.call('LLEN', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
if count == 0 then return { 'missing' } end
return { ARGV[3] == 'send' and 'sent' or 'dropped', count }
