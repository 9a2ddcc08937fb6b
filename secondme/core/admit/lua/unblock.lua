-- Ends a denial before its cooldown does: the contact may knock again.
-- KEYS  1 denied 2 attempts 3 index pending 4 index approved 5 index denied 6 stats
-- ARGV  1 contact 2 pairing event channel
-- Returns 1 | 0
local now = now_ms()
local there = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[5], ARGV[1])
count_stats(KEYS[6], KEYS[3], KEYS[4], KEYS[5], now)
if there == 1 then publish(ARGV[2], { type = 'pairing_unblocked', contactId = ARGV[1], timestamp = now }) end
return there
