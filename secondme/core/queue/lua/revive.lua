-- Messages that were set aside, or came during a pause, are in the contact's inbox again, by when they were sent, and the contact has its
-- token. What a worker is composing meanwhile is void, as after a takeover: it would answer the wrong messages. Safe to repeat.
-- KEYS  [list] [index] approved inbox mailbox queue queue_active trace
-- ARGV  1 contact 2 mailbox ttl ms 3 inbox cap
-- Returns {revived, n put back, n left: unreadable or no room} | {missing} | {not_approved} | {not_answered}
typed()
local letters = redis.call('LRANGE', KEYS.list, 0, -1)
if #letters == 0 then
  redis.pcall('ZREM', KEYS.index, ARGV[1])
  return { 'missing' }
end
local approved = redis.call('GET', KEYS.approved)
if not approved then return { 'not_approved' } end
if approved:find('"replyMode":"o', 1, true) then return { 'not_answered' } end -- off, or only observed

local known, waiting = {}, redis.call('LRANGE', KEYS.inbox, 0, -1)
for _, raw in ipairs(waiting) do
  local mail = decode(raw)
  if mail and words(mail.messageId) then known[mail.messageId] = true end
end
local back, ids, left = {}, {}, {}
for _, raw in ipairs(letters) do
  local mail = decode(raw)
  local id = mail and words(mail.content) and words(mail.channelId) and tonumber(mail.timestamp) and words(mail.messageId)
  if not id or (not known[id] and #waiting + #back >= tonumber(ARGV[3])) then
    left[#left + 1] = raw
  elseif not known[id] then
    known[id] = true
    back[#back + 1], ids[#ids + 1] = raw, id
  end
end
local ttl = redis.call('PTTL', KEYS.list)
redis.call('DEL', KEYS.list)
for _, raw in ipairs(left) do redis.call('RPUSH', KEYS.list, raw) end
if #left == 0 then redis.pcall('ZREM', KEYS.index, ARGV[1]) else redis.call('PEXPIRE', KEYS.list, math.max(ttl, 1)) end
if #back == 0 then return { 'revived', 0, #left } end

local place, all = {}, {}
for _, list in ipairs({ back, waiting }) do
  for _, raw in ipairs(list) do
    all[#all + 1] = raw
    place[raw] = { (decode(raw) or {}).timestamp or 0, #all }
  end
end
table.sort(all, function(a, b)
  if place[a][1] ~= place[b][1] then return place[a][1] < place[b][1] end
  return place[a][2] < place[b][2]
end)
redis.call('DEL', KEYS.inbox)
for _, raw in ipairs(all) do redis.call('RPUSH', KEYS.inbox, raw) end
if redis.call('HEXISTS', KEYS.mailbox, 'lease_owner') == 1 then redis.call('HINCRBY', KEYS.mailbox, 'fence', 1) end
redis.call('HDEL', KEYS.mailbox, 'attempts', 'head')
redis.call('SADD', KEYS.queue_active, ARGV[1])
if #waiting == 0 and redis.call('HEXISTS', KEYS.mailbox, 'token') == 0 then
  add_token(KEYS.queue, KEYS.mailbox, ARGV[1], decode(all[1]), ARGV[2])
end
trace(KEYS.trace, 'revived', now_ms(), ids, '')
return { 'revived', #back, #left }
