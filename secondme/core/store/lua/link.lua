-- Two contacts are one person from now on: who was approved as one is approved as the other, and all have the strictest tier and mode of any.
-- KEYS  approved(a) approved(b) denied(a) denied(b) person_of(a) person_of(b) person index_pending index_approved index_denied
--       pairing_stats pending(a) pending(b) first_message(a) first_message(b) events_log approvals... : those of all contacts of the person, old and new
-- ARGV  1 a 2 b 3 person of a, as it was looked at, or '' 4 person of b, likewise 5 the person 6 channel of a 7 channel of b
--       8 pairing event channel 9... the contacts whose approvals are given, in the same order
-- Returns linked | already | changed | both_linked | denied | not_approved | corrupt
typed()
local of_a, of_b = redis.call('GET', KEYS.person_of_a) or '', redis.call('GET', KEYS.person_of_b) or ''
if of_a ~= ARGV[3] or of_b ~= ARGV[4] then return 'changed' end
if of_a ~= '' and of_b ~= '' and of_a ~= of_b then return 'both_linked' end
if redis.call('SCARD', KEYS.person) > #KEYS - TAIL + 1 then return 'changed' end -- somebody was linked since
local was_linked = of_a ~= '' and of_a == of_b
if redis.call('EXISTS', KEYS.denied_a, KEYS.denied_b) > 0 then return 'denied' end
local first, second = redis.call('GET', KEYS.approved_a), redis.call('GET', KEYS.approved_b)
if not first and not second then return 'not_approved' end
local now = now_ms()

local function share(record, key, contact, channel, pending, first_message)
  local known = decode(redis.call('GET', pending)) or {}
  local name = words(known.displayName) or words(record.displayName)
  redis.call('SET', key, cjson.encode({ contactId = contact, phoneNumber = words(known.phoneNumber) or contact, displayName = name,
    channelId = channel, approvedAt = now, approvedBy = 'link', tier = record.tier, notes = words(record.notes), replyMode = words(record.replyMode),
    persona = words(record.persona), speech = words(record.speech) }))
  redis.call('DEL', pending, first_message)
  redis.call('ZREM', KEYS.index_pending, contact)
  redis.call('ZADD', KEYS.index_approved, now, contact)
  publish(ARGV[8], { type = 'pairing_approved', contactId = contact, displayName = name, channelId = channel, tier = record.tier,
    approvedBy = 'link', timestamp = now })
end

if not (first and second) then
  local record = decode(first or second)
  if not record or not is_tier(record.tier) then return 'corrupt' end
  if first then share(record, KEYS.approved_b, ARGV[2], ARGV[7], KEYS.pending_b, KEYS.first_message_b) else share(record, KEYS.approved_a, ARGV[1], ARGV[6], KEYS.pending_a, KEYS.first_message_a) end
end
redis.call('SET', KEYS.person_of_a, ARGV[5])
redis.call('SET', KEYS.person_of_b, ARGV[5])
redis.call('SADD', KEYS.person, ARGV[1], ARGV[2])
local names, ids = {}, {}
for i = TAIL, #KEYS do
  names[#names + 1], ids[#ids + 1] = KEYS[i], ARGV[i - TAIL + 9]
end
agree(names, ids, ARGV[8])
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
return was_linked and 'already' or 'linked'
