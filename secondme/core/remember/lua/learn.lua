-- Keeps what the owner wrote with their own hands: with its contact, and as mere measures over all. The newest are kept. Repeatable.
-- KEYS  approved own_messages style_overall caches... : the first two of nobody when there is no contact; the style caches that
--       are out of date after it
-- ARGV  1 own | overall: whether the messages themselves are kept 2 approved | named: whether the contact must be approved
--       3 most own messages 4 most measures 5 digest of the export file that is read, or '', then for each message: id, message JSON,
--       id among the measures, measure JSON
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

-- What is to be kept where `old` is kept and `json` comes. What is there stays: it was read when more of the conversation around it was to
-- be seen. Only other words replace it, a correction, and the file that gave it, read again; or any file, when it was imported by a version
-- that did not write down from which. Either is of the files of both.
local function renewed(old, json)
  local before, files, new_files = decode(old), sources_of(old), sources_of(json)
  local _, is_same_file = without(files, ARGV[5])
  local is_of_no_file = #files == 0 and #new_files > 0
  local stays = before and not is_same_file and not is_of_no_file and words(before.text) == decode(json).text
  return with_sources(stays and old or json, joined(files, new_files))
end

-- Puts `json` into a hash; true when its id was not there before, false when nothing changed, else nil.
local function put(hash, id, json)
  local old = redis.call('HGET', hash, id)
  local value = old and renewed(old, json) or json
  if value == old then return false end
  redis.call('HSET', hash, id, value)
  if not old then return true end
end

local new = {}
for i = 6, #ARGV, 4 do
  if not own then
    if put(all, ARGV[i + 2], ARGV[i + 3]) then new[ARGV[i + 2]] = true end
  else
    local is_new = put(KEYS.own_messages, ARGV[i], ARGV[i + 1])
    if is_new then new[ARGV[i]] = true end
    if is_new ~= false then
      local files = sources_of(redis.call('HGET', all, ARGV[i + 2]) or '')
      redis.call('HSET', all, ARGV[i + 2], with_sources(ARGV[i + 3], joined(files, sources_of(ARGV[i + 3]))))
    end
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
