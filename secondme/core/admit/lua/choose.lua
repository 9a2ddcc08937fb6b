-- Sets or clears what the owner chose for an approved contact, and for every other approved contact of the same person; every other field stays,
-- known to us or not, but for a tier in which they differed.
-- KEYS  approved events_log others... : the approvals of the other contacts
-- ARGV  1 contact 2 persona | replyMode | speech | lessons 3 value, '' for none, lessons as JSON 4 pairing event channel 5... the other contacts
-- Returns {edited, JSON} | {missing} | {corrupt}
local raw = redis.call('GET', KEYS.approved)
if not raw then return { 'missing' } end
local record = decode(raw)
if not record or not is_tier(record.tier) or type(record.approvedAt) ~= 'number' then return { 'corrupt' } end
if not (words(record.contactId) and words(record.phoneNumber) and words(record.approvedBy)) then return { 'corrupt' } end

local function change(record)
  if ARGV[2] == 'persona' then record.persona = ARGV[3] ~= '' and ARGV[3] or nil end
  if ARGV[2] == 'replyMode' then record.replyMode = ARGV[3] ~= '' and ARGV[3] or nil end
  if ARGV[2] == 'speech' then record.speech = ARGV[3] ~= '' and ARGV[3] or nil end
  if ARGV[2] == 'lessons' then record.lessons = ARGV[3] ~= '' and cjson.decode(ARGV[3]) or nil end
end

local names, ids = { KEYS.approved }, { ARGV[1] }
for i = TAIL, #KEYS do
  names[#names + 1], ids[#ids + 1] = KEYS[i], ARGV[i - TAIL + 5]
end
change_approvals(names, ids, change, ARGV[4])
return { 'edited', redis.call('GET', KEYS.approved) }
