-- The gate: may this message in, and what happens to it? A contact that was not approved causes no write.
-- KEYS  approved denied seen history history_expiring pause_all pause inbox mailbox queue queue_active paused_index
--       channel_pause trace missed missed_index memory_on memory_journal memory_due unanswered events_log
-- ARGV  1 contact 2 message id 3 turn JSON 4 sent ms 5 mail JSON 6 channel 7 normalized contact
--       8 messages per window 9 window s 10 rate pause ms 11 pause event channel 12 '1' when the platform vouches for the time of sending,
--       'late' when that is a day ago or more, else '0' 13 album or '' 14 display name or '' 15 ms after which the chat forgets it, 0 for never
-- Returns stranger | denied | off | duplicate | observed | killed | paused | rate_limited | inbox_full | queued
local approved = redis.call('GET', KEYS.approved)
if not approved then
  if redis.call('EXISTS', KEYS.denied) == 1 then return 'denied' end
  return 'stranger'
end
-- The record is JSON of our own making: inside of one of its texts the quotation marks would be escaped.
local observed = approved:find('"replyMode":"o', 1, true)
if observed and approved:find('"replyMode":"off"', 1, true) then return 'off' end
-- Whatever could fail is tried before the message counts as decided about.
local waiting, last = redis.call('LLEN', KEYS.inbox), newest_at(KEYS.history)
if waiting == 0 then
  typed(KEYS.mailbox, KEYS.queue, KEYS.queue_active)
  recall(KEYS.seen, KEYS.history)
end
-- The limit counts by when messages were sent: a backlog is no flood. An album counts once, its parts a window earlier.
local sent, window, album, is_late = tonumber(ARGV[4]), ARGV[9] * 1000, ARGV[13], ARGV[12] == 'late'
local counted = ARGV[12] == '0' and now_ms() or sent
local place = album == '' and counted or counted - window
if redis.call('ZADD', KEYS.seen, 'NX', is_late and -now_ms() or place, ARGV[2]) == 0 then return 'duplicate' end
if is_late then redis.call('ZADD', KEYS.seen, place, 'late:' .. ARGV[2]) end -- what is late is remembered from now on, and counted by then
local is_part = album ~= '' and redis.call('ZADD', KEYS.seen, 'NX', counted, 'album:' .. album) == 0
remember(KEYS.seen, KEYS.history, last, ARGV[3], sent)
-- Nearly always there is none of these: one look for all.
local there = redis.call('EXISTS', KEYS.pause_all, KEYS.pause, KEYS.channel_pause, KEYS.unanswered, KEYS.memory_on)
if there > 0 then
  if tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], ARGV[3]) then there = there - 1 end
  if there > 0 then there = there - redis.call('DEL', KEYS.unanswered) end
end
if ARGV[15] ~= '0' then redis.pcall('ZADD', KEYS.history_expiring, 'LT', sent + ARGV[15], ARGV[1]) end

local function stopped(why)
  local now = now_ms()
  trace(KEYS.trace, why, now, { ARGV[2] }, '')
  if why ~= 'observed' and type(redis.pcall('RPUSH', KEYS.missed, ARGV[5])) == 'number' then
    redis.call('LTRIM', KEYS.missed, -LIMIT.INBOX_CAP, -1)
    redis.call('EXPIRE', KEYS.missed, LIMIT.HISTORY_TTL_S)
    redis.pcall('ZADD', KEYS.missed_index, now, ARGV[1])
  end
  return why
end

-- A name that is not the approved one stands beside it; only where there was none it is taken over.
local function call_by(name)
  local record = decode(approved)
  if not record then return end
  local known = words(record.displayName) or ''
  local other = known ~= '' and known:lower() ~= name:lower() and name or nil
  if known ~= '' and record.nowCalled == other then return end
  record.nowCalled = other
  if known == '' then record.displayName = name end
  redis.call('SET', KEYS.approved, cjson.encode(record))
end

if ARGV[14] ~= '' and (not approved:find('"displayName":' .. cjson.encode(ARGV[14]), 1, true) or approved:find('"nowCalled":', 1, true)) then
  call_by(ARGV[14])
end
if observed then return stopped('observed') end
if there > 0 then return stopped(redis.call('EXISTS', KEYS.pause_all) == 1 and 'killed' or 'paused') end
local count = is_part and 0 or redis.call('ZCOUNT', KEYS.seen, counted - window + 1, counted)
if count > tonumber(ARGV[8]) then
  local now = now_ms()
  redis.call('SET', KEYS.pause, cjson.encode({ pausedAt = now, reason = 'rate_limit', ['until'] = now + ARGV[10] }), 'PX', ARGV[10])
  redis.pcall('ZADD', KEYS.paused_index, now + ARGV[10], ARGV[1]) -- only so that its end is said
  publish(ARGV[11], { contactId = ARGV[1], action = 'pause', reason = 'rate_limit', pausedAt = now, timestamp = now, count = count,
    threshold = tonumber(ARGV[8]) })
  return stopped('rate_limited')
end
if waiting >= LIMIT.INBOX_CAP then return stopped('inbox_full') end
redis.call('RPUSH', KEYS.inbox, ARGV[5])
-- Mail that waits already has its token. An empty inbox may have one too, still on its way to be found needless.
if waiting == 0 and redis.call('HEXISTS', KEYS.mailbox, 'token') == 0 then
  redis.call('SADD', KEYS.queue_active, ARGV[1])
  add_token(KEYS.queue, KEYS.mailbox, ARGV[1], { channelId = ARGV[6], normalizedContactId = ARGV[7], messageId = ARGV[2] }, LIMIT.MAILBOX_TTL_MS)
end
return 'queued'
