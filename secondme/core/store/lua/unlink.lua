-- A contact is a person of its own again. Its approval is not touched here.
-- KEYS  person_of person
-- ARGV  1 contact 2 the person, as it was looked at
-- Returns unlinked | changed
typed()
if redis.call('GET', KEYS.person_of) ~= ARGV[2] then return 'changed' end
redis.call('DEL', KEYS.person_of)
redis.call('SREM', KEYS.person, ARGV[1])
return 'unlinked'
