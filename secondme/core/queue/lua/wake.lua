-- A token that waited is due: it goes back into the stream, where any worker can take it.
-- KEYS  1 mailbox 2 inbox 3 stream 4 later 5 active
-- ARGV  1 contact 2 mailbox ttl ms
-- Returns woken | early | empty
local due = redis.call('ZSCORE', KEYS[4], ARGV[1])
if not due or tonumber(due) > now_ms() then return 'early' end
redis.call('ZREM', KEYS[4], ARGV[1])
local head = redis.call('LINDEX', KEYS[2], 0)
if not head then
  redis.call('HDEL', KEYS[1], 'token', 'lease_owner', 'lease_until', 'attempts', 'head', 'defers', 'waiting')
  redis.call('SREM', KEYS[5], ARGV[1])
  return 'empty'
end
add_token(KEYS[3], KEYS[1], ARGV[1], decode(head) or {}, ARGV[2])
return 'woken'
