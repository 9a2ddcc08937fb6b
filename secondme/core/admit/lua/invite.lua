-- The owner issues a single-use code. Its digits are no other live code's.
-- KEYS  1 invite 2 code of the same digits 3 index invites
-- ARGV  1 code 2 name or '' 3 tier 4 ttl ms 5 most
-- Returns {created, JSON} | {collision} | {full}
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return { 'collision' } end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[5]) then return { 'full' } end
local record = cjson.encode({ code = ARGV[1], name = ARGV[2] ~= '' and ARGV[2] or nil, tier = ARGV[3], createdAt = now,
  expiresAt = now + ARGV[4] })
redis.call('SET', KEYS[1], record, 'PX', ARGV[4])
redis.call('ZADD', KEYS[3], now + ARGV[4], ARGV[1])
return { 'created', record }
