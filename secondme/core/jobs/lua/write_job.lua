-- Words of a job for a contact wait for the owner, or leave where the owner allowed it: everything that could speak against it is asked again here.
-- KEYS  job_state approved killed pause_all pause channel_pause grants history held held_index trace outbox outbox_due owner_told
--       proactive_drafts proactive_sent proactive_sent_to unanswered events_log
-- ARGV  1 job 2 fence 3 contact 4 reply id 5 what it is done once for 6 draft | send 7 category 8 id of the newest turn that was known 9 queue event channel
--       10 ttl of what was done once, ms 11 most drafts a day 12 most sent an hour 13 a day 14 to a contact a day 15 a week 16 least ms between two
--       17 least ms since any turn 18 most without an answer 19 ms until it leaves, then rows as JSON
-- Returns {draft} | {sent} | {done} | {stale} | {not_approved} | {stopped} | {mode} | {overtaken} | {limit} | {open} | {unanswered} | {busy}
typed()
local now = now_ms()
local box = redis.call('HMGET', KEYS.job_state, 'fence', 'open')
if box[1] ~= ARGV[2] or box[2] ~= '1' then return { 'stale' } end
if redis.call('ZSCORE', KEYS.owner_told, ARGV[5]) then return { 'done' } end
local approved = redis.call('GET', KEYS.approved)
if not approved then return { 'not_approved' } end
if redis.call('EXISTS', KEYS.killed, KEYS.pause_all, KEYS.pause, KEYS.channel_pause) > 0 then return { 'stopped' } end
if approved:find('"replyMode":"o', 1, true) then return { 'mode' } end
if newest_turn(KEYS.history) ~= ARGV[8] then return { 'overtaken' } end
if now - newest_at(KEYS.history) < tonumber(ARGV[17]) then return { 'busy' } end
if tonumber(redis.call('GET', KEYS.unanswered) or '0') >= tonumber(ARGV[18]) then return { 'unanswered' } end
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  if item and item.reason == 'proactive' then return { 'open' } end
end
local sends = ARGV[6] == 'send' and approved:find('"tier":"trusted"', 1, true) and not approved:find('"replyMode":"draft"', 1, true)
  and tonumber(redis.call('HGET', KEYS.grants, ARGV[7]) or '0') > now
local newest = redis.call('ZREVRANGE', KEYS.proactive_sent_to, 0, 0, 'WITHSCORES')[2]
if newest and now - tonumber(newest) < tonumber(ARGV[16]) then return { 'limit' } end
if over_sent(KEYS.proactive_sent, KEYS.proactive_sent_to, now, sends and ARGV[12] or '1000000', sends and ARGV[13] or '1000000', ARGV[14], ARGV[15]) then
  return { 'limit' }
end
if not sends and redis.call('ZCOUNT', KEYS.proactive_drafts, now - 86400000, '+inf') >= tonumber(ARGV[11]) then return { 'limit' } end
mark_told(KEYS.owner_told, ARGV[5], now, ARGV[10])
for at = 20, #ARGV do
  if sends then
    post(KEYS.outbox, KEYS.outbox_due, ARGV[3], stamp(ARGV[at], now, ARGV[19], ARGV[19]), now + ARGV[19])
  else
    hold(KEYS.held, KEYS.held_index, KEYS.trace, ARGV[9], ARGV[3], stamp(ARGV[at], now, 0, 0), 'proactive', now)
  end
end
if sends then
  count_sent(KEYS.proactive_sent, KEYS.proactive_sent_to, ARGV[4], now)
  return { 'sent' }
end
mark_told(KEYS.proactive_drafts, ARGV[4], now, 691200000)
trace(KEYS.trace, 'held', now, {}, ',"reply":' .. cjson.encode(ARGV[4]) .. ',"reason":"proactive"')
publish(ARGV[9], { type = 'reply_held', contactId = ARGV[3], replyId = ARGV[4], reason = 'proactive', timestamp = now })
return { 'draft' }
