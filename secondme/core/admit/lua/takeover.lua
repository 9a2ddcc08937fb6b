-- The owner spoke in this chat with their own hands: remember it, pause the contact, drop what waits to be answered or sent, but
-- for what they wrote themselves.
-- KEYS  approved seen history history_expiring pause inbox mailbox outbox outbox_due paused_index held held_index trace
--       missed missed_index memory_on memory_journal memory_due jobs_fates events_log
-- ARGV  1 contact 2 message id 3 turn JSON 4 sent ms 5 pause ms 6 pause event channel
--       7 ms after which the chat forgets it, 0 for never 8 window of the limit in ms
-- Returns stranger | duplicate | own_echo | taken_over
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
if redis.call('HGET', KEYS.mailbox, 'sending') == ARGV[2] then return 'own_echo' end
recall(KEYS.seen, KEYS.history)
local known = redis.call('ZSCORE', KEYS.seen, ARGV[2])
if known then return tonumber(known) < 0 and 'own_echo' or 'duplicate' end
typed(KEYS.inbox, KEYS.outbox, KEYS.outbox_due, KEYS.paused_index, KEYS.held, KEYS.held_index, KEYS.missed_index)
local now, last, at = now_ms(), newest_at(KEYS.history), tonumber(ARGV[4])
-- What the owner writes is no flood of the contact's: it counts two windows earlier. What is late is remembered from now on.
redis.call('ZADD', KEYS.seen, at < now - 86400000 and -now or at - 2 * ARGV[8], ARGV[2])
remember(KEYS.seen, KEYS.history, last, ARGV[3], at)
tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], ARGV[3])
if ARGV[7] ~= '0' then redis.pcall('ZADD', KEYS.history_expiring, 'LT', at + ARGV[7], ARGV[1]) end
-- Words of the owner's of which nobody knew whether they had gone out: here they are.
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  if item and item.own and item.row and item.row.rowId == ARGV[2] then redis.call('LREM', KEYS.held, 1, raw) end
end
if redis.call('LLEN', KEYS.held) == 0 then redis.call('ZREM', KEYS.held_index, ARGV[1]) end
local ids, more = take_over(ARGV[1], now, ARGV[5], ARGV[6])
ids[#ids + 1] = ARGV[2]
trace(KEYS.trace, 'taken_over', now, ids, more)
return 'taken_over'
