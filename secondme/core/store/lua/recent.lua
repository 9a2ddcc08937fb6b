-- What was said to and by a contact before a message of theirs, what was said to them since, and what may be or is on its way.
-- KEYS  history outbox held
-- ARGV  1 most turns 2 most rows 3 id of the message as a JSON string, or '' for the newest turns of all 4 when it was sent, ms
-- Returns {turn JSON..., oldest first}, {row JSON..., in order}, {held reply JSON..., in order}
-- FLAGS no-writes
local rows = redis.call('LRANGE', KEYS.outbox, 0, tonumber(ARGV[2]) - 1)
local held = redis.call('LRANGE', KEYS.held, 0, -1)
if ARGV[3] == '' then return { redis.call('ZRANGE', KEYS.history, -tonumber(ARGV[1]), -1), rows, held } end

-- By its place, and where the history does not reach back to it, by its time: scores never are below the time of sending.
local turns = redis.call('ZRANGE', KEYS.history, 0, -1, 'WITHSCORES')
local ours, theirs = '{"id":' .. ARGV[3] .. ',', '{"id":' .. cjson.encode(cjson.decode('[' .. ARGV[3] .. ']')[1]) .. ','
local place = nil
for at = #turns - 1, 1, -2 do
  if turns[at]:sub(1, #ours) == ours or turns[at]:sub(1, #theirs) == theirs then
    place = at
    break
  end
end
local said, most = {}, tonumber(ARGV[1])
for at = #turns - 1, 1, -2 do
  if #said == most then break end
  local before = place and at <= place or not place and tonumber(turns[at + 1]) < tonumber(ARGV[4])
  -- What the contact wrote after it waits for an answer of its own. Inside of a text the quotation marks would be escaped.
  if before or turns[at]:find(',"role":"assistant",', 1, true) then table.insert(said, 1, turns[at]) end
end
return { said, rows, held }
