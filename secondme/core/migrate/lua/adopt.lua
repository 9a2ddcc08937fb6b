-- Contacts that the owner already talked to are approved, many in one call; each is judged for itself. Repeatable.
-- KEYS  index_approved index_pending index_denied pairing_stats contacts... : of each approved, denied, pending[, history]
-- ARGV  1 '1' to write, '0' to say what would be written 2 keys of each contact: 3, or 4 with the history it must have
--       3 most bytes of a record that is read 4 where the id begins in the name of an approval
--       and only to write: 5 ms of approval, or '' when each has its own, then each record's JSON, then each ms
-- Returns one letter for each contact: a approved | y approved before | d denied | w waits with a request, which approve.lua settles |
--         c an approval that cannot be read | t a history that is none | g the history is gone
-- Words and keys are what costs here: one allocation for each. So an id is cut out of its key, and a dry run is sent no records.
local write, width, most, begins = ARGV[1] == '1', tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local count = (#KEYS - TAIL + 1) / width
local letters, records, scores, before, doors, n = {}, {}, {}, {}, {}, 0
for at = TAIL, #KEYS, width do
  doors[n + 1], doors[n + 2], doors[n + 3] = KEYS[at], KEYS[at + 1], KEYS[at + 2]
  n = n + 3
end
-- The ordinary batch has nobody at the door: one call says so for all.
local strangers = redis.call('EXISTS', unpack(doors)) == 0

local function has_history(key)
  if width == 3 then return 'zset' end
  return redis.call('TYPE', key).ok
end

-- The moment of a readable approval, or nil.
local function approved_at(key, id)
  if redis.call('TYPE', key).ok ~= 'string' or redis.call('STRLEN', key) > most then return nil end
  local record = decode(redis.call('GET', key))
  if record and record.contactId == id and is_tier(record.tier) and type(record.approvedAt) == 'number' then return record.approvedAt end
  return nil
end

local function judge(at, number)
  if not strangers then
    if redis.call('EXISTS', KEYS[at]) == 1 then
      local id = KEYS[at]:sub(begins)
      local moment = approved_at(KEYS[at], id)
      if not moment then return 'c' end
      before[#before + 1], before[#before + 2] = string.format('%.0f', moment), id
      return 'y'
    end
    if redis.call('EXISTS', KEYS[at + 1]) == 1 then return 'd' end
  end
  local kind = has_history(KEYS[at + 3])
  if kind ~= 'zset' then return kind == 'none' and 'g' or 't' end
  if not strangers and redis.call('EXISTS', KEYS[at + 2]) == 1 then return 'w' end
  if write then
    records[#records + 1], records[#records + 2] = KEYS[at], ARGV[5 + number]
    scores[#scores + 1], scores[#scores + 2] = ARGV[5] ~= '' and ARGV[5] or ARGV[5 + count + number], KEYS[at]:sub(begins)
  end
  return 'a'
end

for number = 1, count do letters[number] = judge(TAIL + (number - 1) * width, number) end
if write then
  -- An approval that another program wrote is in no index; then nobody would see it in a list.
  if #before > 0 then redis.call('ZADD', KEYS.index_approved, 'NX', unpack(before)) end
  if #records > 0 then
    redis.call('MSET', unpack(records))
    redis.call('ZADD', KEYS.index_approved, unpack(scores))
  end
  if #before + #records > 0 then count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now_ms()) end
end
return table.concat(letters)
