-- A worker takes a contact's token: it gets the lease with a new fence and the mail that waits, or learns why not.
-- KEYS  1 mailbox 2 inbox 3 stream 4 active 5 approved 6 pause all 7 pause 8 later 9 dead 10 dead index 11 last reply
--       12 pause of the channel
-- ARGV  1 group 2 token 3 worker 4 lease ms 5 max attempts 6 contact 7 batch 8 mailbox ttl ms 9 queue event channel
-- Returns {obsolete} | {busy} | {gone} | {empty} | {paused} |
--         {job, now ms, fence, attempts, defers, last reply ms or '', approved JSON, mail JSON...}
local now = now_ms()
local box = redis.call('HMGET', KEYS[1], 'token', 'lease_owner', 'lease_until', 'attempts', 'head', 'defers')

local function done(...)
  redis.call('XACK', KEYS[3], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[3], ARGV[2])
  return { ... }
end

local function clear()
  redis.call('HDEL', KEYS[1], 'token', 'lease_owner', 'lease_until', 'attempts', 'head', 'defers', 'waiting')
  redis.call('SREM', KEYS[4], ARGV[6])
end

if box[1] ~= ARGV[2] then return done('obsolete') end
if box[3] and tonumber(box[3]) > now and box[2] ~= ARGV[3] then return { 'busy' } end
local approved = redis.call('GET', KEYS[5])
if not approved then
  redis.call('DEL', KEYS[2])
  clear()
  return done('gone')
end
local head = redis.call('LINDEX', KEYS[2], 0)
if not head then
  clear()
  return done('empty')
end
if redis.call('EXISTS', KEYS[6], KEYS[7], KEYS[12]) > 0 then
  local all, one = redis.call('PTTL', KEYS[6]), redis.call('PTTL', KEYS[7])
  local wait = math.max(all, one)
  if all == -1 or one == -1 or redis.call('EXISTS', KEYS[12]) == 1 then wait = 31536000000 end -- until somebody resumes, which makes it due
  redis.call('ZADD', KEYS[8], now + wait, ARGV[6])
  redis.call('HDEL', KEYS[1], 'lease_owner', 'lease_until')
  redis.call('HSET', KEYS[1], 'token', 'later', 'waiting', 'paused')
  redis.call('PEXPIRE', KEYS[1], wait + ARGV[8])
  return done('paused')
end
local attempts = 0
while true do
  local mail = decode(head)
  local id = mail and words(mail.messageId)
  attempts = box[5] == id and tonumber(box[4] or 0) + 1 or 1
  if id and attempts <= tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[1], 'head', id)
    break
  end
  redis.call('LPOP', KEYS[2])
  redis.call('RPUSH', KEYS[9], head)
  redis.call('LTRIM', KEYS[9], -100, -1)
  redis.call('EXPIRE', KEYS[9], 2592000)
  redis.call('ZADD', KEYS[10], now, ARGV[6])
  redis.call('ZREMRANGEBYRANK', KEYS[10], 0, -1001)
  publish(ARGV[9], { type = 'dead_letter', contactId = ARGV[6], messageId = id or '?', timestamp = now })
  head = redis.call('LINDEX', KEYS[2], 0)
  if not head then
    clear()
    return done('empty')
  end
end
-- A burst is one job. One that failed twice is taken apart, so that a poisonous message ends alone.
local batch = attempts >= 3 and 1 or tonumber(ARGV[7])
local fence = redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'lease_owner', ARGV[3], 'lease_until', now + ARGV[4], 'attempts', attempts)
redis.call('PEXPIRE', KEYS[1], ARGV[8])
local reply = { 'job', string.format('%.0f', now), tostring(fence), tostring(attempts), box[6] or '0', redis.call('GET', KEYS[11]) or '', approved }
for _, item in ipairs(redis.call('LRANGE', KEYS[2], 0, batch - 1)) do reply[#reply + 1] = item end
return reply
