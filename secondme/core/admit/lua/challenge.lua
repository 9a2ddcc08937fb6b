-- A stranger wrote something that is no code: make one pairing request, and at most one prompt.
-- KEYS  approved denied pending code invite index_pending index_approved index_denied pairing_stats pairing_prompts pairing_full
--       outbox outbox_due pause_all history told first_message events_log
-- ARGV  1 contact 2 phone 3 name or '' 4 channel 5 code 6 ttl ms 7 max pending 8 max prompts an hour 9 prompt row JSON or ''
--       10 row id 11 '1' to approve who has a history 12 pairing event channel 13 security event channel
--       14 sent ms 15 oldest that is prompted, ms 16 what they wrote first as JSON, or '' to keep nothing
-- Returns approved | denied | too_old | already_pending | closed | full | collision | existing | prompted | requested
--         | full_now: full, and it was said
typed()
local now = now_ms()
if redis.call('EXISTS', KEYS.approved) == 1 then return 'approved' end
if redis.call('EXISTS', KEYS.denied) == 1 then return 'denied' end
local name = ARGV[3] ~= '' and ARGV[3] or nil
if ARGV[11] == '1' and redis.call('EXISTS', KEYS.history) == 1 and redis.call('EXISTS', KEYS.pending) == 0 then
  redis.call('SET', KEYS.approved, cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = name, channelId = ARGV[4],
    approvedAt = now, approvedBy = 'existing-history', tier = 'standard' }))
  redis.call('ZADD', KEYS.index_approved, now, ARGV[1])
  count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
  publish(ARGV[12], { type = 'pairing_approved', contactId = ARGV[1], displayName = name, channelId = ARGV[4], tier = 'standard',
    approvedBy = 'existing-history', timestamp = now })
  return 'existing'
end
local pending = redis.call('GET', KEYS.pending)
if pending then
  local record = decode_request(pending)
  if not record or record.expiresAt > now then return 'already_pending' end
end
if now - ARGV[14] > tonumber(ARGV[15]) then return 'too_old' end
if redis.call('EXISTS', KEYS.pause_all) == 1 then return 'closed' end

-- Each channel's strangers may take half of the places that the others leave: a flood on one keeps nobody of another out. A contact's id
-- says where it is from.
local function is_full()
  local after = '(' .. string.format('%.0f', now)
  local total, own, most = redis.call('ZCOUNT', KEYS.index_pending, after, '+inf'), 0, tonumber(ARGV[7])
  if total >= most or 2 * total < most then return total >= most end
  for _, contact in ipairs(redis.call('ZRANGEBYSCORE', KEYS.index_pending, after, '+inf')) do
    local channel = contact:find('@', 1, true) and 'whatsapp' or contact:match('^[^:]*')
    if channel == ARGV[4] then own = own + 1 end
  end
  return total + own >= most
end

if is_full() then
  if redis.call('SET', KEYS.pairing_full, '1', 'NX', 'PX', 60000) then
    publish(ARGV[13], { event = 'pairing_full', severity = 'warn', timestamp = now })
    return 'full_now'
  end
  return 'full'
end
if redis.call('EXISTS', KEYS.code, KEYS.invite) > 0 then return 'collision' end
local before = redis.call('ZSCORE', KEYS.index_pending, ARGV[1])
if before then publish(ARGV[12], { type = 'pairing_expired', contactId = ARGV[1], timestamp = now }) end -- not swept yet
local expires = now + ARGV[6]
redis.call('SET', KEYS.pending, cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = name, channelId = ARGV[4],
  code = ARGV[5], requestedAt = now, status = 'pending', expiresAt = expires }), 'PX', ARGV[6])
redis.call('SET', KEYS.code, ARGV[1], 'PX', ARGV[6])
redis.call('DEL', KEYS.told, KEYS.first_message)
if ARGV[16] ~= '' then redis.call('SET', KEYS.first_message, ARGV[16], 'PX', ARGV[6]) end
redis.call('ZADD', KEYS.index_pending, expires, ARGV[1])
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
publish(ARGV[12], { type = 'pairing_request', contactId = ARGV[1], displayName = name, channelId = ARGV[4], code = '******',
  requestedAt = now, expiresAt = expires, timestamp = now })
if ARGV[9] == '' then return 'requested' end
redis.call('ZREMRANGEBYSCORE', KEYS.pairing_prompts, '-inf', now - 3600000)
if redis.call('ZCARD', KEYS.pairing_prompts) >= tonumber(ARGV[8]) then return 'requested' end
redis.call('ZADD', KEYS.pairing_prompts, now, ARGV[10])
redis.call('EXPIRE', KEYS.pairing_prompts, 3600)
redis.call('DEL', KEYS.outbox) -- what an expired request left behind
post(KEYS.outbox, KEYS.outbox_due, ARGV[1], stamp(ARGV[9], now, 0, 0), now)
redis.call('PEXPIRE', KEYS.outbox, ARGV[6])
redis.call('ZADD', KEYS.outbox_due, now, ARGV[1])
return 'prompted'
