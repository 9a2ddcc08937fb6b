-- The platform has the row: it leaves the outbox and, being a reply, enters the history. Safe to repeat.
-- KEYS  outbox outbox_due mailbox seen history history_expiring approved last_reply trace memory_on
--       memory_journal memory_due jobs_fates unanswered
-- ARGV  1 contact 2 fence 3 row id 4 turn JSON with timestamp 0, or '' 5 turn id 6 row id as an id of our own, or ''
--       7 ms after which the chat forgets it, 0 for never 8 an earlier stage of it, or '' 9 further fields of that, each behind a comma
-- Returns done | next | stale
typed()
local now = now_ms()
local box = redis.call('HMGET', KEYS.mailbox, 'sending', 'send_fence')
local is_approved, is_new = redis.call('EXISTS', KEYS.approved) == 1, false
if is_approved then -- the platform may show us what we said, a greeting too: it is not the owner speaking, and no limit counts it
  recall(KEYS.seen, KEYS.history)
  is_new = redis.call('ZADD', KEYS.seen, 'NX', -now, ARGV[5]) == 1
  if ARGV[6] ~= '' then redis.call('ZADD', KEYS.seen, 'NX', -now, ARGV[6]) end
  redis.call('PEXPIRE', KEYS.seen, LIMIT.SEEN_TTL_MS)
end
if is_approved and ARGV[4] ~= '' then
  local first, last = ARGV[4]:find('"timestamp":0,', 1, true)
  local turn = ARGV[4]:sub(1, first - 1) .. string.format('"timestamp":%.0f,', now) .. ARGV[4]:sub(last + 1)
  if is_new then
    if ARGV[7] ~= '0' then
      turn = turn:sub(1, -2) .. string.format(',"expiresAt":%.0f}', now + ARGV[7])
      redis.call('ZADD', KEYS.history_expiring, 'LT', now + ARGV[7], ARGV[1])
    end
    remember(KEYS.seen, KEYS.history, newest_at(KEYS.history), turn, now)
    tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], turn)
  end
  redis.call('SET', KEYS.last_reply, string.format('%.0f', now), 'EX', 3600)
end
if box[1] ~= ARGV[3] or box[2] ~= ARGV[2] then return 'stale' end
redis.call('HDEL', KEYS.mailbox, 'sending', 'send_until', 'send_owner')
local head = decode(redis.call('LINDEX', KEYS.outbox, 0))
if head and head.rowId == ARGV[3] then
  redis.call('LPOP', KEYS.outbox)
  fate(KEYS.jobs_fates, head, 'sent', now, ',"id":' .. cjson.encode(ARGV[5]))
  if words(head.job) and ARGV[4] ~= '' then
    redis.pcall('INCR', KEYS.unanswered)
    redis.call('EXPIRE', KEYS.unanswered, 7776000)
  end
  if ARGV[8] ~= '' then trace(KEYS.trace, ARGV[8], now, head.answers or {}, ARGV[9]) end
  if ARGV[4] ~= '' then
    trace(KEYS.trace, 'sent', now, head.answers or {}, ',"reply":' .. cjson.encode(head.replyId) .. ',"row":' .. cjson.encode(ARGV[5]))
  end
end
local next_row = decode(redis.call('LINDEX', KEYS.outbox, 0))
if next_row then
  redis.call('ZADD', KEYS.outbox_due, math.max(now, tonumber(next_row.typingFrom)), ARGV[1])
  return 'next'
end
redis.call('ZREM', KEYS.outbox_due, ARGV[1])
return 'done'
