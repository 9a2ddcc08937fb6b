-- What an export file gave before and does not give any more is not learnt from any longer, unless another file gave it too. Repeatable.
-- KEYS  own_messages style_overall caches... : the first of nobody when it is about measures; the style caches that are out of date after it
-- ARGV  1 '1' to write, '0' to say what would be gone 2 own | overall 3 digest of the file, then the ids of what it does not give any more
-- Returns how many of them it had given
typed()
local hash = ARGV[2] == 'own' and KEYS.own_messages or KEYS.style_overall
local gone = 0
for i = 4, #ARGV do
  local raw = redis.call('HGET', hash, ARGV[i])
  local rest, was_given = without(sources_of(raw or ''), ARGV[3])
  if was_given then
    gone = gone + 1
    if ARGV[1] == '1' then
      if #rest == 0 then redis.call('HDEL', hash, ARGV[i]) else redis.call('HSET', hash, ARGV[i], with_sources(raw, rest)) end
    end
  end
end
if gone > 0 and ARGV[1] == '1' then
  for i = TAIL, #KEYS do redis.call('DEL', KEYS[i]) end
end
return gone
