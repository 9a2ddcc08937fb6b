-- A skill remembers something about a contact, or for everybody, within its quota.
-- KEYS  skill_memory skills_shared
-- ARGV  1 'contact' or 'shared' 2 skill 3 key 4 JSON, or '' to forget it 5 most bytes of a skill 6 most keys of a skill 7 ttl s
-- Returns ok | full
typed()
local memory = ARGV[1] == 'shared' and KEYS.skills_shared or KEYS.skill_memory
local field = ARGV[2] .. '\n' .. ARGV[3]
local before = redis.call('HGET', memory, field)
local counts = redis.call('HMGET', memory, ARGV[2], ARGV[2] .. '\n')
local bytes, known = tonumber(counts[1] or '0'), tonumber(counts[2] or '0')
local delta = (ARGV[4] ~= '' and #field + #ARGV[4] or 0) - (before and #field + #before or 0)
local more = (ARGV[4] ~= '' and 1 or 0) - (before and 1 or 0)
if delta > 0 and (bytes + delta > tonumber(ARGV[5]) or known + more > tonumber(ARGV[6])) then return 'full' end
if ARGV[4] == '' then
  redis.call('HDEL', memory, field)
else
  redis.call('HSET', memory, field, ARGV[4])
end
redis.call('HSET', memory, ARGV[2], bytes + delta, ARGV[2] .. '\n', known + more)
redis.call('EXPIRE', memory, ARGV[7])
return 'ok'
