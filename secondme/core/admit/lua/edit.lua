-- Changes the tier or the notes of an approved contact and of every other approved contact of the same person; every other field stays, known to
-- us or not, but for a mode in which they differed.
-- KEYS  approved events_log others... : the approvals of the other contacts
-- ARGV  1 contact 2 tier or '' 3 notes, '' for none 4 pairing event channel 5 '1' when the notes change 6... the other contacts
-- Returns {edited, JSON} | {missing} | {corrupt}
local raw = redis.call('GET', KEYS.approved)
if not raw then return { 'missing' } end
local record = decode(raw)
if not record or not is_tier(record.tier) or type(record.approvedAt) ~= 'number' then return { 'corrupt' } end
if not (words(record.contactId) and words(record.phoneNumber) and words(record.approvedBy)) then return { 'corrupt' } end

local function change(record)
  if ARGV[2] ~= '' then record.tier = ARGV[2] end
  if ARGV[5] == '1' then record.notes = ARGV[3] ~= '' and ARGV[3] or nil end
end

local names, ids = { KEYS.approved }, { ARGV[1] }
for i = TAIL, #KEYS do
  names[#names + 1], ids[#ids + 1] = KEYS[i], ARGV[i - TAIL + 6]
end
change_approvals(names, ids, change, ARGV[4])
return { 'edited', redis.call('GET', KEYS.approved) }
