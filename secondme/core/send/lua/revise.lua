-- The owner wrote a held reply anew: its rows are replaced, in the place they had, nothing speaks against them any more, and they are the
-- owner's own (see supersede).
-- KEYS  held trace
-- ARGV  1 reply id 2 ms after which a held reply is no more, then its new rows as JSON
-- Returns how many rows were replaced; 0: there is no such reply
local now = now_ms()
local items, replaced, ids, done = redis.call('LRANGE', KEYS.held, 0, -1), 0, {}, false
redis.call('DEL', KEYS.held)
for _, raw in ipairs(items) do
  local item = decode(raw)
  if item and item.row and item.row.replyId == ARGV[1] and held_until(item, tonumber(ARGV[2])) > now then
    replaced, ids = replaced + 1, item.row.answers or ids
    if not done then
      for i = 3, #ARGV do
        redis.call('RPUSH', KEYS.held, '{"row":' .. stamp(ARGV[i], now, 0, 0) .. ',"reason":"' .. item.reason .. '","heldAt":'
          .. string.format('%.0f', item.heldAt) .. ',"own":true}')
      end
      done = true
    end
  else
    redis.call('RPUSH', KEYS.held, raw)
  end
end
redis.call('EXPIRE', KEYS.held, 2592000)
if replaced > 0 then trace(KEYS.trace, 'edited', now, ids, ',"reply":' .. cjson.encode(ARGV[1])) end
return replaced
