-- Two contacts are one person from now on: who was let in as one is let in as the other.
-- KEYS  1 approved a 2 approved b 3 denied a 4 denied b 5 person of a 6 person of b 7 members of the person
--       8 index pending 9 index approved 10 index denied 11 stats 12 pending a 13 pending b
-- ARGV  1 a 2 b 3 person of a, as it was looked at, or '' 4 person of b, likewise 5 the person 6 channel of a 7 channel of b
--       8 pairing event channel
-- Returns linked | already | changed | both_linked | denied | not_approved | corrupt
local of_a, of_b = redis.call('GET', KEYS[5]) or '', redis.call('GET', KEYS[6]) or ''
if of_a ~= ARGV[3] or of_b ~= ARGV[4] then return 'changed' end
if of_a ~= '' and of_b ~= '' and of_a ~= of_b then return 'both_linked' end
local was_linked = of_a ~= '' and of_a == of_b
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then return 'denied' end
local first, second = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])
if not first and not second then return 'not_approved' end
local now = now_ms()

local function share(record, key, contact, channel, pending)
  local known = decode(redis.call('GET', pending)) or {}
  local name = words(known.displayName) or words(record.displayName)
  redis.call('SET', key, cjson.encode({ contactId = contact, phoneNumber = words(known.phoneNumber) or contact, displayName = name,
    channelId = channel, approvedAt = now, approvedBy = 'link', tier = record.tier, notes = words(record.notes) }))
  redis.call('DEL', pending)
  redis.call('ZREM', KEYS[8], contact)
  redis.call('ZADD', KEYS[9], now, contact)
  publish(ARGV[8], { type = 'pairing_approved', contactId = contact, displayName = name, channelId = channel, tier = record.tier,
    approvedBy = 'link', timestamp = now })
end

if not (first and second) then
  local record = decode(first or second)
  if not record or not is_tier(record.tier) then return 'corrupt' end
  if first then share(record, KEYS[2], ARGV[2], ARGV[7], KEYS[13]) else share(record, KEYS[1], ARGV[1], ARGV[6], KEYS[12]) end
end
redis.call('SET', KEYS[5], ARGV[5])
redis.call('SET', KEYS[6], ARGV[5])
redis.call('SADD', KEYS[7], ARGV[1], ARGV[2])
count_stats(KEYS[11], KEYS[8], KEYS[9], KEYS[10], now)
return was_linked and 'already' or 'linked'
