-- Something for the owner's own chat: said once for each cause, and not so often that nobody reads it any more.
-- KEYS  outbox outbox_due owner_told owner_commands
-- ARGV  1 contact id of the owner's chat 2 cause, or '' for an answer 3 most notes an hour, 0 for any 4 id of the command that it answers,
--       or '' 5 ttl of what was told ms 6 ttl of the commands ms 7 ms until it leaves, then rows as JSON
-- Returns posted | told | quiet
typed()
local now = now_ms()
if ARGV[2] ~= '' then
  if redis.call('ZSCORE', KEYS.owner_told, ARGV[2]) then return 'told' end
  if ARGV[3] ~= '0' and redis.call('ZCOUNT', KEYS.owner_told, now - 3600000, '+inf') >= tonumber(ARGV[3]) then return 'quiet' end
  mark_told(KEYS.owner_told, ARGV[2], now, ARGV[5])
end
if ARGV[4] ~= '' then mark_told(KEYS.owner_commands, ARGV[4], now, ARGV[6]) end
local rows = {}
for at = 8, #ARGV do rows[#rows + 1] = ARGV[at] end
post_to_owner(KEYS.outbox, KEYS.outbox_due, ARGV[1], rows, tonumber(ARGV[7]), now)
return 'posted'
