-- The gate: may this message in, and what happens to it? A contact that was not let in causes no write.
-- KEYS  1 approved 2 denied 3 seen 4 history 5 history ids 6 pause all 7 pause 8 counter 9 inbox 10 mailbox 11 stream 12 active
--       13 paused index 14 pause of the channel 15 trace
-- ARGV  1 contact 2 message id 3 turn JSON 4 sent ms 5 mail JSON 6 channel 7 normalized contact
--       8 messages per window 9 window s 10 rate pause ms 11 history cap 12 history ttl s 13 inbox cap 14 seen ttl ms
--       15 mailbox ttl ms 16 pause event channel
-- Returns stranger | denied | off | duplicate | observed | killed | paused | rate_limited | inbox_full | queued
local approved = redis.call('GET', KEYS[1])
if not approved then
  if redis.call('EXISTS', KEYS[2]) == 1 then return 'denied' end
  return 'stranger'
end
-- The record is JSON of our own making: inside of one of its texts the quotation marks would be escaped.
local observed = approved:find('"replyMode":"o', 1, true)
if observed and approved:find('"replyMode":"off"', 1, true) then return 'off' end
if not remember_once(KEYS[3], tonumber(ARGV[14]), KEYS[4], KEYS[5], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[11]), ARGV[12]) then
  return 'duplicate'
end

local function stopped(why)
  trace(KEYS[15], why, now_ms(), { ARGV[2] }, '')
  return why
end

if observed then return stopped('observed') end
if redis.call('EXISTS', KEYS[6], KEYS[7], KEYS[14]) > 0 then
  return stopped(redis.call('EXISTS', KEYS[6]) == 1 and 'killed' or 'paused')
end
local count = redis.call('INCR', KEYS[8])
if count == 1 then redis.call('EXPIRE', KEYS[8], ARGV[9]) end
if count > tonumber(ARGV[8]) then
  local now = now_ms()
  redis.call('SET', KEYS[7], cjson.encode({ pausedAt = now, reason = 'rate_limit', ['until'] = now + ARGV[10] }), 'PX', ARGV[10])
  redis.call('ZADD', KEYS[13], now + ARGV[10], ARGV[1])
  publish(ARGV[16], { contactId = ARGV[1], action = 'pause', reason = 'rate_limit', pausedAt = now, timestamp = now, count = count,
    threshold = tonumber(ARGV[8]) })
  return stopped('rate_limited')
end
local waiting = redis.call('RPUSH', KEYS[9], ARGV[5])
if waiting > tonumber(ARGV[13]) then
  redis.call('RPOP', KEYS[9])
  return stopped('inbox_full')
end
-- Mail that waits already has its token. An empty inbox may have one too, still on its way to be found needless.
if waiting == 1 and redis.call('HEXISTS', KEYS[10], 'token') == 0 then
  redis.call('SADD', KEYS[12], ARGV[1])
  add_token(KEYS[11], KEYS[10], ARGV[1], { channelId = ARGV[6], normalizedContactId = ARGV[7], messageId = ARGV[2] }, ARGV[15])
end
return 'queued'
