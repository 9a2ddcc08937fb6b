-- May another call be made to a model? What it may cost at most is charged at once, so that many calls together cannot pass the cap.
-- KEYS  token_stats spent events_log
-- ARGV  1 micros it may cost 2 cap of the day 3 cap of a contact and day 4 field of the contact's micros of the day 5 ttl of the day s
--       6 ttl of the contact s 7 queue event channel 8 contact 9 day; and of what is not counted in tokens: 10 seconds or characters
--       11 how many 12 how many there may be a day 13 and a contact and day
-- Returns ok | day | contact | amount | contact_amount
typed()
local spent = tonumber(redis.call('HGET', KEYS.token_stats, 'micros') or '0')
local theirs = tonumber(redis.call('HGET', KEYS.spent, ARGV[4]) or '0')
local over = spent >= tonumber(ARGV[2]) and 'day' or theirs >= tonumber(ARGV[3]) and 'contact'
if over then
  publish(ARGV[7], { type = 'over_budget', cap = over, contactId = ARGV[8], day = ARGV[9], timestamp = now_ms() })
  return over
end
if ARGV[10] then
  local amount = tonumber(ARGV[11])
  if (tonumber(redis.call('HGET', KEYS.token_stats, ARGV[10])) or 0) + amount > tonumber(ARGV[12]) then return 'amount' end
  local counter = ARGV[9] .. ':' .. ARGV[10]
  if (tonumber(redis.call('HGET', KEYS.spent, counter)) or 0) + amount > tonumber(ARGV[13]) then return 'contact_amount' end
  redis.call('HINCRBY', KEYS.token_stats, ARGV[10], ARGV[11])
  redis.call('HINCRBY', KEYS.spent, counter, ARGV[11])
end
redis.call('HINCRBY', KEYS.token_stats, 'micros', ARGV[1])
redis.call('EXPIRE', KEYS.token_stats, ARGV[5])
redis.call('HINCRBY', KEYS.spent, ARGV[4], ARGV[1])
redis.call('EXPIRE', KEYS.spent, ARGV[6])
return 'ok'
