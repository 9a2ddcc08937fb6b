-- What replies cost elsewhere joins our log, for contacts that were approved; the newest are kept. Repeatable.
-- KEYS  token_usage approvals... : of the contact of each entry
-- ARGV  1 '1' to write, '0' to say what would be written 2 entries kept 3 newer entries that only a dry run counted
--       then for each entry, newest first: ms, entry JSON
-- Returns wrong_type | one letter for each entry: t taken | y known before | n not approved | o older than the newest that are kept
local kind = redis.call('TYPE', KEYS.token_usage).ok
if kind ~= 'zset' and kind ~= 'none' then return 'wrong_type' end
local cap, newer, letters, added = tonumber(ARGV[2]), tonumber(ARGV[3]), {}, {}
for i = TAIL, #KEYS do
  local at, letter = 4 + (i - TAIL) * 2, 't'
  if redis.call('EXISTS', KEYS[i]) == 0 then
    letter = 'n'
  elseif redis.call('ZSCORE', KEYS.token_usage, ARGV[at + 1]) then
    letter = 'y'
  elseif newer + #added / 2 + redis.call('ZCOUNT', KEYS.token_usage, ARGV[at], '+inf') >= cap then
    letter = 'o'
  else
    added[#added + 1], added[#added + 2] = ARGV[at], ARGV[at + 1]
  end
  letters[#letters + 1] = letter
end
if #added > 0 and ARGV[1] == '1' then
  redis.call('ZADD', KEYS.token_usage, unpack(added))
  redis.call('ZREMRANGEBYRANK', KEYS.token_usage, 0, -cap - 1)
end
return table.concat(letters)
