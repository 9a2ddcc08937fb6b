-- A job is no more; a run of it that is under way changes nothing. Repeatable.
-- KEYS  job_definition job_state job_ran job_log job_seen job_calls job_heard jobs_index jobs_due
-- ARGV  1 job
-- Returns removed | missing
typed(KEYS.jobs_index, KEYS.jobs_due)
local was = redis.call('DEL', KEYS.job_definition)
redis.call('DEL', KEYS.job_state, KEYS.job_ran, KEYS.job_log, KEYS.job_seen, KEYS.job_calls, KEYS.job_heard)
was = was + redis.call('ZREM', KEYS.jobs_index, ARGV[1])
redis.call('ZREM', KEYS.jobs_due, ARGV[1])
return was == 0 and 'missing' or 'removed'
