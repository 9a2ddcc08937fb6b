-- The approved contacts of one person have one tier and one mode: the strictest of what each had. Safe to repeat.
-- KEYS  events_log approvals... : the approvals of all contacts of the person
-- ARGV  1 pairing event channel 2... the contacts, in the same order
-- Returns agreed
local names, ids = {}, {}
for i = TAIL, #KEYS do
  names[#names + 1], ids[#ids + 1] = KEYS[i], ARGV[i - TAIL + 2]
end
agree(names, ids, ARGV[1])
return 'agreed'
