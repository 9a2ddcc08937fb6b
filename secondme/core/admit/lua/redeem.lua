-- A stranger sent six digits: an invite, its own code, or a wrong one. One outcome, judged here.
-- KEYS  approved denied pending code(own) invite attempts pairing_wrong pairing_closed pairing_fresh index_pending index_approved index_denied
--       index_invites pairing_stats outbox outbox_due told pause_all first_message seen
--       history history_expiring pause channel_pause inbox mailbox queue queue_active trace missed missed_index
--       memory_on memory_journal memory_due events_log
-- ARGV  1 contact 2 phone 3 name or '' 4 channel 5 typed digits 6 code of the pending record, or '' when there is none that can be read
--       7 mode 8 self-verify tier 9 wrong codes per contact 10 cooldown ms 11 wrong codes per hour 12 welcome row JSON
--       13 notice row JSON 14 id of this attempt 15 pairing event channel 16 security event channel
--       17 the pending record as the caller read it, or ''
-- Returns approved | denied | changed | closed | needs_owner | needs_owner_again | welcomed_invite | welcomed_own | wrong_code | locked_out;
--         the last two end in _closing when it was the wrong code that closed the door
typed()
local now = now_ms()
if redis.call('EXISTS', KEYS.approved) == 1 then return 'approved' end
if redis.call('EXISTS', KEYS.denied) == 1 then return 'denied' end
if redis.call('EXISTS', KEYS.pause_all) == 1 then return 'closed' end
local raw = redis.call('GET', KEYS.pending) or ''
if raw ~= ARGV[17] then return 'changed' end
local request = ARGV[6] ~= '' and decode_request(raw) or nil
if request and request.expiresAt <= now then request = nil end
local own = request ~= nil and request.code == ARGV[5]
if own and ARGV[7] == 'owner' then
  if redis.call('SET', KEYS.told, '1', 'NX', 'PX', math.max(1, request.expiresAt - now)) then
    post(KEYS.outbox, KEYS.outbox_due, ARGV[1], stamp(ARGV[13], now, 0, 0), now)
    return 'needs_owner'
  end
  return 'needs_owner_again'
end
-- Closed, only an invite that was made since then is looked for, and only until so many wrong codes were tried: a flood of guesses shuts
-- nobody out whom the owner invites now, and guessing stays hopeless.
local closed = redis.call('GET', KEYS.pairing_closed)
if closed and (own or (tonumber(redis.call('GET', KEYS.pairing_fresh)) or 0) <= 0) then return 'closed' end
local name = ARGV[3] ~= '' and ARGV[3] or nil

local function forget_request()
  redis.call('DEL', KEYS.pending, KEYS.code_own, KEYS.told)
  redis.call('ZREM', KEYS.index_pending, ARGV[1])
end

local function let_in(by, tier, shown, outcome)
  forget_request()
  redis.call('DEL', KEYS.attempts, KEYS.outbox)
  redis.call('SET', KEYS.approved, cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = shown, channelId = ARGV[4],
    approvedAt = now, approvedBy = by, tier = tier }))
  redis.call('ZADD', KEYS.index_approved, now, ARGV[1])
  count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
  publish(ARGV[15], { type = 'pairing_verified', contactId = ARGV[1], displayName = shown, channelId = ARGV[4], tier = tier,
    approvedBy = by, timestamp = now })
  post(KEYS.outbox, KEYS.outbox_due, ARGV[1], stamp(ARGV[12], now, 0, 0), now)
  redis.call('ZADD', KEYS.outbox_due, now, ARGV[1])
  answer_first_message(ARGV[1], ARGV[4], shown, now)
  return outcome
end

local invite = decode(redis.call('GET', KEYS.invite))
if invite and is_tier(invite.tier) and type(invite.expiresAt) == 'number' and invite.expiresAt > now
  and not (closed and (tonumber(invite.createdAt) or 0) < math.max(tonumber(closed) or 0, 1000000000000)) then
  redis.call('DEL', KEYS.invite)
  redis.call('ZREM', KEYS.index_invites, ARGV[5])
  return let_in('invite', invite.tier, words(invite.name) or name, 'welcomed_invite')
end
if own and ARGV[7] == 'self_verify' then return let_in('self-verified', ARGV[8], name, 'welcomed_own') end

local attempts = redis.call('INCR', KEYS.attempts)
if attempts == 1 then redis.call('PEXPIRE', KEYS.attempts, ARGV[10]) end
local closing = ''
if closed then
  if redis.call('DECR', KEYS.pairing_fresh) == 0 then
    publish(ARGV[16], { event = 'pairing_closed', severity = 'warn', timestamp = now })
    closing = '_closing'
  end
else
  redis.call('ZREMRANGEBYSCORE', KEYS.pairing_wrong, '-inf', now - 3600000)
  redis.call('ZADD', KEYS.pairing_wrong, now, ARGV[14])
  redis.call('EXPIRE', KEYS.pairing_wrong, 3600)
end
if not closed and redis.call('ZCARD', KEYS.pairing_wrong) >= tonumber(ARGV[11]) then
  redis.call('DEL', KEYS.pairing_fresh)
  redis.call('SET', KEYS.pairing_closed, string.format('%.0f', now), 'PX', 3600000)
  redis.call('DEL', KEYS.pairing_wrong)
  publish(ARGV[16], { event = 'pairing_closed', severity = 'warn', timestamp = now })
  closing = '_closing'
end
if attempts < tonumber(ARGV[9]) then return 'wrong_code' .. closing end
forget_request()
redis.call('DEL', KEYS.attempts, KEYS.outbox, KEYS.first_message)
redis.call('ZREM', KEYS.outbox_due, ARGV[1])
redis.call('SET', KEYS.denied, cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = name, channelId = ARGV[4],
  deniedAt = now, deniedBy = 'wrong-codes', reason = 'too many wrong codes', expiresAt = now + ARGV[10] }), 'PX', ARGV[10])
redis.call('ZADD', KEYS.index_denied, now + ARGV[10], ARGV[1])
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
publish(ARGV[15], { type = 'pairing_denied', contactId = ARGV[1], displayName = name, channelId = ARGV[4], deniedBy = 'wrong-codes',
  timestamp = now })
return 'locked_out' .. closing
