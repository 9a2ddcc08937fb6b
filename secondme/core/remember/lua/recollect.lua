-- Turns of a conversation that an export remembers join the history: each at its own time and in the order of the file. What the same file
-- gave before and does not give any more is gone. Repeatable.
-- KEYS  approved history
-- ARGV  1 '1' to write, '0' to say what would be written 2 '1' when the owner named the contact: it need not be approved 3 history cap
--       4 ms a turn lives 5 ms within which the same words of the same one, seen live, are the same turn 6 digest of the file, or '',
--       then for each turn, in the order of the file: id, role, content, ms, turn JSON
-- Returns not_approved | wrong_type | {one letter for each turn: t taken | y imported before | l known from life | o too old, or not
--         among the newest that are kept; how many are gone; for each turn the ms at which it was said}
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
local kind = redis.call('TYPE', KEYS.history).ok
if kind ~= 'zset' and kind ~= 'none' then return 'wrong_type' end
local cap, ttl, window, digest = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local now = now_ms()
local offered = {}
for i = 7, #ARGV, 5 do offered[ARGV[i]] = true end

-- What is there: `rows` of all, `live` those that were kept when they were said, `imported` the others by id, `known` the ids of all.
local rows, live, imported, known, gone = {}, {}, {}, {}, 0
local all_of = redis.call('ZRANGE', KEYS.history, 0, -1, 'WITHSCORES')
for i = 1, #all_of, 2 do
  local turn, row = decode(all_of[i]), { raw = all_of[i], at = tonumber(all_of[i + 1]) }
  row.new, row.place = row.raw, row.at
  rows[#rows + 1] = row
  if turn and words(turn.id) then known[turn.id] = true end
  if turn and words(turn.id) and words(turn.content) and type(turn.timestamp) == 'number' then
    row.id, row.said = turn.id, turn.timestamp
    if turn.id:sub(1, 7) ~= 'import:' then
      live[#live + 1] = { role = turn.role, content = turn.content, timestamp = turn.timestamp, at = row.at }
    else
      local rest, was_given = without(sources_of(row.raw), digest)
      row.is_ours = was_given
      imported[turn.id] = row
      if was_given and not offered[turn.id] then
        row.is_gone = #rest == 0
        row.new = with_sources(row.raw, rest)
        gone = gone + 1
      end
    end
  end
end

-- The place of this turn if it was kept when it was said; one that was said once is found once.
local function place_in_life(role, content, at)
  for i, turn in ipairs(live) do
    if turn.role == role and turn.content == content and math.abs(turn.timestamp - at) <= window then
      table.remove(live, i)
      return turn.at
    end
  end
  return nil
end

-- When a turn was said that stands at `place`: there, when that is in the minute that the export knows; else when it says, for some arrive late.
local function moment(at, place)
  return math.abs(place - at) < 60000 and place or at
end

local function timed(raw, at)
  return (raw:gsub(',"timestamp":%d+', string.format(',"timestamp":%.0f', at), 1))
end

-- Exports know minutes: each turn stands behind the one before it in the file, and behind what of its minute was seen live.
local letters, moments, last = {}, {}, 0
for i = 7, #ARGV, 5 do
  local id, at, letter, place = ARGV[i], tonumber(ARGV[i + 3]), 't', nil
  local row = imported[id]
  if known[id] then
    letter = 'y'
    if row and not row.is_ours then place, at = row.at, row.said end
  elseif at <= now - ttl or at > now then
    letter = 'o'
  else
    place = place_in_life(ARGV[i + 1], ARGV[i + 2], at)
    if place then letter = 'l' end
  end
  place = math.max(place or at, last + 1)
  if letter ~= 'o' then last = place end
  if row then
    local json = row.is_ours and ARGV[i + 4] or row.raw
    local ours = sources_of(ARGV[i + 4])
    row.place, row.new = place, timed(with_sources(json, joined(sources_of(row.raw), ours)), moment(at, place))
  elseif letter == 't' then
    rows[#rows + 1] = { id = id, new = timed(ARGV[i + 4], moment(at, place)), place = place, letter = #letters + 1 }
  end
  letters[#letters + 1], moments[#moments + 1] = letter, string.format('%.0f', moment(at, place))
end

local scores, added = {}, 0
for _, row in ipairs(rows) do
  if not row.is_gone then scores[#scores + 1] = row.place end
end
table.sort(scores)
local cut = scores[#scores - cap] or 0
for _, row in ipairs(rows) do
  if row.letter and row.place <= cut then
    letters[row.letter], row.is_gone = 'o', true
  elseif row.letter then
    added = added + 1
  end
end
if ARGV[1] == '1' then
  for _, row in ipairs(rows) do
    if row.raw and (row.is_gone or row.new ~= row.raw) then redis.call('ZREM', KEYS.history, row.raw) end
    if not row.is_gone and (row.new ~= row.raw or row.place ~= row.at) then redis.call('ZADD', KEYS.history, row.place, row.new) end
  end
end
if added > 0 and ARGV[1] == '1' then
  redis.call('ZREMRANGEBYRANK', KEYS.history, 0, -cap - 1)
  local left = math.max(redis.call('PTTL', KEYS.history), math.ceil(scores[#scores] + ttl - now), 1000)
  redis.call('PEXPIRE', KEYS.history, left)
end
return { table.concat(letters), gone, moments }
