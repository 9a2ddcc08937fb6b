-- A token that waited is due: it goes back into the stream, where any worker can take it.
-- KEYS  mailbox inbox queue queue_later queue_active
-- ARGV  1 contact 2 mailbox ttl ms
-- Returns woken | early | empty
typed()
local due = redis.call('ZSCORE', KEYS.queue_later, ARGV[1])
if not due or tonumber(due) > now_ms() then return 'early' end
redis.call('ZREM', KEYS.queue_later, ARGV[1])
local head = redis.call('LINDEX', KEYS.inbox, 0)
if not head then
  redis.call('HDEL', KEYS.mailbox, 'token', 'lease_owner', 'lease_until', 'attempts', 'head', 'defers', 'waiting')
  redis.call('SREM', KEYS.queue_active, ARGV[1])
  return 'empty'
end
add_token(KEYS.queue, KEYS.mailbox, ARGV[1], decode(head) or {}, ARGV[2])
return 'woken'
