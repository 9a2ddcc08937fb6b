-- The owner issues a single-use code. Its digits are no other live code's. While the door is closed it works all the same, for so many
-- wrong codes of whomever.
-- KEYS  invite code index_invites pairing_closed pairing_fresh
-- ARGV  1 code 2 name or '' 3 tier 4 ttl ms 5 most 6 wrong codes
-- Returns {created, JSON} | {collision} | {full}
typed()
local now = now_ms()
redis.call('ZREMRANGEBYSCORE', KEYS.index_invites, '-inf', now)
if redis.call('EXISTS', KEYS.invite, KEYS.code) > 0 then return { 'collision' } end
if redis.call('ZCARD', KEYS.index_invites) >= tonumber(ARGV[5]) then return { 'full' } end
local record = cjson.encode({ code = ARGV[1], name = ARGV[2] ~= '' and ARGV[2] or nil, tier = ARGV[3], createdAt = now,
  expiresAt = now + ARGV[4] })
redis.call('SET', KEYS.invite, record, 'PX', ARGV[4])
redis.call('ZADD', KEYS.index_invites, now + ARGV[4], ARGV[1])
local left = redis.call('PTTL', KEYS.pairing_closed)
if left > 0 then redis.call('SET', KEYS.pairing_fresh, ARGV[6], 'PX', left) end
return { 'created', record }
