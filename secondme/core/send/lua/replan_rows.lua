-- A contact's outbox after the clock was put back: rows that were planned by the wrong clock leave as long after their planning as was planned.
-- What leaves at an hour that was named (`scheduled`) does not come sooner.
-- KEYS  outbox outbox_due
-- ARGV  1 contact 2 by how many ms the clock was put back 3 since when it was wrong
-- Returns how many rows
typed()
local now, back, since, moved, first = now_ms(), tonumber(ARGV[2]), tonumber(ARGV[3]), 0, nil
for at, raw in ipairs(redis.call('LRANGE', KEYS.outbox, 0, -1)) do
  local row = decode(raw)
  local made = row and tonumber(row.composedAt)
  if at == 1 then first = row end
  if made and not row.scheduled and (made >= since or made > now) then
    row.composedAt, row.typingFrom, row.dueAt = made - back, (tonumber(row.typingFrom) or made) - back, (tonumber(row.dueAt) or made) - back
    if next(row.answers or {}) == nil then row.answers = nil end -- cjson would write an empty list as an object
    redis.call('LSET', KEYS.outbox, at - 1, cjson.encode(row))
    moved = moved + 1
  end
end
local due = tonumber(redis.call('ZSCORE', KEYS.outbox_due, ARGV[1]) or nil)
if due and due > now and not (first and first.scheduled) then redis.call('ZADD', KEYS.outbox_due, 'XX', math.max(now, due - back), ARGV[1]) end
return moved
