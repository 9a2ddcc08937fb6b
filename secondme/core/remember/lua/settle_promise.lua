-- The owner settles a promise: its words are gone, and its message brings it back no more. Repeatable.
-- KEYS  promise
-- ARGV  1 id of the message 2 id of the promise 3 Promise JSON as it is settled
-- Returns 1, or 0 when it is not there, or settled
typed()
local promise = decode(redis.call('HGET', KEYS.promise, ARGV[1]))
if not promise or promise.id ~= ARGV[2] or promise.state ~= 'open' then return 0 end
redis.call('HSET', KEYS.promise, ARGV[1], ARGV[3])
return 1
