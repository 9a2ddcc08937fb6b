-- Everything that a reply to a contact needs to know, in one look.
-- KEYS  person_of history outbox held style_cache own_messages style relationship relationship_override persona_use model_outages
--       skills_state
-- ARGV  1 most turns 2 most rows 3 id of the message as a JSON string, or '' for the newest turns of all 4 when it was sent, ms
-- Returns {relationship, confidence, signals}, override there?, {slot, persona, ...}, outages, {state of a skill, ...}; and unless the owner
--         linked the contact: {turns, rows, held replies, as recent.lua}, cached style, {own message, ...}, style of the predecessor
-- FLAGS no-writes
-- What reads them by itself does without them when they are of the wrong type.
local outages, skills = redis.pcall('HLEN', KEYS.model_outages), redis.pcall('HVALS', KEYS.skills_state)
local found = {
  redis.call('HMGET', KEYS.relationship, 'currentType', 'currentConfidence', 'signalCount'),
  redis.call('EXISTS', KEYS.relationship_override),
  redis.call('HGETALL', KEYS.persona_use),
  type(outages) == 'number' and outages or 0,
  skills.err and {} or skills,
}
if redis.call('GET', KEYS.person_of) then return found end
found[6] = {
  turns_before(KEYS.history, tonumber(ARGV[1]), ARGV[3], tonumber(ARGV[4])),
  redis.call('LRANGE', KEYS.outbox, 0, tonumber(ARGV[2]) - 1),
  redis.call('LRANGE', KEYS.held, 0, -1),
}
found[7] = redis.call('GET', KEYS.style_cache)
found[8] = redis.call('HVALS', KEYS.own_messages)
found[9] = redis.call('MGET', KEYS.style)[1]
return found
