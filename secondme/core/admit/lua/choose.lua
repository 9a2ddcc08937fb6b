-- Sets or clears what the owner chose for an approved contact; every other field stays, known to us or not.
-- KEYS  approved events_log
-- ARGV  1 contact 2 persona | replyMode | speech 3 value, '' for none 4 pairing event channel
-- Returns {edited, JSON} | {missing} | {corrupt}
local raw = redis.call('GET', KEYS.approved)
if not raw then return { 'missing' } end
local record = decode(raw)
if not record or not is_tier(record.tier) or type(record.approvedAt) ~= 'number' then return { 'corrupt' } end
if not (words(record.contactId) and words(record.phoneNumber) and words(record.approvedBy)) then return { 'corrupt' } end
if ARGV[2] == 'persona' then record.persona = ARGV[3] ~= '' and ARGV[3] or nil end
if ARGV[2] == 'replyMode' then record.replyMode = ARGV[3] ~= '' and ARGV[3] or nil end
if ARGV[2] == 'speech' then record.speech = ARGV[3] ~= '' and ARGV[3] or nil end
local text = cjson.encode(record)
redis.call('SET', KEYS.approved, text)
publish(ARGV[4], { type = 'pairing_edited', contactId = ARGV[1], tier = record.tier, timestamp = now_ms() })
return { 'edited', text }
