-- Keeps what the owner wrote with their own hands: with its contact, and as mere measures over all. The newest are kept. Repeatable.
-- KEYS  approved own_messages style_overall caches... : the first two of nobody when there is no contact; the style caches that
--       are out of date after it
-- ARGV  1 own | overall: whether the messages themselves are kept 2 approved | named: whether the contact must be approved
--       3 most own messages 4 most measures, then for each message: id, message JSON, id among the measures, measure JSON
-- Returns how many messages are there that were not before, or -1 when the contact was not approved
typed()
local own, all = ARGV[1] == 'own', KEYS.style_overall
if own and ARGV[2] == 'approved' and redis.call('EXISTS', KEYS.approved) == 0 then return -1 end

-- Drops the oldest of a hash above `most`; returns the ids of those it dropped.
local function trim(hash, most)
  local dropped = {}
  local extra = redis.call('HLEN', hash) - most
  if extra <= 0 then return dropped end
  local ids, ages, all_of = {}, {}, redis.call('HGETALL', hash)
  for i = 1, #all_of, 2 do
    local id = all_of[i]
    ids[#ids + 1], ages[id] = id, tonumber(string.match(all_of[i + 1], '"at":(%d+)') or 0)
  end
  local function is_older(a, b)
    if ages[a] ~= ages[b] then return ages[a] < ages[b] end
    return a < b
  end
  if extra == 1 then  -- as nearly always: one look is enough, and the server waits for us
    for i = 2, #ids do
      if is_older(ids[i], ids[1]) then ids[1] = ids[i] end
    end
  else
    table.sort(ids, is_older)
  end
  for i = 1, extra do
    redis.call('HDEL', hash, ids[i])
    dropped[ids[i]] = true
  end
  return dropped
end

-- What is there stays: it was read when more of the conversation around it was to be seen. Only other words replace it, a correction.
local function is_as_before(hash, id, json)
  local old = decode(redis.call('HGET', hash, id))
  return old and words(old.text) and old.text == decode(json).text
end

local new = {}
for i = 5, #ARGV, 4 do
  if not own then
    if redis.call('HSETNX', all, ARGV[i + 2], ARGV[i + 3]) == 1 then new[ARGV[i + 2]] = true end
  elseif redis.call('HSETNX', KEYS.own_messages, ARGV[i], ARGV[i + 1]) == 1 then
    new[ARGV[i]] = true
    redis.call('HSET', all, ARGV[i + 2], ARGV[i + 3])
  elseif not is_as_before(KEYS.own_messages, ARGV[i], ARGV[i + 1]) then
    redis.call('HSET', KEYS.own_messages, ARGV[i], ARGV[i + 1])
    redis.call('HSET', all, ARGV[i + 2], ARGV[i + 3])
  end
end
local dropped = trim(all, tonumber(ARGV[4]))
if own then
  dropped = trim(KEYS.own_messages, tonumber(ARGV[3]))
  for i = TAIL, #KEYS do redis.call('DEL', KEYS[i]) end
end
local count = 0
for id in pairs(new) do
  if not dropped[id] then count = count + 1 end
end
return count
