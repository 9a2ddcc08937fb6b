-- Nothing of a contact is left: not what was said, not that it was ever there.
-- KEYS  1 mailbox 2 stream 3 active 4 stats 5 index pending 6 index approved 7 index denied 8 members of its person, then sorted sets
--       of contacts, then the contact's own keys
-- ARGV  1 contact 2 group 3 how many sorted sets 4 pairing event channel
-- Returns how many keys were deleted
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= 'later' then
  redis.call('XACK', KEYS[2], ARGV[2], token)
  redis.call('XDEL', KEYS[2], token)
end
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('SREM', KEYS[8], ARGV[1])
for at = 5, 7 do redis.call('ZREM', KEYS[at], ARGV[1]) end
local sets = tonumber(ARGV[3])
for at = 9, 8 + sets do redis.call('ZREM', KEYS[at], ARGV[1]) end
local deleted = redis.call('DEL', KEYS[1])
for at = 9 + sets, #KEYS do deleted = deleted + redis.call('DEL', KEYS[at]) end
local now = now_ms()
count_stats(KEYS[4], KEYS[5], KEYS[6], KEYS[7], now)
if deleted > 0 then publish(ARGV[4], { type = 'contact_forgotten', timestamp = now }) end
return deleted
