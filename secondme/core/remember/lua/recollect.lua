-- Turns of a conversation that an export remembers join the history: each at its own time and in its order. Repeatable.
-- KEYS  approved history history_ids
-- ARGV  1 '1' to write, '0' to say what would be written 2 '1' when the owner named the contact: it need not be approved 3 history cap
--       4 ms a turn lives 5 ms within which the same words of the same one, seen live, are the same turn,
--       then for each turn, oldest first: id, role, content, ms, turn JSON
-- Returns not_approved | wrong_type | one letter for each turn: t taken | y imported before | l known from life | o too old, or not
--         among the newest that are kept
if ARGV[2] ~= '1' and redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
local kinds = { redis.call('TYPE', KEYS.history).ok, redis.call('TYPE', KEYS.history_ids).ok }
if (kinds[1] ~= 'zset' and kinds[1] ~= 'none') or (kinds[2] ~= 'set' and kinds[2] ~= 'none') then return 'wrong_type' end
local cap, ttl, window = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = now_ms()
local live, scores = {}, {}
local all_of = redis.call('ZRANGE', KEYS.history, 0, -1, 'WITHSCORES')
for i = 1, #all_of, 2 do
  local turn = decode(all_of[i])
  scores[#scores + 1] = tonumber(all_of[i + 1])
  if turn and words(turn.id) and words(turn.content) and type(turn.timestamp) == 'number' and turn.id:sub(1, 7) ~= 'import:' then
    turn.score = scores[#scores]
    live[#live + 1] = turn
  end
end

-- The place of this turn if it was kept when it was said; one that was said once is found once.
local function place_in_life(role, content, at)
  for i, turn in ipairs(live) do
    if turn.role == role and turn.content == content and math.abs(turn.timestamp - at) <= window then
      table.remove(live, i)
      return turn.score
    end
  end
  return nil
end

local letters, turns, ids, last = {}, {}, {}, 0
for i = 6, #ARGV, 5 do
  local at, letter, place = tonumber(ARGV[i + 3]), 't', nil
  if redis.call('SISMEMBER', KEYS.history_ids, ARGV[i]) == 1 then
    letter = 'y'
  elseif at <= now - ttl or at > now then
    letter = 'o'
  else
    place = place_in_life(ARGV[i + 1], ARGV[i + 2], at)
    if place then letter = 'l' end
  end
  -- Exports know minutes: turns of one minute stand a millisecond apart, in their order, and after those that are here already.
  local score = math.max(place or at, last + 1)
  if letter ~= 'o' then last = score end
  if letter == 't' then
    turns[#turns + 1] = { score, ARGV[i + 4], ARGV[i], #letters + 1 }
    scores[#scores + 1] = score
  end
  letters[#letters + 1] = letter
end
table.sort(scores)
local cut = scores[#scores - cap] or 0
local added = 0
for _, turn in ipairs(turns) do
  if turn[1] <= cut then
    letters[turn[4]] = 'o'
  else
    added = added + 1
    if ARGV[1] == '1' then
      redis.call('ZADD', KEYS.history, turn[1], turn[2])
      redis.call('SADD', KEYS.history_ids, turn[3])
    end
  end
end
if added > 0 and ARGV[1] == '1' then
  local extra = redis.call('ZCARD', KEYS.history) - cap
  if extra > 0 then
    local popped = redis.call('ZPOPMIN', KEYS.history, extra)
    for i = 1, #popped, 2 do
      local turn = decode(popped[i])
      if turn and words(turn.id) then redis.call('SREM', KEYS.history_ids, turn.id) end
    end
  end
  local left = math.max(redis.call('PTTL', KEYS.history), math.ceil(scores[#scores] + ttl - now), 1000)
  redis.call('PEXPIRE', KEYS.history, left)
  redis.call('PEXPIRE', KEYS.history_ids, left)
end
return table.concat(letters)
