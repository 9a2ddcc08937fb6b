-- When a contact has their birthday, unless somebody whose word counts more says something else. Repeatable.
-- KEYS  approved history birthday
-- ARGV  1 Birthday JSON 2 its source 3 id of the message that must be in the history, or ''
-- Returns kept | known | weaker | refused | not_approved
if redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
typed()
if ARGV[3] ~= '' and not ids_of(KEYS.history)[ARGV[3]] then return 'not_approved' end
local RANK = { owner = 3, address_book = 2, import = 2, memory = 1, rules = 0 }
local new, known = decode(ARGV[1]), decode(redis.call('HGET', KEYS.birthday, 'known'))
local date = string.format('%02d-%02d', new.month, new.day)
if ARGV[2] ~= 'owner' and redis.call('HGET', KEYS.birthday, 'refused') == date then return 'refused' end
if known and ARGV[2] ~= 'owner' then
  local old, mine = RANK[known.source] or 0, RANK[ARGV[2]]
  if old > mine or (old == mine and (tonumber(known.at) or 0) > new.at) then return 'weaker' end
  local is_same = known.day == new.day and known.month == new.month
  if is_same and old == mine and (known.year == new.year or not new.year) then return 'known' end -- without a year it says nothing new
end
redis.call('HSET', KEYS.birthday, 'known', ARGV[1])
if ARGV[2] == 'owner' then redis.call('HDEL', KEYS.birthday, 'refused') end
return 'kept'
