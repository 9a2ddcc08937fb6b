-- The owner's word about a job is kept: a new one, another version of one, or that it pauses or goes on. What was due before is not made up for.
-- Repeatable.
-- KEYS  job_definition job_state job_log jobs_index jobs_due
-- ARGV  1 job 2 revision that is replaced, 0 for a new one 3 record JSON with revision 0 4 '1' when it is enabled 5 why it is not, or '' 6 next due ms,
--       or '' 7 most jobs 8 ms before which nothing is due
-- Returns {put, revision} | {same, revision} | {changed} | {full}
typed()
local now = now_ms()
local revision = redis.call('HGET', KEYS.job_state, 'rev') or '0'
local is_there = redis.call('EXISTS', KEYS.job_definition) == 1
local record = ARGV[3]:gsub('"rev":0', '"rev":' .. string.format('%d', ARGV[2] + 1), 1)
if is_there and redis.call('GET', KEYS.job_definition) == record then return { 'same', revision } end
if (is_there and revision or '0') ~= ARGV[2] then return { 'changed' } end
if not is_there and redis.call('ZCARD', KEYS.jobs_index) >= tonumber(ARGV[7]) then return { 'full' } end
redis.call('SET', KEYS.job_definition, record)
local cursor = math.max(tonumber(redis.call('HGET', KEYS.job_state, 'cursor') or '0'), tonumber(ARGV[8]))
redis.call('HSET', KEYS.job_state, 'rev', ARGV[2] + 1, 'enabled', ARGV[4], 'why', ARGV[5], 'cursor', string.format('%.0f', cursor), 'open', '0',
  'lease_until', '0', 'fails', '0')
redis.call('ZADD', KEYS.jobs_index, 'NX', now, ARGV[1])
step_at(KEYS.jobs_due, ARGV[1], ARGV[4] == '1' and ARGV[6] or '')
return { 'put', string.format('%d', ARGV[2] + 1) }
