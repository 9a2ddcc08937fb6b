-- Turns of a conversation that was held elsewhere join ours, when its contact was approved; what we have stays. Repeatable.
-- KEYS  approved seen history
-- ARGV  1 '1' to write, '0' to say what would be written 2 history cap 3 ms it lives, then for each turn, oldest first: id, turn JSON, ms
-- Returns not_approved | wrong_type | one letter for each turn: t taken | y known before | o older than the newest that are kept
if redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
local kinds = { redis.call('TYPE', KEYS.history).ok, redis.call('TYPE', KEYS.seen).ok }
if (kinds[1] ~= 'zset' and kinds[1] ~= 'none') or (kinds[2] ~= 'zset' and kinds[2] ~= 'none') then return 'wrong_type' end
local cap, ttl = tonumber(ARGV[2]), tonumber(ARGV[3])
local known = ids_of(KEYS.history)
local letters, turns, ids, added = {}, {}, {}, 0
for i = #ARGV - 2, 4, -3 do
  local letter = 't'
  if known[ARGV[i]] then
    letter = 'y'
  elseif added + redis.call('ZCOUNT', KEYS.history, ARGV[i + 2], '+inf') >= cap then
    letter = 'o'
  else
    known[ARGV[i]], added = true, added + 1
    turns[#turns + 1], turns[#turns + 2] = ARGV[i + 2], ARGV[i + 1]
    ids[#ids + 1], ids[#ids + 2] = -ARGV[i + 2], ARGV[i]
  end
  table.insert(letters, 1, letter)
end
if added > 0 and ARGV[1] == '1' then
  local left = redis.call('PTTL', KEYS.history)
  recall(KEYS.seen, KEYS.history)
  redis.call('ZADD', KEYS.history, unpack(turns))
  redis.call('ZREMRANGEBYRANK', KEYS.history, 0, -cap - 1)
  -- What was said elsewhere is decided about, should a platform deliver it again; no limit counts it.
  redis.call('ZADD', KEYS.seen, 'NX', unpack(ids))
  redis.call('PEXPIRE', KEYS.seen, LIMIT.SEEN_TTL_MS)
  if left < ttl then left = ttl end
  redis.call('PEXPIRE', KEYS.history, left)
end
return table.concat(letters)
