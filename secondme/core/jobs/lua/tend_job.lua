-- The runner of a job is alive and goes on.
-- KEYS  job_state jobs_due
-- ARGV  1 job 2 fence 3 lease ms
-- Returns 1 while the run is still its own, else 0
typed()
local box = redis.call('HMGET', KEYS.job_state, 'fence', 'open')
if box[1] ~= ARGV[2] or box[2] ~= '1' then return 0 end
local until_ms = string.format('%.0f', now_ms() + ARGV[3])
redis.call('HSET', KEYS.job_state, 'lease_until', until_ms)
redis.call('ZADD', KEYS.jobs_due, until_ms, ARGV[1])
return 1
