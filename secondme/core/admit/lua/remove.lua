-- The owner denies a request or an approved contact, or revokes an approval. Everything that waits for the contact goes with it.
-- KEYS  1 approved 2 denied 3 pending 4 code 5 index pending 6 index approved 7 index denied 8 stats 9 attempts 10 told
--       11 history 12 history ids 13 inbox 14 mailbox 15 outbox 16 due 17 held 18 held index 19 pause 20 counter 21 paused index
--       22 style 23 relationship 24 relationship override 25 dead 26 dead index 27 last reply
--       28 own messages 29 style cache 30 trace
-- ARGV  1 contact 2 code of the request that was looked at, or '' 3 'deny' | 'revoke' 4 by 5 reason or '' 6 cooldown ms
--       7 pairing event channel
-- Returns {denied, JSON} | {revoked, JSON} | {already, JSON} | {missing}
local now = now_ms()
local approved = redis.call('GET', KEYS[1])
local denied = redis.call('GET', KEYS[2])
local raw = redis.call('GET', KEYS[3])
local request = decode_request(raw)
if request and (request.expiresAt <= now or request.code ~= ARGV[2]) then raw = false end
if ARGV[3] == 'revoke' then raw = false end
if denied and not approved then return { 'already', denied } end
if not approved and not raw then return { 'missing' } end
local known = decode(approved) or (raw and request) or {}
local name, channel = words(known.displayName), words(known.channelId)

redis.call('DEL', KEYS[1], KEYS[11], KEYS[12], KEYS[13], KEYS[15], KEYS[17], KEYS[19], KEYS[20])
redis.call('DEL', KEYS[22], KEYS[23], KEYS[24], KEYS[25], KEYS[27], KEYS[28], KEYS[29], KEYS[30])
redis.call('ZREM', KEYS[6], ARGV[1])
redis.call('ZREM', KEYS[16], ARGV[1])
redis.call('ZREM', KEYS[18], ARGV[1])
redis.call('ZREM', KEYS[21], ARGV[1])
redis.call('ZREM', KEYS[26], ARGV[1])
if redis.call('EXISTS', KEYS[14]) == 1 then
  redis.call('HINCRBY', KEYS[14], 'fence', 1)
  redis.call('HDEL', KEYS[14], 'sending', 'send_until', 'send_owner', 'attempts', 'head', 'defers')
end
local event, record, outcome
if ARGV[3] == 'deny' then
  redis.call('DEL', KEYS[3], KEYS[4], KEYS[9], KEYS[10])
  redis.call('ZREM', KEYS[5], ARGV[1])
  record = cjson.encode({ contactId = ARGV[1], phoneNumber = words(known.phoneNumber) or '', displayName = name,
    channelId = channel, deniedAt = now, deniedBy = ARGV[4], reason = ARGV[5] ~= '' and ARGV[5] or nil,
    expiresAt = now + ARGV[6] })
  redis.call('SET', KEYS[2], record, 'PX', ARGV[6])
  redis.call('ZADD', KEYS[7], now + ARGV[6], ARGV[1])
  event, outcome = { type = 'pairing_denied', deniedBy = ARGV[4] }, 'denied'
else
  record, event, outcome = approved, { type = 'pairing_revoked', revokedBy = ARGV[4] }, 'revoked'
end
count_stats(KEYS[8], KEYS[5], KEYS[6], KEYS[7], now)
event.contactId, event.displayName, event.channelId, event.timestamp = ARGV[1], name, channel, now
publish(ARGV[7], event)
return { outcome, record }
