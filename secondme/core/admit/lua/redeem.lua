-- A stranger sent six digits: an invite, its own code, or a wrong one. One outcome, judged here.
-- KEYS  1 approved 2 denied 3 pending 4 code of that request 5 invite of the typed digits 6 attempts 7 wrong 8 closed
--       9 index pending 10 index approved 11 index denied 12 index invites 13 stats 14 outbox 15 due 16 told 17 pause all
-- ARGV  1 contact 2 phone 3 name or '' 4 channel 5 typed digits 6 code of the pending record, or '' when there is none that can be read
--       7 mode 8 self-verify tier 9 wrong codes per contact 10 cooldown ms 11 wrong codes per hour 12 welcome row JSON
--       13 notice row JSON 14 id of this attempt 15 pairing event channel 16 security event channel
--       17 the pending record as the caller read it, or ''
-- Returns approved | denied | changed | closed | needs_owner | needs_owner_again | welcomed_invite | welcomed_own | wrong_code | locked_out;
--         the last two end in _closing when it was the wrong code that closed the door
local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 1 then return 'approved' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'denied' end
if redis.call('EXISTS', KEYS[17]) == 1 then return 'closed' end
local raw = redis.call('GET', KEYS[3]) or ''
if raw ~= ARGV[17] then return 'changed' end
local request = ARGV[6] ~= '' and decode_request(raw) or nil
if request and request.expiresAt <= now then request = nil end
local own = request ~= nil and request.code == ARGV[5]
if own and ARGV[7] == 'owner' then
  if redis.call('SET', KEYS[16], '1', 'NX', 'PX', math.max(1, request.expiresAt - now)) then
    post(KEYS[14], KEYS[15], ARGV[1], stamp(ARGV[13], now, 0, 0), now)
    return 'needs_owner'
  end
  return 'needs_owner_again'
end
if redis.call('EXISTS', KEYS[8]) == 1 then return 'closed' end
local name = ARGV[3] ~= '' and ARGV[3] or nil

local function forget_request()
  redis.call('DEL', KEYS[3], KEYS[4], KEYS[16])
  redis.call('ZREM', KEYS[9], ARGV[1])
end

local function let_in(by, tier, shown, outcome)
  forget_request()
  redis.call('DEL', KEYS[6], KEYS[14])
  redis.call('SET', KEYS[1], cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = shown, channelId = ARGV[4],
    approvedAt = now, approvedBy = by, tier = tier }))
  redis.call('ZADD', KEYS[10], now, ARGV[1])
  count_stats(KEYS[13], KEYS[9], KEYS[10], KEYS[11], now)
  publish(ARGV[15], { type = 'pairing_verified', contactId = ARGV[1], displayName = shown, channelId = ARGV[4], tier = tier,
    approvedBy = by, timestamp = now })
  post(KEYS[14], KEYS[15], ARGV[1], stamp(ARGV[12], now, 0, 0), now)
  redis.call('ZADD', KEYS[15], now, ARGV[1])
  return outcome
end

local invite = decode(redis.call('GET', KEYS[5]))
if invite and is_tier(invite.tier) and type(invite.expiresAt) == 'number' and invite.expiresAt > now then
  redis.call('DEL', KEYS[5])
  redis.call('ZREM', KEYS[12], ARGV[5])
  return let_in('invite', invite.tier, words(invite.name) or name, 'welcomed_invite')
end
if own and ARGV[7] == 'self_verify' then return let_in('self-verified', ARGV[8], name, 'welcomed_own') end

local closing = ''
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', now - 3600000)
redis.call('ZADD', KEYS[7], now, ARGV[14])
redis.call('EXPIRE', KEYS[7], 3600)
if redis.call('ZCARD', KEYS[7]) >= tonumber(ARGV[11]) then
  redis.call('SET', KEYS[8], '1', 'PX', 3600000)
  redis.call('DEL', KEYS[7])
  publish(ARGV[16], { event = 'pairing_closed', severity = 'warn', timestamp = now })
  closing = '_closing'
end
local attempts = redis.call('INCR', KEYS[6])
if attempts == 1 then redis.call('PEXPIRE', KEYS[6], ARGV[10]) end
if attempts < tonumber(ARGV[9]) then return 'wrong_code' .. closing end
forget_request()
redis.call('DEL', KEYS[6], KEYS[14])
redis.call('ZREM', KEYS[15], ARGV[1])
redis.call('SET', KEYS[2], cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = name, channelId = ARGV[4],
  deniedAt = now, deniedBy = 'wrong-codes', reason = 'too many wrong codes', expiresAt = now + ARGV[10] }), 'PX', ARGV[10])
redis.call('ZADD', KEYS[11], now + ARGV[10], ARGV[1])
count_stats(KEYS[13], KEYS[9], KEYS[10], KEYS[11], now)
publish(ARGV[15], { type = 'pairing_denied', contactId = ARGV[1], displayName = name, channelId = ARGV[4], deniedBy = 'wrong-codes',
  timestamp = now })
return 'locked_out' .. closing
