-- Something for the owner's own chat: said once for each cause, and not so often that nobody reads it any more.
-- KEYS  1 outbox of the owner's chat 2 due 3 told 4 commands
-- ARGV  1 contact id of the owner's chat 2 row JSON 3 cause, or '' for an answer 4 most notes an hour 5 id of the command that it
--       answers, or '' 6 ttl of what was told ms 7 ttl of the commands ms
-- Returns posted | told | quiet
local now = now_ms()
if ARGV[3] ~= '' then
  if redis.call('ZSCORE', KEYS[3], ARGV[3]) then return 'told' end
  if redis.call('ZCOUNT', KEYS[3], now - 3600000, '+inf') >= tonumber(ARGV[4]) then return 'quiet' end
  redis.call('ZADD', KEYS[3], now, ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[6])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -5001)
  redis.call('PEXPIRE', KEYS[3], ARGV[6])
end
if ARGV[5] ~= '' then
  redis.call('ZADD', KEYS[4], now, ARGV[5])
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ARGV[7])
  redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -5001)
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
end
post(KEYS[1], KEYS[2], ARGV[1], stamp(ARGV[2], now, 0, 0), now)
return 'posted'
