-- May another call be made to a model? What it may cost at most is charged at once, so that many calls together cannot pass the cap.
-- KEYS  token_stats spent
-- ARGV  1 micros it may cost 2 cap of the day 3 cap of a contact and day 4 field of the contact's micros of the day 5 ttl of the day s
--       6 ttl of the contact s 7 queue event channel 8 contact 9 day
-- Returns ok | day | contact
typed()
local spent = tonumber(redis.call('HGET', KEYS.token_stats, 'micros') or '0')
local theirs = tonumber(redis.call('HGET', KEYS.spent, ARGV[4]) or '0')
local over = spent >= tonumber(ARGV[2]) and 'day' or theirs >= tonumber(ARGV[3]) and 'contact'
if over then
  publish(ARGV[7], { type = 'over_budget', cap = over, contactId = ARGV[8], day = ARGV[9], timestamp = now_ms() })
  return over
end
redis.call('HINCRBY', KEYS.token_stats, 'micros', ARGV[1])
redis.call('EXPIRE', KEYS.token_stats, ARGV[5])
redis.call('HINCRBY', KEYS.spent, ARGV[4], ARGV[1])
redis.call('EXPIRE', KEYS.spent, ARGV[6])
return 'ok'
