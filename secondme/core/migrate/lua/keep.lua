-- A value that was kept elsewhere is kept here too, unless something is there already. Repeatable.
-- KEYS  [place] [approval] paused_index killed : where it goes, the approval it needs or the place again when it needs none
-- ARGV  1 '1' to write, '0' to say what would be written 2 string | hash 3 ms it lives, 0 for ever
--       4 whose pause it is: a contact, ALL, or '' when it is none, then the string, or fields and values
-- Returns taken | already | not_approved
if KEYS.approval ~= KEYS.place and redis.call('EXISTS', KEYS.approval) == 0 then return 'not_approved' end
if redis.call('EXISTS', KEYS.place) == 1 then return 'already' end
if ARGV[1] ~= '1' then return 'taken' end
if ARGV[2] == 'string' then
  redis.call('SET', KEYS.place, ARGV[5])
else
  redis.call('HSET', KEYS.place, unpack(ARGV, 5))
end
if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS.place, ARGV[3]) end
if ARGV[4] ~= '' then
  redis.call('ZADD', KEYS.paused_index, ARGV[3] == '0' and '+inf' or now_ms() + ARGV[3], ARGV[4])
  if ARGV[4] == 'ALL' and ARGV[3] == '0' then redis.call('SET', KEYS.killed, '1') end
end
return 'taken'
