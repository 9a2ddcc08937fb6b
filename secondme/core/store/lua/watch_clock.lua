-- The store's clock is looked at: was it put back since anybody looked? It is said once, to who looks first: they plan anew what it made late.
-- KEYS  store_clock
-- ARGV  1 what its time should be by a clock that nobody puts, ms, 0 when that is not known 2 most ms that are no step back
--       3 ms of silence behind which nobody knows what the clock did
-- Returns {now, by how many ms it was put back or 0, since when it ran as it did until then}
typed()
local now = now_ms()
local known = redis.call('HMGET', KEYS.store_clock, 'seen', 'since')
local seen, since = tonumber(known[1]) or now, tonumber(known[2]) or now
local back = 0
if seen - now > tonumber(ARGV[2]) then back = math.max(seen, tonumber(ARGV[1])) - now end
local new_since = (back > 0 or now - seen > tonumber(ARGV[3])) and now or since
redis.call('HSET', KEYS.store_clock, 'seen', string.format('%.0f', now), 'since', string.format('%.0f', new_since))
return { string.format('%.0f', now), string.format('%.0f', back), string.format('%.0f', since) }
