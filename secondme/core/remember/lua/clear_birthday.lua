-- Nobody knows a contact's birthday any more. Repeatable.
-- KEYS  birthday
-- ARGV  1 the source whose word is gone, or '' when the owner clears whatever is there: the same date is not learnt again then
-- Returns 1 when one was known, else 0
typed()
local raw = redis.call('HGET', KEYS.birthday, 'known')
local known = decode(raw)
if not raw or (ARGV[1] ~= '' and not (known and known.source == ARGV[1])) then return 0 end
redis.call('HDEL', KEYS.birthday, 'known')
if ARGV[1] == '' and known and tonumber(known.month) and tonumber(known.day) then
  redis.call('HSET', KEYS.birthday, 'refused', string.format('%02d-%02d', known.month, known.day))
end
return 1
