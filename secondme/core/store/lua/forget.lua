-- Nothing of a contact is left: not what was said, not that it was ever there.
-- KEYS  mailbox queue queue_active pairing_stats index_pending index_approved index_denied person witness events_log
--       rest... : sorted sets of contacts, then the contact's own keys
-- ARGV  1 contact 2 group 3 how many sorted sets 4 pairing event channel
-- Returns how many keys were deleted
-- A record of the wrong type keeps nothing: whatever can be erased is.
local token = redis.pcall('HGET', KEYS.mailbox, 'token')
if type(token) == 'string' and token ~= 'later' then
  redis.pcall('XACK', KEYS.queue, ARGV[2], token)
  redis.pcall('XDEL', KEYS.queue, token)
end
redis.pcall('SREM', KEYS.queue_active, ARGV[1])
redis.pcall('SREM', KEYS.person, ARGV[1])
if redis.pcall('ZREM', KEYS.index_approved, ARGV[1]) == 1 then redis.pcall('HINCRBY', KEYS.witness, 'removed', 1) end
for _, index in ipairs({ KEYS.index_pending, KEYS.index_denied }) do redis.pcall('ZREM', index, ARGV[1]) end
local sets = tonumber(ARGV[3])
for at = TAIL, TAIL + sets - 1 do redis.pcall('ZREM', KEYS[at], ARGV[1]) end
local deleted = redis.call('DEL', KEYS.mailbox)
for at = TAIL + sets, #KEYS do deleted = deleted + redis.call('DEL', KEYS[at]) end
local now = now_ms()
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
if deleted > 0 then publish(ARGV[4], { type = 'contact_forgotten', timestamp = now }) end
return deleted
