-- The owner decides about one of a contact's held replies: it is sent now, or dropped.
-- KEYS  1 held 2 held index 3 outbox 4 due 5 approved 6 pause all 7 pause 8 pause of the channel 9 trace
-- ARGV  1 contact 2 reply id 3 'send' | 'drop' 4 ms after which a held reply is no more
-- Returns {sent, n} | {dropped, n} | {missing} | {gone} | {paused} | {unfit}
local now = now_ms()
if ARGV[3] == 'send' and redis.call('EXISTS', KEYS[5]) == 0 then return { 'gone' } end
local found, rows, ids = {}, {}, {}
for _, raw in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local item = decode(raw)
  if item and item.row and item.row.replyId == ARGV[2] and (ARGV[3] == 'drop' or item.heldAt + ARGV[4] > now) then
    found[#found + 1], rows[#rows + 1] = raw, item.row
    if item.row.fault and item.row.fault ~= '' and ARGV[3] == 'send' then return { 'unfit' } end
    ids = item.row.answers or ids
  end
end
if #rows == 0 then return { 'missing' } end
if ARGV[3] == 'send' and redis.call('EXISTS', KEYS[6], KEYS[7], KEYS[8]) > 0 then return { 'paused' } end
for at, row in ipairs(rows) do
  redis.call('LREM', KEYS[1], 1, found[at])
  if ARGV[3] == 'send' then
    row.dueAt, row.typingFrom, row.attempts, row.released = now, now, 0, true
    if next(row.answers or {}) == nil then row.answers = nil end
    post(KEYS[3], KEYS[4], ARGV[1], cjson.encode(row), now)
  end
end
if redis.call('LLEN', KEYS[1]) == 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
trace(KEYS[9], ARGV[3] == 'send' and 'released' or 'dropped', now, ids, ',"reply":' .. cjson.encode(ARGV[2]) .. ',"reason":"owner"')
return { ARGV[3] == 'send' and 'sent' or 'dropped', #rows }
