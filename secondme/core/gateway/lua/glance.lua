-- What an owner asks first about some contacts: when was something last heard and said, and who is paused until when?
-- KEYS  histories_and_pauses... : of each contact its history, then its pause
-- ARGV  none
-- Returns {ms of the newest message in, ms of the newest reply out (0: none), then for each pause: number of the contact, ms left or -1}
-- FLAGS no-writes
local heard, said = 0, 0
local answer = { 0, 0 }

-- The turns are JSON of our own making: inside of one of their texts the quotation marks would be escaped.
local function look(history, most)
  local turns = redis.pcall('ZREVRANGE', history, 0, most - 1, 'WITHSCORES')
  if turns.err then return true end -- of a wrong type: the doctor finds it
  local hears, says = false, false
  for i = 1, #turns, 2 do
    local at = tonumber(turns[i + 1])
    if at <= heard and at <= said then return true end
    if turns[i]:find('"type":"incoming"', 1, true) then
      hears, heard = true, math.max(heard, at)
    elseif turns[i]:find('"type":"outgoing"', 1, true) then
      says, said = true, math.max(said, at)
    end
    if hears and says then return true end
  end
  return false
end

for i = TAIL, #KEYS, 2 do
  if not look(KEYS[i], 4) then look(KEYS[i], 100) end
  local left = redis.call('PTTL', KEYS[i + 1])
  if left ~= -2 then
    answer[#answer + 1] = (i - TAIL) / 2
    answer[#answer + 1] = left
  end
end
answer[1], answer[2] = string.format('%.0f', heard), string.format('%.0f', said)
return answer
