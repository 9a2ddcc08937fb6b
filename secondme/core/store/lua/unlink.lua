-- A contact is a person of its own again. Its approval is not touched here.
-- KEYS  1 person of the contact 2 members of the person
-- ARGV  1 contact 2 the person, as it was looked at
-- Returns unlinked | changed
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return 'changed' end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return 'unlinked'
