-- What a contact may be to the owner: scores that fade and grow, and the one type that they speak for. What the owner said stays.
-- KEYS  relationship relationship_override approved
-- ARGV  1 signal | set | auto 2 type, '' for auto 3 confidence of a signal, 0 otherwise 4 now in ms 5 lifetime s
-- Returns {type, confidence, '1' when the owner said so, how many signals} | {} when the contact was not approved
-- The rules, and why, are in store/relationship.py.
local TYPES = { 'colleague', 'client', 'manager', 'friend', 'acquaintance', 'family', 'romantic_partner' }
local verb, wanted, now = ARGV[1], ARGV[2], tonumber(ARGV[4])
if redis.call('EXISTS', KEYS.approved) == 0 then return {} end

-- A finite number of zero or more; 0 for whatever else a corrupt field holds.
local function number(text)
  local value = tonumber(text or 0) or 0
  if value ~= value or value < 0 or value == math.huge then return 0 end
  return value
end

local function exact(value)
  return string.format('%.17g', value)
end

local fields, flat = {}, redis.call('HGETALL', KEYS.relationship)
for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
local current, confidence = 'acquaintance', 0.5
for _, kind in ipairs(TYPES) do
  if fields.currentType == kind then current, confidence = kind, math.min(1, number(fields.currentConfidence)) end
end
local signals = math.floor(number(fields.signalCount))
local manual = redis.call('EXISTS', KEYS.relationship_override) == 1
if verb == 'set' then
  redis.call('SET', KEYS.relationship_override, '1')
  redis.call('HSET', KEYS.relationship, 'currentType', wanted, 'currentConfidence', '1')
  redis.call('PERSIST', KEYS.relationship)
  return { wanted, '1', '1', tostring(signals) }
end
if manual and verb == 'signal' then return { current, exact(confidence), '1', tostring(signals) } end

local last = number(fields.lastUpdated)
local days = last > 0 and math.max(0, now - last) / 86400000 or 0
local scores, total = {}, 0
if verb == 'signal' then signals = signals + 1 end
for _, kind in ipairs(TYPES) do
  local score = number(fields[kind]) * 0.95 ^ days
  if verb == 'signal' and kind == wanted then score = score + number(ARGV[3]) end
  scores[kind], total = score, total + score
end
if verb == 'auto' then
  redis.call('DEL', KEYS.relationship_override)
  if manual then current, confidence = 'acquaintance', 0.5 end
end
local best = current
for _, kind in ipairs(TYPES) do
  if scores[kind] > scores[best] then best = kind end
end
local share = total > 0 and scores[best] / total or 0
local keeps = best == 'acquaintance' and (current == 'family' or current == 'friend')
if total > 0 and best == current then
  confidence = share
elseif total > 0 then
  confidence = math.min(confidence, math.max(0.5, scores[current] / total))
  if signals >= 3 and share - confidence >= 0.3 and not keeps then current, confidence = best, share end
end
local written = { 'currentType', current, 'currentConfidence', exact(confidence), 'signalCount', tostring(signals),
  'lastUpdated', string.format('%.0f', math.max(now, last)) }
for _, kind in ipairs(TYPES) do
  written[#written + 1] = kind
  written[#written + 1] = exact(scores[kind])
end
redis.call('HSET', KEYS.relationship, unpack(written))
redis.call('EXPIRE', KEYS.relationship, ARGV[5])
return { current, exact(confidence), '0', tostring(signals) }
