-- The owner approves somebody. The request must still be the one that was looked at; a denial since then wins. What they wrote first, where it
-- was kept, is their first message. Who never asked is approved by their id, and told nothing.
-- KEYS  approved denied pending code index_pending index_approved index_denied pairing_stats attempts outbox outbox_due told
--       first_message seen history history_expiring pause_all pause channel_pause inbox mailbox queue queue_active trace
--       missed missed_index memory_on memory_journal memory_due events_log
-- ARGV  1 contact 2 code of the request that was looked at, or '' for none 3 by 4 tier 5 notes or '' 6 welcome row JSON or ''
--       7 pairing event channel, then without a request: 8 channel 9 phone 10 name or ''
-- Returns {approved, JSON} | {already, JSON} | {denied} | {missing} | {corrupt}
local now = now_ms()
local approved = redis.call('GET', KEYS.approved)
if approved then return { 'already', approved } end
if redis.call('EXISTS', KEYS.denied) == 1 then return { 'denied' } end
local raw = redis.call('GET', KEYS.pending)
local request
if ARGV[2] == '' then
  if raw then return { 'missing' } end -- asked for meanwhile: that is looked at first
  request = { channelId = ARGV[8], phoneNumber = ARGV[9], displayName = ARGV[10] ~= '' and ARGV[10] or nil }
else
  if not raw then return { 'missing' } end
  request = decode_request(raw)
  if not request then return { 'corrupt' } end
  if request.expiresAt <= now or request.code ~= ARGV[2] then return { 'missing' } end
end
if redis.call('EXISTS', KEYS.first_message) == 1 then typed() else -- a broken history keeps nobody out whose words were not kept
  typed(KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, KEYS.outbox, KEYS.outbox_due)
end
local record = cjson.encode({ contactId = ARGV[1], phoneNumber = request.phoneNumber, displayName = words(request.displayName),
  profilePicUrl = words(request.profilePicUrl), channelId = words(request.channelId), approvedAt = now, approvedBy = ARGV[3], tier = ARGV[4],
  notes = ARGV[5] ~= '' and ARGV[5] or nil })
redis.call('DEL', KEYS.pending, KEYS.code, KEYS.attempts, KEYS.outbox, KEYS.told)
redis.call('ZREM', KEYS.outbox_due, ARGV[1])
redis.call('SET', KEYS.approved, record)
redis.call('ZREM', KEYS.index_pending, ARGV[1])
redis.call('ZADD', KEYS.index_approved, now, ARGV[1])
count_stats(KEYS.pairing_stats, KEYS.index_pending, KEYS.index_approved, KEYS.index_denied, now)
publish(ARGV[7], { type = 'pairing_approved', contactId = ARGV[1], displayName = words(request.displayName), channelId = words(request.channelId),
  tier = ARGV[4], approvedBy = ARGV[3], timestamp = now })
if ARGV[6] ~= '' then
  post(KEYS.outbox, KEYS.outbox_due, ARGV[1], stamp(ARGV[6], now, 0, 0), now)
end
answer_first_message(ARGV[1], words(request.channelId) or '?', words(request.displayName), now)
return { 'approved', record }
