-- Somebody changed what they had written: the history and the mail that still waits, was missed or set aside say the new words. Nothing new is queued.
-- KEYS  approved history inbox missed dead memory_on memory_journal memory_due birthday promise
-- ARGV  1 id of the message that was changed 2 new words as a JSON string, behind a line for each attachment 3 whose it must be: user | assistant
--       4 contact 5 the new words alone
-- Returns stranger | corrected | ignored
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
typed()
local outcome, told = 'ignored', ARGV[2]
-- What was heard or seen in the attachments stays: it is the words that were changed.
local function corrected(content, media)
  if not words(content) or media == 0 then return ARGV[2] end
  return cjson.encode(join_media((split_media(content, media)), ARGV[5]))
end

local turns = redis.call('ZRANGE', KEYS.history, 0, -1, 'WITHSCORES')
for i = 1, #turns, 2 do
  local turn = decode(turns[i])
  if is_turn(turn) and turn.id == ARGV[1] and turn.role == ARGV[3] then
    told = corrected(turn.content, tonumber(turn.media) or 0)
    redis.call('ZREM', KEYS.history, turns[i])
    redis.call('ZADD', KEYS.history, turns[i + 1], retold(turn, told))
    outcome = 'corrected'
  end
end
for _, list in ipairs(ARGV[3] == 'user' and { KEYS.inbox, KEYS.missed, KEYS.dead } or {}) do
  for at, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local mail = decode(raw)
    if mail and mail.messageId == ARGV[1] then
      mail.content = cjson.decode('[' .. corrected(mail.content, #(mail.attachments or {})) .. ']')[1]
      redis.call('LSET', list, at - 1, encode_mail(mail))
      outcome = 'corrected'
    end
  end
end
if ARGV[3] == 'user' then unlearn_birthday(KEYS.birthday, ARGV[1]) else -- whoever learns reads the new words
  local promise = decode(redis.call('HGET', KEYS.promise, ARGV[1]))
  if promise and promise.state == 'open' then redis.call('HDEL', KEYS.promise, ARGV[1]) end
end
local now_said = string.format('{"id":%s,"role":%s,"content":%s}', cjson.encode(ARGV[1]), cjson.encode(ARGV[3]), told)
tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[4], now_said) -- it may be remembered longer than the history reaches
return outcome
