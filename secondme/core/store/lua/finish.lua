-- The moment of acknowledgement: what was answered leaves the inbox and the reply enters the outbox, or nothing happens.
-- KEYS  1 mailbox 2 inbox 3 stream 4 active 5 outbox 6 due 7 held 8 held index
-- ARGV  1 group 2 token 3 worker 4 fence 5 contact 6 answered 7 mailbox ttl ms 8 hold reason or ''
--       9 queue event channel 10... typing after ms, due after ms, row JSON, ...
-- Returns done | stale
local box = redis.call('HMGET', KEYS[1], 'fence', 'lease_owner')
if box[1] ~= ARGV[4] or box[2] ~= ARGV[3] then return 'stale' end
redis.call('LTRIM', KEYS[2], ARGV[6], -1)
local now = now_ms()
for i = 10, #ARGV, 3 do
  local row = stamp(ARGV[i + 2], now, ARGV[i], ARGV[i + 1])
  if ARGV[8] == '' then
    post(KEYS[5], KEYS[6], ARGV[5], row, now + ARGV[i])
  else
    hold(KEYS[7], KEYS[8], ARGV[5], row, ARGV[8], now)
  end
end
if ARGV[8] ~= '' and ARGV[12] then
  publish(ARGV[9], { type = 'reply_held', contactId = ARGV[5], replyId = decode(ARGV[12]).replyId, reason = ARGV[8], timestamp = now })
end
redis.call('HDEL', KEYS[1], 'lease_owner', 'lease_until', 'attempts', 'head', 'defers', 'waiting', 'token')
redis.call('XACK', KEYS[3], ARGV[1], ARGV[2])
redis.call('XDEL', KEYS[3], ARGV[2])
local head = redis.call('LINDEX', KEYS[2], 0)
if head then
  add_token(KEYS[3], KEYS[1], ARGV[5], decode(head) or {}, ARGV[7])
else
  redis.call('SREM', KEYS[4], ARGV[5])
end
return 'done'
