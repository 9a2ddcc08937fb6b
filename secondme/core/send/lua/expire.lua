-- Held replies that nobody looked at in time are dropped. Repeatable.
-- KEYS  held held_index trace jobs_fates events_log
-- ARGV  1 contact 2 ms after which a held reply is no more 3 queue event channel
-- Returns how many rows were dropped
typed()
local now, dropped, last = now_ms(), 0, nil
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  if item and item.row and type(item.heldAt) == 'number' and held_until(item, tonumber(ARGV[2])) <= now then
    redis.call('LREM', KEYS.held, 1, raw)
    fate(KEYS.jobs_fates, item.row, 'expired', now, '')
    dropped = dropped + 1
    if item.row.replyId ~= last then
      last = item.row.replyId
      trace(KEYS.trace, 'expired', now, item.row.answers or {}, ',"reply":' .. cjson.encode(last))
      publish(ARGV[3], { type = 'draft_expired', contactId = ARGV[1], replyId = last, timestamp = now })
    end
  end
end
if redis.call('LLEN', KEYS.held) == 0 then redis.call('ZREM', KEYS.held_index, ARGV[1]) end
return dropped
