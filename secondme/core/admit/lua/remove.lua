-- The owner denies a request or an approved contact, or revokes an approval. Everything that waits for the contact goes with it.
-- KEYS  approved denied pending code index_pending index_approved index_denied pairing_stats attempts told first_message history history_ids
--       history_expiring inbox missed missed_index mailbox outbox outbox_due held held_index pause paused_index style relationship
--       relationship_override dead dead_index last_reply own_messages style_cache trace witness
--       memory_journal memory_due memory_forgotten birthday promise events_log
-- ARGV  1 contact 2 code of the request that was looked at, or '' 3 'deny' | 'revoke' 4 by 5 reason or '' 6 cooldown ms
--       7 pairing event channel
-- Returns {denied, JSON} | {revoked, JSON} | {already, JSON} | {missing}
local now = now_ms()

-- What a broken record says is nothing, and it is removed all the same: nobody stays approved because of one.
local function text(key)
  local value = redis.pcall('GET', key)
  return type(value) == 'table' and '' or value
end

local approved, denied, raw = text(KEYS.approved), text(KEYS.denied), text(KEYS.pending)
local request = decode_request(raw)
if request and (request.expiresAt <= now or request.code ~= ARGV[2]) then raw = false end
if ARGV[3] == 'revoke' then raw = false end
if denied and not approved then return { 'already', denied } end
if not approved and not raw then return { 'missing' } end
local known = decode(approved) or (raw and request) or {}
local name, channel = words(known.displayName), words(known.channelId)

redis.call('DEL', KEYS.approved, KEYS.history, KEYS.history_ids, KEYS.inbox, KEYS.outbox, KEYS.held, KEYS.pause, KEYS.missed)
redis.call('DEL', KEYS.style, KEYS.relationship, KEYS.relationship_override, KEYS.dead, KEYS.last_reply, KEYS.own_messages, KEYS.style_cache, KEYS.trace, KEYS.memory_journal, KEYS.memory_forgotten,
  KEYS.birthday, KEYS.promise)
if redis.pcall('ZREM', KEYS.index_approved, ARGV[1]) == 1 then redis.pcall('HINCRBY', KEYS.witness, 'removed', 1) end
for _, index in ipairs({ KEYS.outbox_due, KEYS.held_index, KEYS.paused_index, KEYS.dead_index, KEYS.missed_index, KEYS.history_expiring, KEYS.memory_due }) do
  redis.pcall('ZREM', index, ARGV[1])
end
if redis.call('TYPE', KEYS.mailbox).ok ~= 'hash' then redis.call('DEL', KEYS.mailbox) else
  if type(redis.pcall('HINCRBY', KEYS.mailbox, 'fence', 1)) == 'table' then redis.call('HDEL', KEYS.mailbox, 'fence') end
  redis.call('HDEL', KEYS.mailbox, 'sending', 'send_until', 'send_owner', 'attempts', 'head', 'defers')
end
local event, record, outcome
if ARGV[3] == 'deny' then
  redis.call('DEL', KEYS.denied, KEYS.pending, KEYS.code, KEYS.attempts, KEYS.told, KEYS.first_message)
  redis.pcall('ZREM', KEYS.index_pending, ARGV[1])
  record = cjson.encode({ contactId = ARGV[1], phoneNumber = words(known.phoneNumber) or '', displayName = name,
    channelId = channel, deniedAt = now, deniedBy = ARGV[4], reason = ARGV[5] ~= '' and ARGV[5] or nil,
    expiresAt = now + ARGV[6] })
  redis.call('SET', KEYS.denied, record, 'PX', ARGV[6])
  redis.pcall('ZADD', KEYS.index_denied, now + ARGV[6], ARGV[1])
  event, outcome = { type = 'pairing_denied', deniedBy = ARGV[4] }, 'denied'
else
  record, event, outcome = approved, { type = 'pairing_revoked', revokedBy = ARGV[4] }, 'revoked'
end
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
event.contactId, event.displayName, event.channelId, event.timestamp = ARGV[1], name, channel, now
publish(ARGV[7], event)
return { outcome, record }
