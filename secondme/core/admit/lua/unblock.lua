-- Ends a denial before its cooldown does: the contact may ask again.
-- KEYS  denied attempts index_pending index_approved index_denied pairing_stats events_log
-- ARGV  1 contact 2 pairing event channel
-- Returns 1 | 0
typed()
local now = now_ms()
local there = redis.call('DEL', KEYS.denied)
redis.call('DEL', KEYS.attempts)
redis.call('ZREM', KEYS.index_denied, ARGV[1])
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
if there == 1 then publish(ARGV[2], { type = 'pairing_unblocked', contactId = ARGV[1], timestamp = now }) end
return there
