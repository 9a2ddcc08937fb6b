-- A worker gives a contact back unanswered: at once (hand-back) or for later. The mail stays where it is.
-- KEYS  mailbox inbox queue queue_later trace
-- ARGV  1 group 2 token 3 worker 4 fence ('' when it never began) 5 contact 6 delay ms (0: at once)
--       7 reason 8 '1' when this attempt shall not count 9 mailbox ttl ms
--       10 ids of the messages as a JSON array, or '' when they are not known
-- Returns done | stale
local box = redis.call('HMGET', KEYS.mailbox, 'fence', 'lease_owner', 'token', 'attempts', 'waiting')
if box[3] ~= ARGV[2] or (ARGV[4] ~= '' and (box[1] ~= ARGV[4] or box[2] ~= ARGV[3])) then return 'stale' end
typed()
redis.call('XACK', KEYS.queue, ARGV[1], ARGV[2])
redis.call('XDEL', KEYS.queue, ARGV[2])
redis.call('HDEL', KEYS.mailbox, 'lease_owner', 'lease_until')
if ARGV[8] == '1' and box[4] and tonumber(box[4]) > 0 then redis.call('HINCRBY', KEYS.mailbox, 'attempts', -1) end
local delay = tonumber(ARGV[6])
local head = redis.call('LINDEX', KEYS.inbox, 0)
if delay == 0 and head then
  add_token(KEYS.queue, KEYS.mailbox, ARGV[5], decode(head) or {}, ARGV[9])
else
  if ARGV[10] ~= '' and box[5] ~= ARGV[7] then -- said once, however often it is put off for the same cause
    trace(KEYS.trace, 'put_off', now_ms(), decode(ARGV[10]) or {}, ',"reason":"' .. ARGV[7] .. '"')
  end
  if not ({ gathering = true, asleep = true, reading = true })[ARGV[7]] then redis.call('HINCRBY', KEYS.mailbox, 'defers', 1) end
  redis.call('HSET', KEYS.mailbox, 'token', 'later', 'waiting', ARGV[7])
  redis.call('PEXPIRE', KEYS.mailbox, delay + ARGV[9])
  redis.call('ZADD', KEYS.queue_later, now_ms() + delay, ARGV[5])
end
return 'done'
