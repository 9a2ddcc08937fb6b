-- What the owner promised a contact, by the messages that say it: the newest are kept, and a settled one stays settled. Repeatable.
-- KEYS  approved history promise
-- ARGV  1 ms that a promise lives 2 most open ones 3 most settled ones, then for each: id of the message, ms when it was said, Promise JSON
-- Returns how many are there that were not before
if redis.call('EXISTS', KEYS.approved) == 0 then return 0 end
typed()
local oldest, new, said = now_ms() - ARGV[1], {}, ids_of(KEYS.history)
for i = 4, #ARGV, 3 do
  local old = redis.call('HGET', KEYS.promise, ARGV[i])
  local was = decode(old)
  -- What is not in the history was taken back meanwhile.
  if said[ARGV[i]] and tonumber(ARGV[i + 1]) > oldest and not (was and was.state ~= 'open') and old ~= ARGV[i + 2] then
    redis.call('HSET', KEYS.promise, ARGV[i], ARGV[i + 2])
    new[ARGV[i]] = not old or nil
  end
end
local kinds, all = { open = {}, settled = {} }, redis.call('HGETALL', KEYS.promise)
for i = 1, #all, 2 do
  local promise = decode(all[i + 1]) or {}
  local row = { id = all[i], at = tonumber(promise.saidAt) or 0 }
  table.insert(promise.state == 'open' and kinds.open or kinds.settled, row)
end
for kind, rows in pairs(kinds) do
  table.sort(rows, function(a, b)
    if a.at ~= b.at then return a.at > b.at end
    return a.id < b.id
  end)
  local most = tonumber(kind == 'open' and ARGV[2] or ARGV[3])
  for place, row in ipairs(rows) do
    if place > most or row.at <= oldest then
      redis.call('HDEL', KEYS.promise, row.id)
      new[row.id] = nil
    end
  end
end
redis.call('PEXPIRE', KEYS.promise, ARGV[1])
local count = 0
for _ in pairs(new) do count = count + 1 end
return count
