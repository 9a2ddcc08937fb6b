-- A run is over: what it has to tell the owner is on its way, or nothing happens. Its words exist nowhere before this.
-- KEYS  job_definition job_state job_log job_seen job_calls jobs_counts jobs_due killed outbox outbox_due proactive_told
--       events_log
-- ARGV  1 job 2 fence 3 outcome 4 next due ms, or '' for never 5 further fields of the log, each behind a comma 6 ms until it is tried again, or ''
--       when it is over 7 what it is for the counts: kept | failed | waits | broken 8 failures in a row after which it is disabled 9 what is seen now, or ''
--       10 owner's chat 11 ms until its rows leave 12 most that the owner is told in a day, 0 for any 13 most runs, 0 for any 14 status event channel,
--       then rows as JSON
-- Returns {done, outcome} | {again} | {disabled, outcome} | {stale}
local now = now_ms()
local box = redis.call('HMGET', KEYS.job_state, 'fence', 'open', 'occ', 'attempts', 'waits', 'enabled')
if box[1] ~= ARGV[2] or box[2] ~= '1' or redis.call('EXISTS', KEYS.job_definition) == 0 then return { 'stale' } end
typed()
local outcome, counts, delay = ARGV[3], ARGV[7], ARGV[6]
local has_rows = ARGV[15] ~= nil
if has_rows and redis.call('EXISTS', KEYS.killed) == 1 then outcome, counts, delay, has_rows = 'waiting', 'waits', '60000', false end

if delay ~= '' then
  redis.call('HSET', KEYS.job_state, 'lease_until', '0')
  redis.call('ZADD', KEYS.jobs_due, now + delay, ARGV[1])
  if counts == 'waits' then redis.call('HSET', KEYS.job_state, 'attempts', math.max(0, tonumber(box[4] or '1') - 1)) end
  if counts ~= 'waits' or box[5] ~= box[3] then log_run(KEYS.job_log, KEYS.jobs_counts, box[3], outcome, now, ARGV[5]) end
  if counts == 'waits' then redis.call('HSET', KEYS.job_state, 'waits', box[3]) end
  return { 'again' }
end

local rows = {}
for at = 15, #ARGV do rows[#rows + 1] = ARGV[at] end
if has_rows and ARGV[12] ~= '0' and redis.call('ZCOUNT', KEYS.proactive_told, now - 86400000, '+inf') >= tonumber(ARGV[12]) then
  outcome, has_rows = 'limit', false
end
redis.call('HSET', KEYS.job_state, 'open', '0', 'lease_until', '0')
redis.call('HDEL', KEYS.job_state, 'runner')
if has_rows then
  post_to_owner(KEYS.outbox, KEYS.outbox_due, ARGV[10], rows, tonumber(ARGV[11]), now)
  if ARGV[12] ~= '0' then mark_told(KEYS.proactive_told, string.format('%s %s', ARGV[1], box[3]), now, 691200000) end
end
if ARGV[9] ~= '' and outcome ~= 'limit' then redis.call('SET', KEYS.job_seen, ARGV[9], 'EX', 3024000) end
if outcome ~= 'idle' then log_run(KEYS.job_log, KEYS.jobs_counts, box[3], outcome, now, ARGV[5]) end
local fails = 0
if counts == 'failed' then fails = redis.call('HINCRBY', KEYS.job_state, 'fails', 1) else redis.call('HSET', KEYS.job_state, 'fails', '0') end
local why = (counts == 'broken' and 'broken') or (fails >= tonumber(ARGV[8]) and 'failed') or ''
if counts == 'kept' and redis.call('HINCRBY', KEYS.job_state, 'runs', 1) >= tonumber(ARGV[13]) and ARGV[13] ~= '0' then why = 'done' end
if why ~= '' then
  redis.call('HSET', KEYS.job_state, 'enabled', '0', 'why', why)
  if why ~= 'done' then publish(ARGV[14], { type = 'job_disabled', job = ARGV[1], why = why, timestamp = now }) end
  step_at(KEYS.jobs_due, ARGV[1], '')
  return { why == 'done' and 'done' or 'disabled', outcome }
end
step_at(KEYS.jobs_due, ARGV[1], redis.call('LLEN', KEYS.job_calls) > 0 and now or box[6] == '1' and ARGV[4] or '')
return { 'done', outcome }
