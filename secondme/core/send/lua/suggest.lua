-- Words for a contact wait for the owner. Nobody who was not approved is written to, and not many drafts of one contact wait at once.
-- KEYS  approved held held_index trace owner_told events_log
-- ARGV  1 contact 2 queue event channel 3 reply id 4 most that wait 5 what it is done once for, or '' 6 ttl of that ms, then rows as JSON
-- Returns held | not_approved | too_many | done
if redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
typed()
local now, waiting, replies = now_ms(), 0, {}
if ARGV[5] ~= '' and redis.call('ZSCORE', KEYS.owner_told, ARGV[5]) then return 'done' end
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  local reply = item and item.reason == 'agent' and item.row and words(item.row.replyId)
  if reply and not replies[reply] then
    replies[reply], waiting = true, waiting + 1
  end
end
if waiting >= tonumber(ARGV[4]) then return 'too_many' end
if ARGV[5] ~= '' then mark_told(KEYS.owner_told, ARGV[5], now, ARGV[6]) end
for i = 7, #ARGV do
  hold(KEYS.held, KEYS.held_index, KEYS.trace, ARGV[2], ARGV[1], stamp(ARGV[i], now, 0, 0), 'agent', now)
end
trace(KEYS.trace, 'held', now, {}, ',"reply":' .. cjson.encode(ARGV[3]) .. ',"reason":"agent"')
publish(ARGV[2], { type = 'reply_held', contactId = ARGV[1], replyId = ARGV[3], reason = 'agent', timestamp = now })
return 'held'
