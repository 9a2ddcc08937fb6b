-- A call to a model is over: what was charged becomes what it cost. A worker that dies before this leaves the charge: it may have been billed.
-- KEYS  token_stats spent token_usage
-- ARGV  1 micros that were charged 2 micros it cost 3 field prefix of the contact's day 4 entry JSON, or '' when nothing was answered
--       5 ms 6 entries kept 7 prefix of the model's fields 8 seconds, characters or '' 9 how many more than were charged 10 how many
--       then fields and counts: added to the day, to the contact and to the model
-- Returns ok
typed()
local delta = tonumber(ARGV[2]) - tonumber(ARGV[1])
redis.call('HINCRBY', KEYS.token_stats, 'micros', delta)
redis.call('HINCRBY', KEYS.spent, ARGV[3] .. 'micros', delta)
if ARGV[8] ~= '' then
  redis.call('HINCRBY', KEYS.token_stats, ARGV[8], ARGV[9])
  redis.call('HINCRBY', KEYS.spent, ARGV[3] .. ARGV[8], ARGV[9])
end
if ARGV[4] == '' then return 'ok' end
redis.call('HINCRBY', KEYS.token_stats, ARGV[7] .. 'micros', ARGV[2])
if ARGV[8] ~= '' then redis.call('HINCRBY', KEYS.token_stats, ARGV[7] .. ARGV[8], ARGV[10]) end
for i = 11, #ARGV, 2 do
  if ARGV[i + 1] ~= '0' then
    redis.call('HINCRBY', KEYS.token_stats, ARGV[i], ARGV[i + 1])
    redis.call('HINCRBY', KEYS.token_stats, ARGV[7] .. ARGV[i], ARGV[i + 1])
    redis.call('HINCRBY', KEYS.spent, ARGV[3] .. ARGV[i], ARGV[i + 1])
  end
end
redis.call('ZADD', KEYS.token_usage, ARGV[5], ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS.token_usage, 0, -tonumber(ARGV[6]) - 1)
return 'ok'
