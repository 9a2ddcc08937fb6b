-- Nothing of a contact is left to be read: who waits for that goes on now.
-- KEYS  media_due mailbox queue_later
-- ARGV  1 contact
-- Returns ok
typed()
redis.call('ZREM', KEYS.media_due, ARGV[1])
if redis.call('HGET', KEYS.mailbox, 'waiting') == 'reading' then redis.call('ZADD', KEYS.queue_later, 'XX', now_ms(), ARGV[1]) end
return 'ok'
