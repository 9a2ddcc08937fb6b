-- Somebody took back what they had written: it is in no history and waits for nothing, here or later. A reply that answers only it is
-- dropped, unless some of it has gone out.
-- KEYS  approved seen history inbox missed dead mailbox outbox outbox_due held held_index own_messages style_cache trace
--       memory_on memory_journal memory_due birthday promise
-- ARGV  1 contact 2 id of the message 3 whose it must be: user | assistant 4 ms of its taking back 5 window of the limit in ms
-- Returns stranger | revoked
if redis.call('EXISTS', KEYS.approved) == 0 then return 'stranger' end
typed()
local now = now_ms()
if redis.call('ZADD', KEYS.seen, 'NX', ARGV[4] - 2 * ARGV[5], ARGV[2]) == 1 then redis.call('PEXPIRE', KEYS.seen, LIMIT.SEEN_TTL_MS) end -- it may be on its way yet

-- What the owner wrote next by hand answered these words too: they stand there as well. All that stands there goes, it may be cut short.
local answered = false
for _, raw in ipairs(ARGV[3] == 'user' and redis.call('ZRANGE', KEYS.history, 0, -1) or {}) do
  local turn = decode(raw) or {}
  if turn.role == 'user' then answered = answered or turn.id == ARGV[2] end
  if answered and turn.role == 'assistant' then
    local own = turn.type == 'fromMe' and words(turn.id) and decode(redis.call('HGET', KEYS.own_messages, turn.id))
    if own then
      own.before = nil
      redis.call('HSET', KEYS.own_messages, turn.id, cjson.encode(own))
      redis.call('DEL', KEYS.style_cache)
    end
    break
  end
end
local erased = #erase_turns(KEYS.history, function(turn) return turn.id == ARGV[2] and turn.role == ARGV[3] end)
local gone = cjson.encode({ gone = ARGV[2], role = ARGV[3] }) -- it may be remembered long after the history dropped it
tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, ARGV[1], gone)
if ARGV[3] == 'assistant' then
  if redis.call('HDEL', KEYS.own_messages, ARGV[2]) == 1 then redis.call('DEL', KEYS.style_cache) end
  redis.call('HDEL', KEYS.promise, ARGV[2])
  return 'revoked'
end
unlearn_birthday(KEYS.birthday, ARGV[2])
local function take_out(list)
  local taken = 0
  for _, raw in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local mail = decode(raw)
    if mail and mail.messageId == ARGV[2] then taken = taken + redis.call('LREM', list, 1, raw) end
  end
  return taken
end

local waited = take_out(KEYS.inbox) + take_out(KEYS.missed) + take_out(KEYS.dead)
if waited > 0 then
  redis.call('HDEL', KEYS.mailbox, 'attempts', 'head')
  -- What a worker composes meanwhile is void, as after a takeover.
  if redis.call('HEXISTS', KEYS.mailbox, 'lease_owner') == 1 then redis.call('HINCRBY', KEYS.mailbox, 'fence', 1) end
end
local function answers_only_it(row)
  local answers = row and row.kind == 'reply' and row.answers or {}
  return #answers == 1 and answers[1] == ARGV[2]
end

local sending, first, dropped, drafts, known = redis.call('HGET', KEYS.mailbox, 'sending'), {}, 0, {}, {}
for _, raw in ipairs(redis.call('LRANGE', KEYS.outbox, 0, -1)) do
  local row = decode(raw)
  if answers_only_it(row) then
    first[row.replyId] = first[row.replyId] or row.rowId
    if first[row.replyId] == row.replyId .. '-0' and first[row.replyId] ~= sending then
      dropped = dropped + redis.call('LREM', KEYS.outbox, 1, raw)
    end
  end
end
if dropped > 0 then
  if redis.call('LLEN', KEYS.outbox) > 0 then redis.call('ZADD', KEYS.outbox_due, now, ARGV[1]) else redis.call('ZREM', KEYS.outbox_due, ARGV[1]) end
end
for _, raw in ipairs(redis.call('LRANGE', KEYS.held, 0, -1)) do
  local item = decode(raw)
  if item and answers_only_it(item.row) and not item.own and item.reason ~= 'ambiguous' then
    dropped = dropped + redis.call('LREM', KEYS.held, 1, raw)
    if words(item.row.replyId) and not known[item.row.replyId] then
      known[item.row.replyId], drafts[#drafts + 1] = true, item.row.replyId
    end
  end
end
if redis.call('LLEN', KEYS.held) == 0 then redis.call('ZREM', KEYS.held_index, ARGV[1]) end
if erased + waited + dropped > 0 then trace(KEYS.trace, 'revoked', now, { ARGV[2] }, #drafts > 0 and ',"replies":' .. cjson.encode(drafts) or '') end
return 'revoked'
