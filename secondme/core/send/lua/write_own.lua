-- The owner writes to a contact as themselves: the words leave next, and the clone is silent there as behind words from the owner's own phone.
-- KEYS  approved pause_all killed pause paused_index inbox mailbox outbox outbox_due held held_index trace missed missed_index
--       jobs_fates owner_told events_log
-- ARGV  1 contact 2 pause ms 3 pause event channel 4 what it is done once for, or '' 5 the same with a digest of the words
--       6 ttl of those ms 7 most rows of theirs that wait, then rows as JSON
-- Returns queued | done | reused | not_approved | killed | full
if redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
typed()
if ARGV[4] ~= '' and redis.call('ZSCORE', KEYS.owner_told, ARGV[4]) then
  return redis.call('ZSCORE', KEYS.owner_told, ARGV[5]) and 'done' or 'reused'
end
if redis.call('EXISTS', KEYS.pause_all, KEYS.killed) == 2 then return 'killed' end
local now, waiting = now_ms(), 0
for _, raw in ipairs(redis.call('LRANGE', KEYS.outbox, 0, -1)) do
  if raw:find('"kind":"own"', 1, true) then waiting = waiting + 1 end
end
if waiting + #ARGV - 7 > tonumber(ARGV[7]) then return 'full' end
if ARGV[4] ~= '' then
  mark_told(KEYS.owner_told, ARGV[4], now, ARGV[6])
  mark_told(KEYS.owner_told, ARGV[5], now, ARGV[6])
end
local ids, more = take_over(ARGV[1], now, ARGV[2], ARGV[3])
trace(KEYS.trace, 'taken_over', now, ids, more)
for i = 8, #ARGV do post(KEYS.outbox, KEYS.outbox_due, ARGV[1], stamp(ARGV[i], now, 0, 0), now) end
return 'queued'
