-- The sender asks for the next step of a contact's outbox. Everything that could forbid it is checked here, at the last moment.
-- KEYS  outbox outbox_due mailbox approved pending pause_all killed pause held held_index channel_pause trace jobs_fates grants
--       history seen events_log : what is sent must be kept, else nobody knows that it was
-- ARGV  1 contact 2 sender 3 send lease ms 4 policy (resend|hold) 5 queue event channel 6 mailbox ttl ms
--       7 ms after which the typing indicator must be shown again
-- Returns {empty} | {early} | {busy} | {typing, topic or ''} | {dropped, n} | {held, reason, n} | {send, fence, row JSON} | {corrupt}
typed()
local now = now_ms()
local row = redis.call('LINDEX', KEYS.outbox, 0)
if not row then
  redis.call('ZREM', KEYS.outbox_due, ARGV[1])
  return { 'empty' }
end
local score = redis.call('ZSCORE', KEYS.outbox_due, ARGV[1])
if score and tonumber(score) > now then return { 'early' } end
local head = decode(row)
if not head or not head.rowId then
  redis.call('RPUSH', KEYS.held, row) -- as it is: whoever lists the held replies is told that one cannot be read
  redis.call('ZADD', KEYS.held_index, now, ARGV[1])
  redis.call('LPOP', KEYS.outbox)
  redis.call('ZADD', KEYS.outbox_due, now, ARGV[1])
  return { 'corrupt' }
end
local box = redis.call('HMGET', KEYS.mailbox, 'sending', 'send_until', 'send_owner')
local again = box[1] == head.rowId
if again and tonumber(box[2]) > now and box[3] ~= ARGV[2] then
  -- No lease is so much longer than ours: the clock was put back while somebody had it.
  if box[2] - now > 4 * ARGV[3] then redis.call('HSET', KEYS.mailbox, 'send_until', string.format('%.0f', now + ARGV[3])) end
  return { 'busy' }
end

-- Takes the rest of this reply off the outbox, into the held list when `reason` is given; else `why` it is dropped is written down.
local function remove(reason, why)
  local removed = 0
  while true do
    local raw = redis.call('LINDEX', KEYS.outbox, 0)
    local item = decode(raw)
    if not item or item.replyId ~= head.replyId then break end
    redis.call('LPOP', KEYS.outbox)
    if not reason then fate(KEYS.jobs_fates, item, 'dropped', now, ',"why":"' .. (why or 'stopped') .. '"') end
    if reason then hold(KEYS.held, KEYS.held_index, KEYS.trace, ARGV[5], ARGV[1], raw, reason, now) end
    removed = removed + 1
  end
  redis.call('HDEL', KEYS.mailbox, 'sending', 'send_until', 'send_owner')
  if redis.call('LLEN', KEYS.outbox) > 0 then redis.call('ZADD', KEYS.outbox_due, now, ARGV[1]) else redis.call('ZREM', KEYS.outbox_due, ARGV[1]) end
  if head.kind == 'reply' or head.kind == 'own' then
    trace(KEYS.trace, reason and 'held' or 'dropped', now, head.answers or {},
      ',"reply":' .. cjson.encode(head.replyId) .. ',"reason":"' .. (reason or why or 'not_approved') .. '"')
  end
  if reason then
    publish(ARGV[5], { type = 'reply_held', contactId = ARGV[1], replyId = head.replyId, reason = reason, timestamp = now })
  end
  return removed
end

local approved = redis.call('GET', KEYS.approved)
local allowed = approved and true or false
if head.kind == 'prompt' or head.kind == 'notice' then allowed = not allowed and redis.call('EXISTS', KEYS.pending) == 1 end
-- An answer to the owner goes out whatever stands still; what a script has to tell them does not.
if head.kind == 'owner' then allowed = not head.scheduled or redis.call('EXISTS', KEYS.killed) == 0 end
if not allowed then return { 'dropped', remove(nil, head.kind == 'owner' and 'killed' or 'not_approved') } end
-- A pause is the clone's silence. What the owner wrote themselves stops for the kill switch only, and waits for them.
if head.kind == 'own' and redis.call('EXISTS', KEYS.pause_all, KEYS.killed) == 2 then return { 'held', 'paused', remove('paused') } end
if head.kind ~= 'owner' and head.kind ~= 'own' and redis.call('EXISTS', KEYS.pause_all, KEYS.pause, KEYS.channel_pause) > 0 then
  local pause = redis.call('GET', KEYS.pause) or ''
  local why = pause:find('"reason":"rate_limit"', 1, true) and redis.call('EXISTS', KEYS.pause_all) == 0 and 'rate_limit' or 'paused'
  if head.kind == 'reply' and not words(head.job) then return { 'held', why, remove(why) } end
  return { 'dropped', remove(nil, why) }
end
-- What nobody asked for is worth nothing behind a newer turn, and leaves by itself only where the owner allowed it, still.
if head.kind == 'reply' and words(head.job) then
  if words(head.basis) and head.basis ~= newest_turn(KEYS.history) then return { 'dropped', remove(nil, 'overtaken') } end
  local ends = redis.pcall('HGET', KEYS.grants, head.category or '')
  local granted = head.released or (type(ends) == 'string' and tonumber(ends) > now)
  if not granted then return { 'held', 'proactive', remove('proactive') } end
end
if head.kind == 'reply' and not head.released then
  -- The owner may have changed their mind since it was composed. A word for this contact goes over the tier.
  local mode = approved:match('"replyMode":"(%a+)"') or (approved:find('"tier":"restricted"', 1, true) and 'draft') or 'auto'
  if mode ~= 'auto' then return { 'held', 'mode', remove('mode') } end
end
if again and ARGV[4] == 'hold' and head.kind ~= 'owner' then
  -- It may have been seen. A reply is for the owner to judge; a prompt that comes twice would bother a stranger for nothing.
  if head.kind == 'reply' or head.kind == 'own' then return { 'held', 'ambiguous', remove('ambiguous') } end
  return { 'dropped', remove(nil) }
end
if tonumber(head.dueAt) > now then
  redis.call('ZADD', KEYS.outbox_due, math.min(tonumber(head.dueAt), now + ARGV[7]), ARGV[1])
  return { 'typing', head.thread or '' }
end
local fence = redis.call('HINCRBY', KEYS.mailbox, 'send_fence', 1)
redis.call('HSET', KEYS.mailbox, 'sending', head.rowId, 'send_until', now + ARGV[3], 'send_owner', ARGV[2])
redis.call('PEXPIRE', KEYS.mailbox, ARGV[6])
redis.call('ZADD', KEYS.outbox_due, now + ARGV[3], ARGV[1])
return { 'send', tostring(fence), row }
