-- The owner lets somebody in. The request must still be the one that was looked at; a denial since then wins.
-- KEYS  1 approved 2 denied 3 pending 4 code 5 index pending 6 index approved 7 index denied 8 stats 9 attempts 10 outbox 11 due
--       12 told
-- ARGV  1 contact 2 code of the request that was looked at 3 by 4 tier 5 notes or '' 6 welcome row JSON or ''
--       7 pairing event channel
-- Returns {approved, JSON} | {already, JSON} | {denied} | {missing} | {corrupt}
local now = now_ms()
local approved = redis.call('GET', KEYS[1])
if approved then return { 'already', approved } end
if redis.call('EXISTS', KEYS[2]) == 1 then return { 'denied' } end
local raw = redis.call('GET', KEYS[3])
if not raw then return { 'missing' } end
local request = decode_request(raw)
if not request then return { 'corrupt' } end
if request.expiresAt <= now or request.code ~= ARGV[2] then return { 'missing' } end
local record = cjson.encode({ contactId = ARGV[1], phoneNumber = request.phoneNumber, displayName = words(request.displayName),
  profilePicUrl = words(request.profilePicUrl), channelId = words(request.channelId), approvedAt = now, approvedBy = ARGV[3], tier = ARGV[4],
  notes = ARGV[5] ~= '' and ARGV[5] or nil })
redis.call('DEL', KEYS[3], KEYS[4], KEYS[9], KEYS[10], KEYS[12])
redis.call('ZREM', KEYS[11], ARGV[1])
redis.call('SET', KEYS[1], record)
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call('ZADD', KEYS[6], now, ARGV[1])
count_stats(KEYS[8], KEYS[5], KEYS[6], KEYS[7], now)
publish(ARGV[7], { type = 'pairing_approved', contactId = ARGV[1], displayName = words(request.displayName), channelId = words(request.channelId),
  tier = ARGV[4], approvedBy = ARGV[3], timestamp = now })
if ARGV[6] ~= '' then
  post(KEYS[10], KEYS[11], ARGV[1], stamp(ARGV[6], now, 0, 0), now)
end
return { 'approved', record }
