-- Keeps what was made of the owner's messages, unless one was added since its making began: then the mark is gone.
-- KEYS  style_cache
-- ARGV  1 the mark that was left when it began 2 JSON 3 lifetime s
-- Returns 1 when it is kept, else 0
if redis.call('GET', KEYS.style_cache) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS.style_cache, ARGV[2], 'EX', ARGV[3])
return 1
