-- A value that was kept elsewhere is kept here too, unless something is there already. Repeatable.
-- KEYS  1 where it goes 2 the approval it needs, or 1 again when it needs none 3 paused index 4 kill switch mark
-- ARGV  1 '1' to write, '0' to say what would be written 2 string | hash 3 ms it lives, 0 for ever
--       4 whose pause it is: a contact, ALL, or '' when it is none, then the string, or fields and values
-- Returns taken | already | not_approved
if KEYS[2] ~= KEYS[1] and redis.call('EXISTS', KEYS[2]) == 0 then return 'not_approved' end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'already' end
if ARGV[1] ~= '1' then return 'taken' end
if ARGV[2] == 'string' then
  redis.call('SET', KEYS[1], ARGV[5])
else
  redis.call('HSET', KEYS[1], unpack(ARGV, 5))
end
if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS[3], ARGV[3] == '0' and '+inf' or now_ms() + ARGV[3], ARGV[4])
  if ARGV[4] == 'ALL' and ARGV[3] == '0' then redis.call('SET', KEYS[4], '1') end
end
return 'taken'
