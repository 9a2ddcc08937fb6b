-- The sender asks for the next step of a contact's outbox. Everything that could forbid it is checked here, at the last moment.
-- KEYS  1 outbox 2 due 3 mailbox 4 approved 5 pending 6 pause all 7 pause 8 held 9 held index 10 pause of the channel
--       11 trace
-- ARGV  1 contact 2 sender 3 send lease ms 4 policy (resend|hold) 5 queue event channel 6 mailbox ttl ms
--       7 ms after which the typing indicator must be shown again
-- Returns {empty} | {early} | {busy} | {typing} | {dropped, n} | {held, reason, n} | {send, fence, row JSON} | {corrupt}
local now = now_ms()
local row = redis.call('LINDEX', KEYS[1], 0)
if not row then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return { 'empty' }
end
local score = redis.call('ZSCORE', KEYS[2], ARGV[1])
if score and tonumber(score) > now then return { 'early' } end
local head = decode(row)
if not head or not head.rowId then
  redis.call('RPUSH', KEYS[8], row) -- as it is: whoever lists the held replies is told that one cannot be read
  redis.call('ZADD', KEYS[9], now, ARGV[1])
  redis.call('LPOP', KEYS[1])
  redis.call('ZADD', KEYS[2], now, ARGV[1])
  return { 'corrupt' }
end
local box = redis.call('HMGET', KEYS[3], 'sending', 'send_until', 'send_owner')
local again = box[1] == head.rowId
if again and tonumber(box[2]) > now and box[3] ~= ARGV[2] then return { 'busy' } end

-- Takes the rest of this reply off the outbox, into the held list when `reason` is given.
local function remove(reason)
  local removed = 0
  while true do
    local raw = redis.call('LINDEX', KEYS[1], 0)
    local item = decode(raw)
    if not item or item.replyId ~= head.replyId then break end
    redis.call('LPOP', KEYS[1])
    if reason then hold(KEYS[8], KEYS[9], ARGV[1], raw, reason, now) end
    removed = removed + 1
  end
  redis.call('HDEL', KEYS[3], 'sending', 'send_until', 'send_owner')
  if redis.call('LLEN', KEYS[1]) > 0 then redis.call('ZADD', KEYS[2], now, ARGV[1]) else redis.call('ZREM', KEYS[2], ARGV[1]) end
  if head.kind == 'reply' then
    trace(KEYS[11], reason and 'held' or 'dropped', now, head.answers or {},
      ',"reply":' .. cjson.encode(head.replyId) .. ',"reason":"' .. (reason or 'not_approved') .. '"')
  end
  if reason then
    publish(ARGV[5], { type = 'reply_held', contactId = ARGV[1], replyId = head.replyId, reason = reason, timestamp = now })
  end
  return removed
end

local approved = redis.call('GET', KEYS[4])
local allowed = approved and true or false
if head.kind == 'prompt' or head.kind == 'notice' then allowed = not allowed and redis.call('EXISTS', KEYS[5]) == 1 end
if head.kind == 'owner' then allowed = true end
if not allowed then return { 'dropped', remove(nil) } end
if head.kind ~= 'owner' and redis.call('EXISTS', KEYS[6], KEYS[7], KEYS[10]) > 0 then
  if head.kind == 'reply' then return { 'held', 'paused', remove('paused') } end
  return { 'dropped', remove(nil) }
end
if head.kind == 'reply' and not head.released then
  -- The owner may have changed their mind since it was composed. A word for this contact goes over the tier.
  local mode = approved:match('"replyMode":"(%a+)"') or (approved:find('"tier":"restricted"', 1, true) and 'draft') or 'auto'
  if mode ~= 'auto' then return { 'held', 'mode', remove('mode') } end
end
if again and ARGV[4] == 'hold' and head.kind ~= 'owner' then
  -- It may have been seen. A reply is for the owner to judge; a prompt that comes twice would bother a stranger for nothing.
  if head.kind == 'reply' then return { 'held', 'ambiguous', remove('ambiguous') } end
  return { 'dropped', remove(nil) }
end
if tonumber(head.dueAt) > now then
  redis.call('ZADD', KEYS[2], math.min(tonumber(head.dueAt), now + ARGV[7]), ARGV[1])
  return { 'typing' }
end
local fence = redis.call('HINCRBY', KEYS[3], 'send_fence', 1)
redis.call('HSET', KEYS[3], 'sending', head.rowId, 'send_until', now + ARGV[3], 'send_owner', ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[6])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
return { 'send', tostring(fence), row }
