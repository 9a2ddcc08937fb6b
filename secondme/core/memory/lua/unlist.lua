-- What memory has read of a contact's journal is out of it, when it is still what was read. Safe to repeat.
-- KEYS  memory_journal memory_due
-- ARGV  1 contact 2 how many entries were read 3 the first of them, or ''
-- Returns how many are left, or -1 when others were read: read again
typed(KEYS.memory_journal, KEYS.memory_due)
local count = tonumber(ARGV[2])
if count > 0 then
  if redis.call('LINDEX', KEYS.memory_journal, 0) ~= ARGV[3] then return -1 end
  redis.call('LTRIM', KEYS.memory_journal, count, -1)
end
local left = redis.call('LLEN', KEYS.memory_journal)
if left == 0 then redis.call('ZREM', KEYS.memory_due, ARGV[1]) end
return left
