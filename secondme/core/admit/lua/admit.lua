-- The gate: may this message in, and what happens to it? A contact that was not approved causes no write.
-- KEYS  approved denied seen history history_ids pause_all pause counter inbox mailbox queue queue_active paused_index
--       channel_pause trace
-- ARGV  1 contact 2 message id 3 turn JSON 4 sent ms 5 mail JSON 6 channel 7 normalized contact
--       8 messages per window 9 window s 10 rate pause ms 11 history cap 12 history ttl s 13 inbox cap 14 seen ttl ms
--       15 mailbox ttl ms 16 pause event channel
-- Returns stranger | denied | off | duplicate | observed | killed | paused | rate_limited | inbox_full | queued
local approved = redis.call('GET', KEYS.approved)
if not approved then
  if redis.call('EXISTS', KEYS.denied) == 1 then return 'denied' end
  return 'stranger'
end
-- The record is JSON of our own making: inside of one of its texts the quotation marks would be escaped.
local observed = approved:find('"replyMode":"o', 1, true)
if observed and approved:find('"replyMode":"off"', 1, true) then return 'off' end
-- Whatever could fail is tried before the message counts as decided about, or takes that back.
local waiting = redis.call('LLEN', KEYS.inbox)
if waiting == 0 then typed(KEYS.mailbox, KEYS.queue, KEYS.queue_active) end
local last, at = newest_at(KEYS.history), tonumber(ARGV[4])
local claimed = claim(KEYS.seen, KEYS.history_ids, ARGV[2], at)
if claimed == 0 then return 'duplicate' end
if claimed ~= 1 then return claimed end
local halted = observed or redis.call('EXISTS', KEYS.pause_all, KEYS.pause, KEYS.channel_pause) > 0
local count = halted and 0 or redis.pcall('INCR', KEYS.counter)
if type(count) == 'table' then
  redis.call('SREM', KEYS.history_ids, ARGV[2])
  redis.call('ZREM', KEYS.seen, ARGV[2])
  return count
end
remember_once(KEYS.seen, tonumber(ARGV[14]), KEYS.history, KEYS.history_ids, last, ARGV[3], at, tonumber(ARGV[11]), ARGV[12])

local function stopped(why)
  trace(KEYS.trace, why, now_ms(), { ARGV[2] }, '')
  return why
end

if observed then return stopped('observed') end
if halted then return stopped(redis.call('EXISTS', KEYS.pause_all) == 1 and 'killed' or 'paused') end
if count == 1 then redis.call('EXPIRE', KEYS.counter, ARGV[9]) end
if count > tonumber(ARGV[8]) then
  local now = now_ms()
  redis.call('SET', KEYS.pause, cjson.encode({ pausedAt = now, reason = 'rate_limit', ['until'] = now + ARGV[10] }), 'PX', ARGV[10])
  redis.pcall('ZADD', KEYS.paused_index, now + ARGV[10], ARGV[1]) -- only so that its end is said
  publish(ARGV[16], { contactId = ARGV[1], action = 'pause', reason = 'rate_limit', pausedAt = now, timestamp = now, count = count,
    threshold = tonumber(ARGV[8]) })
  return stopped('rate_limited')
end
if waiting >= tonumber(ARGV[13]) then return stopped('inbox_full') end
redis.call('RPUSH', KEYS.inbox, ARGV[5])
-- Mail that waits already has its token. An empty inbox may have one too, still on its way to be found needless.
if waiting == 0 and redis.call('HEXISTS', KEYS.mailbox, 'token') == 0 then
  redis.call('SADD', KEYS.queue_active, ARGV[1])
  add_token(KEYS.queue, KEYS.mailbox, ARGV[1], { channelId = ARGV[6], normalizedContactId = ARGV[7], messageId = ARGV[2] }, ARGV[15])
end
return 'queued'
