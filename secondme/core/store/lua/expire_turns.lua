-- Turns whose chat forgets them by now are out of the history. Repeatable.
-- KEYS  history history_ids history_expiring
-- ARGV  1 contact
-- Returns how many
local now, next_ms = now_ms(), nil
local erased = erase_turns(KEYS.history, KEYS.history_ids, function(turn)
  local expires = type(turn.expiresAt) == 'number' and turn.expiresAt
  if not expires then return false end
  if expires > now then next_ms = math.min(next_ms or expires, expires) end
  return expires <= now
end)
if next_ms then redis.call('ZADD', KEYS.history_expiring, next_ms, ARGV[1]) else redis.call('ZREM', KEYS.history_expiring, ARGV[1]) end
return erased
