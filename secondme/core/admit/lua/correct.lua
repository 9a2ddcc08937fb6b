-- Somebody changed what they had written: the history and the mail that still waits, was missed or set aside say the new words. Nothing new is queued.
-- KEYS  approved history inbox missed dead memory_on memory_journal memory_due
-- ARGV  1 id of the message that was changed 2 new words as a JSON string 3 whose it must be: user | assistant 4 contact
-- Returns stranger | corrected | ignored
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
typed()
local outcome = 'ignored'
local now_said = string.format('{"id":%s,"role":%s,"content":%s}', cjson.encode(ARGV[1]), cjson.encode(ARGV[3]), ARGV[2])
tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[4], now_said) -- it may be remembered longer than the history reaches
local turns = redis.call('ZRANGE', KEYS.history, 0, -1, 'WITHSCORES')
for i = 1, #turns, 2 do
  local turn = decode(turns[i])
  if turn and turn.id == ARGV[1] and turn.role == ARGV[3] and words(turn.type) and type(turn.timestamp) == 'number' then
    redis.call('ZREM', KEYS.history, turns[i])
    local more = turn.forwarded and ',"forwarded":true' or ''
    if words(turn.replyTo) then more = more .. ',"replyTo":' .. cjson.encode(turn.replyTo) end
    if type(turn.expiresAt) == 'number' then more = more .. string.format(',"expiresAt":%.0f', turn.expiresAt) end
    redis.call('ZADD', KEYS.history, turns[i + 1], string.format('{"id":%s,"role":%s,"content":%s,"timestamp":%.0f,"type":%s%s}',
      cjson.encode(turn.id), cjson.encode(turn.role), ARGV[2], turn.timestamp, cjson.encode(turn.type), more))
    outcome = 'corrected'
  end
end
for _, list in ipairs(ARGV[3] == 'user' and { KEYS.inbox, KEYS.missed, KEYS.dead } or {}) do
  for at, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local mail = decode(raw)
    if mail and mail.messageId == ARGV[1] then
      mail.content = cjson.decode('[' .. ARGV[2] .. ']')[1]
      if next(mail.attachments or {}) == nil then mail.attachments = nil end -- cjson would write an empty list as an object
      redis.call('LSET', list, at - 1, cjson.encode(mail))
      outcome = 'corrected'
    end
  end
end
return outcome
