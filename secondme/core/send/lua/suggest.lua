-- Words for a contact wait for the owner. Nobody who was not approved is written to.
-- KEYS  approved held held_index trace
-- ARGV  1 contact 2 queue event channel 3 reply id, then rows as JSON
-- Returns held | not_approved
if redis.call('EXISTS', KEYS.approved) == 0 then return 'not_approved' end
typed()
local now = now_ms()
for i = 4, #ARGV do hold(KEYS.held, KEYS.held_index, ARGV[1], stamp(ARGV[i], now, 0, 0), 'agent', now) end
trace(KEYS.trace, 'held', now, {}, ',"reply":' .. cjson.encode(ARGV[3]) .. ',"reason":"agent"')
publish(ARGV[2], { type = 'reply_held', contactId = ARGV[1], replyId = ARGV[3], reason = 'agent', timestamp = now })
return 'held'
