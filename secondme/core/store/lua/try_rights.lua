-- Does what every other script does to its keys and channels, and leaves nothing behind: for the doctor, who asks whether it is allowed.
-- KEYS  probe events_log
-- ARGV  1 channel
-- Returns 1 when the key that was written before was there
local there = redis.call('EXISTS', KEYS.probe)
redis.call('SET', KEYS.probe, now_ms())
redis.call('DEL', KEYS.probe)
tell(ARGV[1], '{}')
return there
