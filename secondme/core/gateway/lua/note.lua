-- Something for the owner's own chat: said once for each cause, and not so often that nobody reads it any more.
-- KEYS  outbox outbox_due owner_told owner_commands
-- ARGV  1 contact id of the owner's chat 2 row JSON 3 cause, or '' for an answer 4 most notes an hour 5 id of the command that it
--       answers, or '' 6 ttl of what was told ms 7 ttl of the commands ms
-- Returns posted | told | quiet
typed()
local now = now_ms()
if ARGV[3] ~= '' then
  if redis.call('ZSCORE', KEYS.owner_told, ARGV[3]) then return 'told' end
  if redis.call('ZCOUNT', KEYS.owner_told, now - 3600000, '+inf') >= tonumber(ARGV[4]) then return 'quiet' end
  redis.call('ZADD', KEYS.owner_told, now, ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS.owner_told, '-inf', now - ARGV[6])
  redis.call('ZREMRANGEBYRANK', KEYS.owner_told, 0, -5001)
  redis.call('PEXPIRE', KEYS.owner_told, ARGV[6])
end
if ARGV[5] ~= '' then
  redis.call('ZADD', KEYS.owner_commands, now, ARGV[5])
  redis.call('ZREMRANGEBYSCORE', KEYS.owner_commands, '-inf', now - ARGV[7])
  redis.call('ZREMRANGEBYRANK', KEYS.owner_commands, 0, -5001)
  redis.call('PEXPIRE', KEYS.owner_commands, ARGV[7])
end
post(KEYS.outbox, KEYS.outbox_due, ARGV[1], stamp(ARGV[2], now, 0, 0), now)
return 'posted'
