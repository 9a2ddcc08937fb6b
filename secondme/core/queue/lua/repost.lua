-- Rows that are on their way are in their channel's schedule.
-- KEYS  outbox outbox_due
-- ARGV  1 contact
-- Returns 1 when they were not, else 0
typed()
if redis.call('LLEN', KEYS.outbox) == 0 then return 0 end
return redis.call('ZADD', KEYS.outbox_due, 'NX', now_ms(), ARGV[1])
