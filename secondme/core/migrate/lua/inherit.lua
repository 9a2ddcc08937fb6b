-- Turns of a conversation that was held elsewhere join ours, when its contact was approved; what we have stays. Repeatable.
-- KEYS  approved history history_ids
-- ARGV  1 '1' to write, '0' to say what would be written 2 history cap 3 ms it lives, then for each turn, oldest first: id, turn JSON, ms
-- Returns not_approved | wrong_type | one letter for each turn: t taken | y known before | o older than the newest that are kept
if redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
local kinds = { redis.call('TYPE', KEYS.history).ok, redis.call('TYPE', KEYS.history_ids).ok }
if (kinds[1] ~= 'zset' and kinds[1] ~= 'none') or (kinds[2] ~= 'set' and kinds[2] ~= 'none') then return 'wrong_type' end
local cap, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
local known = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS.history, 0, -1)) do
  local turn = decode(member)
  if turn and words(turn.id) then known[turn.id] = true end
end
local letters, turns, ids, added = {}, {}, {}, 0
for i = #ARGV - 2, 4, -3 do
  local letter = 't'
  if known[ARGV[i]] or redis.call('SISMEMBER', KEYS.history_ids, ARGV[i]) == 1 then
    letter = 'y'
  elseif added + redis.call('ZCOUNT', KEYS.history, ARGV[i + 2], '+inf') >= cap then
    letter = 'o'
  else
    known[ARGV[i]], added = true, added + 1
    turns[#turns + 1], turns[#turns + 2], ids[#ids + 1] = ARGV[i + 2], ARGV[i + 1], ARGV[i]
  end
  table.insert(letters, 1, letter)
end
if added > 0 and ARGV[1] == '1' then
  local left = redis.call('PTTL', KEYS.history)
  redis.call('ZADD', KEYS.history, unpack(turns))
  redis.call('SADD', KEYS.history_ids, unpack(ids))
  local extra = redis.call('ZCARD', KEYS.history) - cap
  if extra > 0 then
    local popped = redis.call('ZPOPMIN', KEYS.history, extra)
    for i = 1, #popped, 2 do
      local turn = decode(popped[i])
      if turn and words(turn.id) then redis.call('SREM', KEYS.history_ids, turn.id) end
    end
  end
  if left < ttl then left = ttl end
  redis.call('PEXPIRE', KEYS.history, left)
  redis.call('PEXPIRE', KEYS.history_ids, left)
end
return table.concat(letters)
