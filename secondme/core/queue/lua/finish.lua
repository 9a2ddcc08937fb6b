-- The moment of acknowledgement: what was answered leaves the inbox and the reply enters the outbox, or nothing happens.
-- KEYS  mailbox inbox queue queue_active outbox outbox_due held held_index trace missed missed_index jobs_fates events_log
-- ARGV  1 group 2 token 3 worker 4 fence 5 contact 6 answered 7 mailbox ttl ms 8 hold reason or ''
--       9 queue event channel 10 why there is no reply that the owner should know of, or '' 11 ids of the messages as a JSON array
--       12 last stage 13 further fields of it, each behind a comma, or '' 14 number of earlier stages n, then n of them as JSON objects,
--       then for each row: typing after ms, due after ms, row JSON
-- Returns done | stale
local box = redis.call('HMGET', KEYS.mailbox, 'fence', 'lease_owner')
if box[1] ~= ARGV[4] or box[2] ~= ARGV[3] then return 'stale' end
typed()
redis.call('LTRIM', KEYS.inbox, ARGV[6], -1)
local now = now_ms()
local rows = 15 + tonumber(ARGV[14])
local ids = decode(ARGV[11]) or {}
for i = 15, rows - 1 do redis.pcall('RPUSH', KEYS.trace, ARGV[i]) end
if ARGV[rows] then
  redis.call('DEL', KEYS.missed) -- the model was shown it: an answer of its own would be a second one
  redis.call('ZREM', KEYS.missed_index, ARGV[5])
  local older, count, more = supersede(KEYS.held, KEYS.held_index, ARGV[5], false, KEYS.jobs_fates)
  if count > 0 then trace(KEYS.trace, 'superseded', now, older, more) end
end
trace(KEYS.trace, ARGV[12], now, ids, ARGV[13])
for i = rows, #ARGV, 3 do
  local row = stamp(ARGV[i + 2], now, ARGV[i], ARGV[i + 1])
  if ARGV[8] == '' then
    post(KEYS.outbox, KEYS.outbox_due, ARGV[5], row, now + ARGV[i])
  else
    hold(KEYS.held, KEYS.held_index, KEYS.trace, ARGV[9], ARGV[5], row, ARGV[8], now)
  end
end
if ARGV[8] ~= '' and ARGV[rows] then
  publish(ARGV[9], { type = 'reply_held', contactId = ARGV[5], replyId = decode(ARGV[rows + 2]).replyId, reason = ARGV[8], timestamp = now })
end
if ARGV[10] ~= '' then publish(ARGV[9], { type = 'unanswered', contactId = ARGV[5], reason = ARGV[10], timestamp = now }) end
redis.call('HDEL', KEYS.mailbox, 'lease_owner', 'lease_until', 'attempts', 'head', 'defers', 'waiting', 'token')
redis.call('XACK', KEYS.queue, ARGV[1], ARGV[2])
redis.call('XDEL', KEYS.queue, ARGV[2])
local head = redis.call('LINDEX', KEYS.inbox, 0)
if head then
  add_token(KEYS.queue, KEYS.mailbox, ARGV[5], decode(head) or {}, ARGV[7])
else
  redis.call('SREM', KEYS.queue_active, ARGV[5])
end
return 'done'
