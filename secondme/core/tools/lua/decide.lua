-- The owner decides about a proposal: whoever comes first has it, and nobody a second time. A decided one is remembered until the others
-- expire, so that the message that caused it makes no second one.
-- KEYS  proposals proposals_index events_log
-- ARGV  1 contact 2 id 3 what was decided 4 queue event channel 5 JSON that remembers it
-- Returns JSON of the proposal | '' when there is none, or it was decided
typed()
local found = redis.call('HGET', KEYS.proposals, ARGV[2])
if not found then return '' end
local known = decode(found)
if not known or known.decided then return '' end
redis.call('HSET', KEYS.proposals, ARGV[2], ARGV[5])
publish(ARGV[4], { type = 'proposal_decided', contactId = ARGV[1], proposalId = ARGV[2], decision = ARGV[3], timestamp = now_ms() })
return found
