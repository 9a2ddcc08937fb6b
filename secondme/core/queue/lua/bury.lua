-- Messages that were set aside are gone for good. Safe to repeat.
-- KEYS  1 dead 2 dead index
-- ARGV  1 contact
-- Returns how many there were
local count = redis.call('LLEN', KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return count
