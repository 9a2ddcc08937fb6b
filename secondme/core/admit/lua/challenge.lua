-- A stranger wrote something that is no code: make one pairing request, and at most one prompt.
-- KEYS  1 approved 2 denied 3 pending 4 code 5 invite of the same digits 6 index pending 7 index approved 8 index denied 9 stats
--       10 prompts 11 full 12 outbox 13 due 14 pause all 15 history 16 told
-- ARGV  1 contact 2 phone 3 name or '' 4 channel 5 code 6 ttl ms 7 max pending 8 max prompts an hour 9 prompt row JSON or ''
--       10 row id 11 '1' to approve who has a history 12 pairing event channel 13 security event channel
--       14 sent ms 15 oldest that is prompted, ms
-- Returns approved | denied | too_old | already_pending | closed | full | collision | existing | prompted | requested
--         | full_now: full, and it was said
local now = now_ms()
if redis.call('EXISTS', KEYS[1]) == 1 then return 'approved' end
if redis.call('EXISTS', KEYS[2]) == 1 then return 'denied' end
local name = ARGV[3] ~= '' and ARGV[3] or nil
if ARGV[11] == '1' and redis.call('EXISTS', KEYS[15]) == 1 and redis.call('EXISTS', KEYS[3]) == 0 then
  redis.call('SET', KEYS[1], cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = name, channelId = ARGV[4],
    approvedAt = now, approvedBy = 'existing-history', tier = 'standard' }))
  redis.call('ZADD', KEYS[7], now, ARGV[1])
  count_stats(KEYS[9], KEYS[6], KEYS[7], KEYS[8], now)
  publish(ARGV[12], { type = 'pairing_approved', contactId = ARGV[1], displayName = name, channelId = ARGV[4], tier = 'standard',
    approvedBy = 'existing-history', timestamp = now })
  return 'existing'
end
local pending = redis.call('GET', KEYS[3])
if pending then
  local record = decode_request(pending)
  if not record or record.expiresAt > now then return 'already_pending' end
end
if now - ARGV[14] > tonumber(ARGV[15]) then return 'too_old' end
if redis.call('EXISTS', KEYS[14]) == 1 then return 'closed' end
if redis.call('ZCOUNT', KEYS[6], '(' .. string.format('%.0f', now), '+inf') >= tonumber(ARGV[7]) then
  if redis.call('SET', KEYS[11], '1', 'NX', 'PX', 60000) then
    publish(ARGV[13], { event = 'pairing_full', severity = 'warn', timestamp = now })
    return 'full_now'
  end
  return 'full'
end
if redis.call('EXISTS', KEYS[4], KEYS[5]) > 0 then return 'collision' end
local before = redis.call('ZSCORE', KEYS[6], ARGV[1])
if before then publish(ARGV[12], { type = 'pairing_expired', contactId = ARGV[1], timestamp = now }) end -- not swept yet
local expires = now + ARGV[6]
redis.call('SET', KEYS[3], cjson.encode({ contactId = ARGV[1], phoneNumber = ARGV[2], displayName = name, channelId = ARGV[4],
  code = ARGV[5], requestedAt = now, status = 'pending', expiresAt = expires }), 'PX', ARGV[6])
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[6])
redis.call('DEL', KEYS[16])
redis.call('ZADD', KEYS[6], expires, ARGV[1])
count_stats(KEYS[9], KEYS[6], KEYS[7], KEYS[8], now)
publish(ARGV[12], { type = 'pairing_request', contactId = ARGV[1], displayName = name, channelId = ARGV[4], code = '******',
  requestedAt = now, expiresAt = expires, timestamp = now })
if ARGV[9] == '' then return 'requested' end
redis.call('ZREMRANGEBYSCORE', KEYS[10], '-inf', now - 3600000)
if redis.call('ZCARD', KEYS[10]) >= tonumber(ARGV[8]) then return 'requested' end
redis.call('ZADD', KEYS[10], now, ARGV[10])
redis.call('EXPIRE', KEYS[10], 3600)
redis.call('DEL', KEYS[12]) -- what an expired request left behind
post(KEYS[12], KEYS[13], ARGV[1], stamp(ARGV[9], now, 0, 0), now)
redis.call('PEXPIRE', KEYS[12], ARGV[6])
redis.call('ZADD', KEYS[13], now, ARGV[1])
return 'prompted'
