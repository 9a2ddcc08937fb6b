-- The owner spoke in this chat with their own hands: remember it, pause the contact, drop what waits to be answered or sent, but
-- for what they wrote themselves.
-- KEYS  approved seen history history_ids history_expiring pause inbox mailbox outbox outbox_due paused_index held held_index trace
--       missed missed_index memory_on memory_journal memory_due jobs_fates events_log
-- ARGV  1 contact 2 message id 3 turn JSON 4 sent ms 5 pause ms 6 history cap 7 history ttl s 8 seen ttl ms 9 pause event channel
--       10 ms after which the chat forgets it, 0 for never 11 window of the limit in ms
-- Returns stranger | duplicate | own_echo | taken_over
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
if redis.call('HGET', KEYS.mailbox, 'sending') == ARGV[2] then return 'own_echo' end
if redis.call('ZSCORE', KEYS.seen, ARGV[2]) then return 'duplicate' end
typed(KEYS.inbox, KEYS.outbox, KEYS.outbox_due, KEYS.paused_index, KEYS.held, KEYS.held_index, KEYS.missed_index)
local last, at = newest_at(KEYS.history), tonumber(ARGV[4])
-- What the owner writes is no flood of the contact's: it counts two windows earlier.
local claimed = claim(KEYS.seen, KEYS.history_ids, ARGV[2], at - 2 * ARGV[11])
if claimed == 0 then return 'own_echo' end
if claimed ~= 1 then return claimed end
remember_once(KEYS.seen, tonumber(ARGV[8]), KEYS.history, KEYS.history_ids, last, ARGV[3], at, tonumber(ARGV[6]), ARGV[7])
tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], ARGV[3])
if ARGV[10] ~= '0' then redis.pcall('ZADD', KEYS.history_expiring, 'LT', at + ARGV[10], ARGV[1]) end
local now = now_ms()
-- Words of the owner's of which nobody knew whether they had gone out: here they are.
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  if item and item.own and item.row and item.row.rowId == ARGV[2] then redis.call('LREM', KEYS.held, 1, raw) end
end
if redis.call('LLEN', KEYS.held) == 0 then redis.call('ZREM', KEYS.held_index, ARGV[1]) end
local ids, more = take_over(ARGV[1], now, ARGV[5], ARGV[9])
ids[#ids + 1] = ARGV[2]
trace(KEYS.trace, 'taken_over', now, ids, more)
return 'taken_over'
