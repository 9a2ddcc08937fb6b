-- Restores the invariant of one contact: mail in the inbox means exactly one token, in the stream or among the later ones.
-- KEYS  mailbox inbox queue queue_later queue_active
-- ARGV  1 contact 2 mailbox ttl ms 3 '1' to say only what would be done
-- Returns ok | token | idle
typed()
local token = redis.call('HGET', KEYS.mailbox, 'token')
local head = redis.call('LINDEX', KEYS.inbox, 0)
local alive = false
if token == 'later' then
  alive = redis.call('ZSCORE', KEYS.queue_later, ARGV[1]) ~= false
elseif token then
  alive = #redis.call('XRANGE', KEYS.queue, token, token) == 1
end
if ARGV[3] == '1' then return alive and 'ok' or head and 'token' or 'idle' end
if alive then
  if head then redis.call('SADD', KEYS.queue_active, ARGV[1]) end
  return 'ok'
end
if not head then
  redis.call('HDEL', KEYS.mailbox, 'token')
  redis.call('SREM', KEYS.queue_active, ARGV[1])
  return 'idle'
end
redis.call('SADD', KEYS.queue_active, ARGV[1])
add_token(KEYS.queue, KEYS.mailbox, ARGV[1], decode(head) or {}, ARGV[2])
return 'token'
