-- A row is about to be spoken: before the first one, its contact is told whose voice it will hear.
-- KEYS  outbox speech_told
-- ARGV  1 id of the row that is spoken 2 the row that stands before it, with its times
-- Returns told | known | gone
if redis.call('EXISTS', KEYS.speech_told) == 1 then return 'known' end
typed()
local head = decode(redis.call('LINDEX', KEYS.outbox, 0))
if not head or head.rowId ~= ARGV[1] then return 'gone' end
redis.call('LPUSH', KEYS.outbox, ARGV[2])
redis.call('SET', KEYS.speech_told, '1')
return 'told'
