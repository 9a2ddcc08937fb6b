-- Something that a skill would do waits for the owner. Proposed once, however often the message that caused it is worked on.
-- KEYS  proposals proposals_index approved events_log
-- ARGV  1 contact 2 id 3 JSON 4 ttl ms 5 most proposals of a contact 6 queue event channel 7 name of the tool
-- Returns made | known | full | gone
typed()
local now = now_ms()
if redis.call('EXISTS', KEYS.approved) == 0 then return 'gone' end
if redis.call('HEXISTS', KEYS.proposals, ARGV[2]) == 1 then return 'known' end
if redis.call('HLEN', KEYS.proposals) >= tonumber(ARGV[5]) then return 'full' end
redis.call('HSET', KEYS.proposals, ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS.proposals, ARGV[4])
redis.call('ZADD', KEYS.proposals_index, now + ARGV[4], ARGV[1])
publish(ARGV[6], { type = 'proposal_made', contactId = ARGV[1], proposalId = ARGV[2], tool = ARGV[7], timestamp = now })
return 'made'
