-- The owner decides about one of a contact's held replies: it is sent now, or dropped.
-- KEYS  held held_index outbox outbox_due approved pause_all killed pause channel_pause trace history jobs_fates proactive_sent proactive_sent_to
-- ARGV  1 contact 2 reply id 3 'send' | 'drop' 4 ms after which a held reply is no more 5 '1' to send it although something was said since it was written
--       6 most that jobs send in an hour 7 in a day 8 to one contact in a day 9 in a week
-- Returns {sent, n} | {dropped, n} | {missing} | {gone} | {paused} | {unfit} | {overtaken} | {limit}
typed()
local now = now_ms()
if ARGV[3] == 'send' and redis.call('EXISTS', KEYS.approved) == 0 then return { 'gone' } end
local found, rows, ids = {}, {}, {}
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  if item and item.row and item.row.replyId == ARGV[2] and (ARGV[3] == 'drop' or held_until(item, tonumber(ARGV[4])) > now) then
    found[#found + 1], rows[#rows + 1] = raw, item.row
    if item.row.fault and item.row.fault ~= '' and ARGV[3] == 'send' then return { 'unfit' } end
    ids = item.row.answers or ids
  end
end
if #rows == 0 then return { 'missing' } end
if ARGV[3] == 'send' and rows[1].kind == 'own' then -- a pause is the clone's silence, not the owner's
  if redis.call('EXISTS', KEYS.pause_all, KEYS.killed) == 2 then return { 'paused' } end
elseif ARGV[3] == 'send' and redis.call('EXISTS', KEYS.pause_all, KEYS.pause, KEYS.channel_pause) > 0 then
  return { 'paused' }
end
if ARGV[3] == 'send' and words(rows[1].job) then
  if ARGV[5] ~= '1' and words(rows[1].basis) and rows[1].basis ~= newest_turn(KEYS.history) then return { 'overtaken' } end
  if over_sent(KEYS.proactive_sent, KEYS.proactive_sent_to, now, ARGV[6], ARGV[7], ARGV[8], ARGV[9]) then return { 'limit' } end
  count_sent(KEYS.proactive_sent, KEYS.proactive_sent_to, ARGV[2], now)
end
for at, row in ipairs(rows) do
  redis.call('LREM', KEYS.held, 1, found[at])
  if ARGV[3] == 'send' then
    row.dueAt, row.typingFrom, row.attempts, row.released, row.basis = now, now, 0, true, words(row.job) and newest_turn(KEYS.history) or nil
    if next(row.answers or {}) == nil then row.answers = nil end
    post(KEYS.outbox, KEYS.outbox_due, ARGV[1], cjson.encode(row), now)
  else
    fate(KEYS.jobs_fates, row, 'dropped', now, ',"why":"owner"')
  end
end
if redis.call('LLEN', KEYS.held) == 0 then redis.call('ZREM', KEYS.held_index, ARGV[1]) end
trace(KEYS.trace, ARGV[3] == 'send' and 'released' or 'dropped', now, ids, ',"reply":' .. cjson.encode(ARGV[2]) .. ',"reason":"owner"')
return { ARGV[3] == 'send' and 'sent' or 'dropped', #rows }
