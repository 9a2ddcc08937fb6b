-- Somebody wants a job to run now: whoever looks next runs it, whatever its schedule says. Once for each key, and not too often for a program.
-- KEYS  job_definition job_state job_calls job_heard jobs_due
-- ARGV  1 job 2 key 3 what came with it, JSON, or '' 4 most in a minute, 0 for any 5 most in a day, 0 for any 6 most that wait
-- Returns called | missing | done | limit | full
typed()
if redis.call('EXISTS', KEYS.job_definition) == 0 then return 'missing' end
local now = now_ms()
if redis.call('ZSCORE', KEYS.job_heard, ARGV[2]) then return 'done' end
if ARGV[4] ~= '0' and redis.call('ZCOUNT', KEYS.job_heard, now - 60000, '+inf') >= tonumber(ARGV[4]) then return 'limit' end
if ARGV[5] ~= '0' and redis.call('ZCOUNT', KEYS.job_heard, now - 86400000, '+inf') >= tonumber(ARGV[5]) then return 'limit' end
if redis.call('LLEN', KEYS.job_calls) >= tonumber(ARGV[6]) then return 'full' end
mark_told(KEYS.job_heard, ARGV[2], now, 691200000)
redis.call('RPUSH', KEYS.job_calls, ARGV[3])
redis.call('EXPIRE', KEYS.job_calls, 86400)
if redis.call('HGET', KEYS.job_state, 'open') ~= '1' then redis.call('ZADD', KEYS.jobs_due, now, ARGV[1]) end
return 'called'
