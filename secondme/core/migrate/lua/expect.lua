-- A message that waited elsewhere for the morning waits here for its answer, unless it was decided about before. Repeatable.
-- KEYS  approved denied seen history inbox mailbox queue queue_active
-- ARGV  1 '1' to write, '0' to say what would be written 2 contact 3 message id 4 sent ms 5 mail JSON 6 channel 7 normalized contact
-- Returns taken | already | not_approved | inbox_full
if redis.call('EXISTS', KEYS.approved) == 0 or redis.call('EXISTS', KEYS.denied) == 1 then return 'not_approved' end
local known = redis.call('ZSCORE', KEYS.seen, ARGV[3])
if known and tonumber(known) >= 0 then return 'already' end -- below zero it only stands in the history
local waiting = redis.call('LLEN', KEYS.inbox)
if waiting >= LIMIT.INBOX_CAP then return 'inbox_full' end
if ARGV[1] ~= '1' then return 'taken' end
recall(KEYS.seen, KEYS.history)
redis.call('ZADD', KEYS.seen, ARGV[4], ARGV[3])
redis.call('PEXPIRE', KEYS.seen, LIMIT.SEEN_TTL_MS)
redis.call('RPUSH', KEYS.inbox, ARGV[5])
if waiting == 0 and redis.call('HEXISTS', KEYS.mailbox, 'token') == 0 then
  redis.call('SADD', KEYS.queue_active, ARGV[2])
  add_token(KEYS.queue, KEYS.mailbox, ARGV[2], { channelId = ARGV[6], normalizedContactId = ARGV[7], messageId = ARGV[3] }, LIMIT.MAILBOX_TTL_MS)
end
return 'taken'
