-- What was heard or seen in an attachment is known from now on: to the mail that waits, to the history and to memory. Once for each attachment.
-- KEYS  approved history inbox dead trace memory_on memory_journal memory_due
-- ARGV  1 contact 2 message id 3 number of the attachment, from 1 4 reading JSON 5 the line that stands for it now 6 stage
--       7 further fields of it, each behind a comma
-- Returns stranger | known | gone | kept
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
typed()
local number, kept = tonumber(ARGV[3]), false
local function with_line(content)
  local lines, said = split_media(content, number)
  lines[number] = ARGV[5]
  return join_media(lines, said)
end

for _, list in ipairs({ KEYS.inbox, KEYS.dead }) do
  for at, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local mail = decode(raw)
    local attachment = mail and mail.messageId == ARGV[2] and type(mail.attachments) == 'table' and mail.attachments[number]
    if attachment then
      if attachment.reading then return 'known' end
      attachment.reading = cjson.decode(ARGV[4])
      mail.content = with_line(words(mail.content) or '')
      redis.call('LSET', list, at - 1, encode_mail(mail))
      kept = true
    end
  end
end
local turns = redis.call('ZRANGE', KEYS.history, 0, -1, 'WITHSCORES')
for i = 1, #turns, 2 do
  local turn = decode(turns[i])
  if is_turn(turn) and turn.id == ARGV[2] and turn.role == 'user' and (tonumber(turn.media) or 0) >= number then
    local content = cjson.encode(with_line(turn.content))
    redis.call('ZREM', KEYS.history, turns[i])
    redis.call('ZADD', KEYS.history, turns[i + 1], retold(turn, content))
    local now_said = string.format('{"id":%s,"role":"user","content":%s}', cjson.encode(ARGV[2]), content)
    tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], now_said)
    kept = true
  end
end
if not kept then return 'gone' end
trace(KEYS.trace, ARGV[6], now_ms(), { ARGV[2] }, ARGV[7])
return 'kept'
