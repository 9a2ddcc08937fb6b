-- An occurrence of a job is this process's to carry out, or is passed over: each at most once, whatever processes and clocks do.
-- KEYS  job_definition job_state job_ran job_log job_calls jobs_counts jobs_due jobs_off killed
-- ARGV  1 job 2 revision that was read 3 cursor that was read 4 run | again | manual | miss | back | rest 5 occurrence ms 6 next due ms, or '' for never
--       7 runner 8 lease ms 9 how many were due before it and are not made up for 10 most attempts 11 most runs in a UTC day, 0 for any
-- Returns {run, fence, attempt, what came with the call or ''} | {gone} | {changed} | {off} | {taken} | {early} | {stopped} | {busy} | {missed} | {back} | {rest} | {ran_before}
--       | {given_up} | {limit}
typed()
local now, verdict = now_ms(), ARGV[4]
if redis.call('EXISTS', KEYS.job_definition) == 0 then
  redis.call('ZREM', KEYS.jobs_due, ARGV[1])
  return { 'gone' }
end
local box = redis.call('HMGET', KEYS.job_state, 'rev', 'enabled', 'cursor', 'occ', 'open', 'attempts', 'lease_until', 'day', 'day_runs', 'call')
if box[1] ~= ARGV[2] then return { 'changed' } end
if box[2] ~= '1' and verdict ~= 'manual' then
  redis.call('ZREM', KEYS.jobs_due, ARGV[1])
  return { 'off' }
end
local cursor, is_open = tonumber(box[3] or '0'), box[5] == '1'
if verdict ~= 'manual' then
  if (box[3] or '0') ~= ARGV[3] then return { 'taken' } end
  local score = tonumber(redis.call('ZSCORE', KEYS.jobs_due, ARGV[1]) or '0')
  if verdict ~= 'back' and verdict ~= 'rest' and score > now then return { 'early' } end
end
if is_open and tonumber(box[7] or '0') > now then
  redis.call('ZADD', KEYS.jobs_due, box[7], ARGV[1])
  return { 'busy' }
end
local stops = verdict == 'run' or verdict == 'again' or verdict == 'manual'
if stops and (redis.call('EXISTS', KEYS.killed) == 1 or (verdict ~= 'manual' and redis.call('EXISTS', KEYS.jobs_off) == 1)) then
  if verdict ~= 'manual' or redis.call('LLEN', KEYS.job_calls) > 0 then redis.call('ZADD', KEYS.jobs_due, now + 60000, ARGV[1]) end
  return { 'stopped' }
end

local function begin(attempt, call)
  local fence = redis.call('HINCRBY', KEYS.job_state, 'fence', 1)
  redis.call('HSET', KEYS.job_state, 'occ', ARGV[5], 'open', '1', 'attempts', attempt, 'runner', ARGV[7], 'call', call,
    'lease_until', string.format('%.0f', now + ARGV[8]))
  redis.call('ZADD', KEYS.jobs_due, now + ARGV[8], ARGV[1]) -- whoever looks then finds a runner that died
  return { 'run', tostring(fence), attempt, call }
end

if verdict == 'again' then
  if not is_open or box[4] ~= ARGV[5] then return { 'taken' } end
  local attempt = tonumber(box[6] or '0') + 1
  if attempt <= tonumber(ARGV[10]) then return begin(attempt, box[10] or '') end
  redis.call('HSET', KEYS.job_state, 'open', '0', 'lease_until', '0')
  redis.call('HINCRBY', KEYS.job_state, 'fails', 1)
  step_at(KEYS.jobs_due, ARGV[1], ARGV[6])
  log_run(KEYS.job_log, KEYS.jobs_counts, ARGV[5], 'given_up', now, ',"why":"died"')
  return { 'given_up' }
end
if is_open then return { 'taken' } end
if verdict == 'back' then
  if cursor <= now + 600000 then return { 'early' } end
  redis.call('HSET', KEYS.job_state, 'cursor', string.format('%.0f', now)) -- the clock was ahead: what lies between has not been
  step_at(KEYS.jobs_due, ARGV[1], ARGV[6])
  log_run(KEYS.job_log, KEYS.jobs_counts, 0, 'clock_back', now, '')
  return { 'back' }
end
if verdict == 'rest' then
  step_at(KEYS.jobs_due, ARGV[1], ARGV[6])
  return { 'rest' }
end
if redis.call('ZSCORE', KEYS.job_ran, ARGV[5]) then
  if verdict ~= 'manual' then redis.call('HSET', KEYS.job_state, 'cursor', ARGV[5]) end
  step_at(KEYS.jobs_due, ARGV[1], redis.call('LLEN', KEYS.job_calls) > 0 and now or ARGV[6])
  return { 'ran_before' }
end
if verdict ~= 'manual' then
  if tonumber(ARGV[5]) <= cursor then return { 'taken' } end
  redis.call('HSET', KEYS.job_state, 'cursor', ARGV[5])
end
redis.call('ZADD', KEYS.job_ran, ARGV[5], ARGV[5])
redis.call('ZREMRANGEBYRANK', KEYS.job_ran, 0, -65)
if verdict == 'miss' then
  log_run(KEYS.job_log, KEYS.jobs_counts, ARGV[5], 'missed', now, ',"skipped":' .. ARGV[9])
  step_at(KEYS.jobs_due, ARGV[1], ARGV[6])
  return { 'missed' }
end
local day = string.format('%d', math.floor(now / 86400000))
local runs = box[8] == day and tonumber(box[9] or '0') or 0
if ARGV[11] ~= '0' and runs >= tonumber(ARGV[11]) then
  log_run(KEYS.job_log, KEYS.jobs_counts, ARGV[5], 'limit', now, ',"why":"runs_today"')
  step_at(KEYS.jobs_due, ARGV[1], ARGV[6])
  return { 'limit' }
end
redis.call('HSET', KEYS.job_state, 'day', day, 'day_runs', runs + 1)
if tonumber(ARGV[9]) > 0 then log_run(KEYS.job_log, KEYS.jobs_counts, ARGV[5], 'coalesced', now, ',"skipped":' .. ARGV[9]) end
return begin(1, verdict == 'manual' and redis.call('LPOP', KEYS.job_calls) or '')
