-- A worker takes a contact's token: it gets the lease with a new fence and the mail that waits, or learns why not.
-- KEYS  mailbox inbox queue queue_active approved pause_all pause queue_later dead dead_index last_reply channel_pause events_log
-- ARGV  1 group 2 token 3 worker 4 lease ms 5 max attempts 6 contact 7 batch 8 mailbox ttl ms 9 queue event channel
-- Returns {obsolete} | {busy} | {gone} | {empty} | {paused} |
--         {burst, now ms, fence, attempts, defers, last reply ms or '', approved JSON, mail JSON...}
typed()
local now = now_ms()
local box = redis.call('HMGET', KEYS.mailbox, 'token', 'lease_owner', 'lease_until', 'attempts', 'head', 'defers')

local function done(...)
  redis.call('XACK', KEYS.queue, ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS.queue, ARGV[2])
  return { ... }
end

local function clear()
  redis.call('HDEL', KEYS.mailbox, 'token', 'lease_owner', 'lease_until', 'attempts', 'head', 'defers', 'waiting')
  redis.call('SREM', KEYS.queue_active, ARGV[6])
end

if box[1] ~= ARGV[2] then return done('obsolete') end
if box[3] and tonumber(box[3]) > now and box[2] ~= ARGV[3] then
  -- No lease is so much longer than ours: the clock was put back while somebody had it.
  if box[3] - now > 4 * ARGV[4] then redis.call('HSET', KEYS.mailbox, 'lease_until', string.format('%.0f', now + ARGV[4])) end
  return { 'busy' }
end
local approved, last = redis.call('GET', KEYS.approved), redis.call('GET', KEYS.last_reply)
if not approved then
  redis.call('DEL', KEYS.inbox)
  clear()
  return done('gone')
end
local head = redis.call('LINDEX', KEYS.inbox, 0)
if not head then
  clear()
  return done('empty')
end
if redis.call('EXISTS', KEYS.pause_all, KEYS.pause, KEYS.channel_pause) > 0 then
  local all, one = redis.call('PTTL', KEYS.pause_all), redis.call('PTTL', KEYS.pause)
  local wait = math.max(all, one)
  if all == -1 or one == -1 or redis.call('EXISTS', KEYS.channel_pause) == 1 then wait = 31536000000 end -- until somebody resumes, which makes it due
  redis.call('ZADD', KEYS.queue_later, now + wait, ARGV[6])
  redis.call('HDEL', KEYS.mailbox, 'lease_owner', 'lease_until')
  redis.call('HSET', KEYS.mailbox, 'token', 'later', 'waiting', 'paused')
  redis.call('PEXPIRE', KEYS.mailbox, wait + ARGV[8])
  return done('paused')
end
local attempts = 0
while true do
  local mail = decode(head)
  local id = mail and words(mail.messageId)
  attempts = box[5] == id and tonumber(box[4] or 0) + 1 or 1
  if id and attempts <= tonumber(ARGV[5]) then
    redis.call('HSET', KEYS.mailbox, 'head', id)
    break
  end
  redis.call('LPOP', KEYS.inbox)
  redis.call('RPUSH', KEYS.dead, head)
  redis.call('LTRIM', KEYS.dead, -100, -1)
  redis.call('EXPIRE', KEYS.dead, 2592000)
  redis.call('ZADD', KEYS.dead_index, now, ARGV[6])
  redis.call('ZREMRANGEBYRANK', KEYS.dead_index, 0, -1001)
  publish(ARGV[9], { type = 'dead_letter', contactId = ARGV[6], messageId = id or '?', timestamp = now })
  head = redis.call('LINDEX', KEYS.inbox, 0)
  if not head then
    clear()
    return done('empty')
  end
end
-- A burst is worked on as one. One that failed twice is taken apart, so that a poisonous message ends alone.
local batch = attempts >= 3 and 1 or tonumber(ARGV[7])
local fence = redis.call('HINCRBY', KEYS.mailbox, 'fence', 1)
redis.call('HSET', KEYS.mailbox, 'lease_owner', ARGV[3], 'lease_until', now + ARGV[4], 'attempts', attempts)
redis.call('PEXPIRE', KEYS.mailbox, ARGV[8])
local reply = { 'burst', string.format('%.0f', now), tostring(fence), tostring(attempts), box[6] or '0', last or '', approved }
for _, item in ipairs(redis.call('LRANGE', KEYS.inbox, 0, batch - 1)) do reply[#reply + 1] = item end
return reply
