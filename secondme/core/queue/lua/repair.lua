-- Restores the invariant of one contact: mail in the inbox means exactly one token, in the stream or among the later ones.
-- KEYS  1 mailbox 2 inbox 3 stream 4 later 5 active
-- ARGV  1 contact 2 mailbox ttl ms
-- Returns ok | token | idle
local token = redis.call('HGET', KEYS[1], 'token')
local head = redis.call('LINDEX', KEYS[2], 0)
local alive = false
if token == 'later' then
  alive = redis.call('ZSCORE', KEYS[4], ARGV[1]) ~= false
elseif token then
  alive = #redis.call('XRANGE', KEYS[3], token, token) == 1
end
if alive then return 'ok' end
if not head then
  redis.call('HDEL', KEYS[1], 'token')
  redis.call('SREM', KEYS[5], ARGV[1])
  return 'idle'
end
add_token(KEYS[3], KEYS[1], ARGV[1], decode(head) or {}, ARGV[2])
return 'token'
