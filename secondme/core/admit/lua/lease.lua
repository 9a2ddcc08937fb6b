-- One holder has a lease: it is taken, kept or given back; or who else has it is said. Repeatable.
-- KEYS  [lease]
-- ARGV  1 holder 2 ms, 0 to give it back 3 what is known of the holder as a JSON object without its name
-- Returns held | {JSON of the other holder, ms until its lease ends}
local raw = redis.call('GET', KEYS.lease)
local other = decode(raw)
if other and other.holder ~= ARGV[1] then
  -- No lease is so much longer than ours: the clock was put back while somebody had it.
  if ARGV[2] ~= '0' and redis.call('PTTL', KEYS.lease) > 4 * ARGV[2] then redis.call('PEXPIRE', KEYS.lease, ARGV[2]) end
  return { raw, redis.call('PTTL', KEYS.lease) }
end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS.lease)
else
  redis.call('SET', KEYS.lease, '{"holder":' .. cjson.encode(ARGV[1]) .. ',' .. ARGV[3]:sub(2), 'PX', ARGV[2])
end
return 'held'
