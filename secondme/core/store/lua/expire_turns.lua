-- What its chat forgets by now is out of the history, and out of what was missed or set aside. What waits for its answer has it first.
-- Repeatable.
-- KEYS  history history_expiring missed missed_index dead dead_index memory_on memory_journal memory_due
-- ARGV  1 contact
-- Returns how many turns and messages
typed()
local now, next_ms = now_ms(), nil
local function is_over(expires)
  if expires > now then next_ms = math.min(next_ms or expires, expires) end
  return expires <= now
end
local gone = erase_turns(KEYS.history, function(turn)
  return type(turn.expiresAt) == 'number' and is_over(turn.expiresAt)
end)
local erased = #gone
for _, id in ipairs(gone) do
  tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], cjson.encode({ gone = id }))
end
for list, index in pairs({ [KEYS.missed] = KEYS.missed_index, [KEYS.dead] = KEYS.dead_index }) do
  for _, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local mail = decode(raw)
    local sent, lasts_s = mail and tonumber(mail.timestamp), mail and tonumber(mail.expiresS)
    if sent and lasts_s and is_over(sent + lasts_s * 1000) then erased = erased + redis.call('LREM', list, 1, raw) end
  end
  if redis.call('EXISTS', list) == 0 then redis.call('ZREM', index, ARGV[1]) end
end
if next_ms then redis.call('ZADD', KEYS.history_expiring, next_ms, ARGV[1]) else redis.call('ZREM', KEYS.history_expiring, ARGV[1]) end
return erased
