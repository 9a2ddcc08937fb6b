-- What scripts share. scripts.py puts in front of each script the functions it uses, and those that they use, which stand above them.
-- One blank line between two functions and none inside: that is how they are told apart.

local function now_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- A JSON object as a table, or nil when `raw` is missing or is not one.
local function decode(raw)
  if not raw then return nil end
  local ok, value = pcall(cjson.decode, raw)
  if ok and type(value) == 'table' then return value end
  return nil
end

-- `value` when it is text; nil for whatever else a corrupt record holds in that place.
local function words(value)
  if type(value) == 'string' then return value end
  return nil
end

-- A pairing request as a table, or nil when `raw` is missing or lacks what it is judged by.
local function decode_request(raw)
  local request = decode(raw)
  if request and type(request.expiresAt) == 'number' and words(request.code) and words(request.phoneNumber) then return request end
  return nil
end

local function is_tier(value)
  return value == 'trusted' or value == 'standard' or value == 'restricted'
end

-- What holds of a person whose contacts have these records: the lowest tier, and the strictest of what happens to their messages; nil as the mode
-- where the tier alone says it, and not every record. records.py says the same of records that were read.
local function strictest(records)
  local tiers, modes = { restricted = 1, standard = 2, trusted = 3 }, { off = 1, observe = 2, draft = 3, auto = 4 }
  local tier, mode, all_say = 'trusted', 'auto', true
  for _, record in ipairs(records) do
    local own = modes[words(record.replyMode) or ''] and record.replyMode
    local answered = own or (record.tier == 'restricted' and 'draft' or 'auto')
    if tiers[record.tier] < tiers[tier] then tier = record.tier end
    if modes[answered] < modes[mode] then mode = answered end
    all_say = all_say and own and true or false
  end
  if not all_say and mode == (tier == 'restricted' and 'draft' or 'auto') then mode = nil end
  return tier, mode
end

-- Says an event, a JSON text, to whoever listens. Where homes share a server, the channel begins as the home's keys do, and the node that
-- has them says it: every other one of a cluster would have to hear it too. Returns how many heard it.
local function tell(channel, event)
  local beginning = KEYS.events_log:sub(1, -11)
  return redis.call(beginning == '' and 'PUBLISH' or 'SPUBLISH', beginning .. channel, event)
end

-- Says an event and keeps it for those who come back. A log of the wrong type stops nothing: the doctor finds it. Returns how many heard it.
local function announce(channel, event)
  redis.pcall('XADD', KEYS.events_log, 'MAXLEN', '~', 5000, '*', 'channel', channel, 'event', event)
  return tell(channel, event)
end

local function publish(channel, event)
  announce(channel, cjson.encode(event))
end

-- Gives the approvals under these keys, of one person, one tier and one mode. `ids` are their contacts. What cannot be read is left.
local function agree(names, ids, events)
  local found, records = {}, {}
  for i, name in ipairs(names) do
    local record = decode(redis.pcall('GET', name))
    if record and is_tier(record.tier) then
      records[#records + 1] = record
      found[#found + 1] = { name = name, id = ids[i], record = record }
    end
  end
  local tier, mode = strictest(records)
  for _, each in ipairs(found) do
    if each.record.tier ~= tier or each.record.replyMode ~= mode then
      each.record.tier, each.record.replyMode = tier, mode
      redis.call('SET', each.name, cjson.encode(each.record))
      publish(events, { type = 'pairing_edited', contactId = each.id, tier = tier, timestamp = now_ms() })
    end
  end
end

-- `change` was made to each of these approvals that can be read, and said; then they agree, where there are several.
local function change_approvals(names, ids, change, events)
  for i, name in ipairs(names) do
    local record = decode(redis.pcall('GET', name))
    if record and is_tier(record.tier) then
      change(record)
      redis.call('SET', name, cjson.encode(record))
      publish(events, { type = 'pairing_edited', contactId = ids[i], tier = record.tier, timestamp = now_ms() })
    end
  end
  if #names > 1 then agree(names, ids, events) end
end

-- When the newest turn of a history was said, in ms; 0 for an empty one.
local function newest_at(history)
  local newest = redis.call('ZREVRANGE', history, 0, 0, 'WITHSCORES')[2]
  return newest and tonumber(newest) or 0
end

-- Adds a turn, whose message was claimed, in order of arrival (platforms' clocks have whole seconds), and keeps the newest. Lifetimes start
-- anew with the first turn of each clock hour: every call counts here.
local function remember(seen, history, last, member, at)
  if last >= at then at = last + 1 end
  redis.call('ZADD', history, at, member)
  redis.call('ZREMRANGEBYRANK', history, 0, -LIMIT.HISTORY_CAP - 1)
  if math.floor(at / 3600000) ~= math.floor(last / 3600000) then
    redis.call('EXPIRE', history, LIMIT.HISTORY_TTL_S)
    local oldest = now_ms() - LIMIT.SEEN_TTL_MS
    redis.call('ZREMRANGEBYSCORE', seen, -oldest, oldest)
    redis.call('ZREMRANGEBYRANK', seen, 0, -20001)
    redis.call('PEXPIRE', seen, LIMIT.SEEN_TTL_MS)
  end
end

-- Where nothing says what was decided about, the history does: the predecessor's, and one whose record is gone. No limit counts it.
local function recall(seen, history)
  if redis.call('EXISTS', seen) == 1 then return end
  local now = now_ms()
  for _, raw in ipairs(redis.pcall('ZRANGE', history, 0, -1)) do -- one of the wrong type tells nothing
    local turn = decode(raw)
    if turn and words(turn.id) then redis.call('ZADD', seen, -now, turn.id) end
  end
  redis.call('PEXPIRE', seen, LIMIT.SEEN_TTL_MS)
end

-- The ids of the turns of a history, as a set.
local function ids_of(history)
  local ids = {}
  for _, raw in ipairs(redis.call('ZRANGE', history, 0, -1)) do
    local turn = decode(raw)
    if turn and words(turn.id) then ids[turn.id] = true end
  end
  return ids
end

-- Tells memory, where there is one, what was said or taken back, in this order. A journal of the wrong type stops nothing: the doctor
-- finds it. What nobody reads for a month is gone. Returns whether there is memory.
local function tell_memory(on, journal, due, contact, entry)
  if redis.call('EXISTS', on) == 0 then return false end
  if type(redis.pcall('RPUSH', journal, entry)) == 'table' then return true end
  redis.call('LTRIM', journal, -5000, -1)
  redis.call('EXPIRE', journal, 2592000)
  redis.pcall('ZADD', due, 'NX', now_ms(), contact)
  return true
end

-- Nobody knows a contact's birthday any more when it was known from this message, which is gone or says something else. The word of the owner
-- and of an address book stays.
local function unlearn_birthday(birthday, id)
  local known = decode(redis.call('HGET', birthday, 'known'))
  if known and known.messageId == id and (known.source == 'rules' or known.source == 'memory') then redis.call('HDEL', birthday, 'known') end
end

-- The lines in front of a message's words that stand for what came with it, as a list, and the words. `content` has `count` such lines.
local function split_media(content, count)
  local lines, rest = {}, content
  for _ = 1, count do
    local at = rest:find('\n', 1, true)
    lines[#lines + 1] = at and rest:sub(1, at - 1) or rest
    rest = at and rest:sub(at + 1) or ''
  end
  return lines, rest
end

-- What `split_media` took apart, with nothing in place of words that are not there.
local function join_media(lines, said)
  local front = table.concat(lines, '\n')
  return said == '' and front or #lines == 0 and said or front .. '\n' .. said
end

-- True for a turn that can be told in other words.
local function is_turn(turn)
  return turn and words(turn.id) and words(turn.role) and words(turn.content) and words(turn.type) and type(turn.timestamp) == 'number'
end

-- The turn as JSON with other words in it; what else it says stays. `content` is a JSON string.
local function retold(turn, content)
  local more = turn.forwarded and ',"forwarded":true' or ''
  if words(turn.replyTo) then more = more .. ',"replyTo":' .. cjson.encode(turn.replyTo) end
  if type(turn.expiresAt) == 'number' then more = more .. string.format(',"expiresAt":%.0f', turn.expiresAt) end
  if type(turn.media) == 'number' then more = more .. string.format(',"media":%.0f', turn.media) end
  return string.format('{"id":%s,"role":%s,"content":%s,"timestamp":%.0f,"type":%s%s}', cjson.encode(turn.id), cjson.encode(turn.role),
    content, turn.timestamp, cjson.encode(turn.type), more)
end

-- A piece of mail as JSON.
local function encode_mail(mail)
  if next(mail.attachments or {}) == nil then mail.attachments = nil end -- cjson would write an empty list as an object
  return cjson.encode(mail)
end

-- Turns that `is_gone` says yes to are out of the history. Returns their ids.
local function erase_turns(history, is_gone)
  local erased = {}
  for _, raw in ipairs(redis.call('ZRANGE', history, 0, -1)) do
    local turn = decode(raw)
    if turn and is_gone(turn) then
      redis.call('ZREM', history, raw)
      erased[#erased + 1] = words(turn.id) or ''
    end
  end
  return erased
end

-- Puts the contact's one token into the stream. `mail` is the decoded head of its inbox, or {} when that cannot be read: then whoever
-- begins it sets it aside.
local function add_token(stream, mailbox, contact, mail, ttl_ms)
  local token = redis.call('XADD', stream, '*', 'channelId', words(mail.channelId) or '?', 'contactId', contact,
    'normalizedContactId', words(mail.normalizedContactId) or contact, 'messageId', words(mail.messageId) or '?')
  redis.call('HSET', mailbox, 'token', token)
  redis.call('PEXPIRE', mailbox, ttl_ms)
  return token
end

-- Gives a row its times: callers know durations, and only the store's clock knows the time. The row is a JSON object.
local function stamp(row, now, typing_after, due_after)
  return row:sub(1, -2) .. string.format(',"composedAt":%.0f,"typingFrom":%.0f,"dueAt":%.0f}', now, now + typing_after, now + due_after)
end

-- Adds a stamped outbox row; the contact becomes due when the row is its first.
local function post(outbox, due, contact, row, typing_from)
  if redis.call('RPUSH', outbox, row) == 1 then redis.call('ZADD', due, typing_from, contact) end
end

-- Writes down a stage that messages passed. `ids` are JSON texts of message ids; `more` is further fields, each behind a comma, or ''.
-- A trace of the wrong type stops nothing: the doctor finds it.
local function trace(traces, stage, now, ids, more)
  local messages = #ids > 0 and ',"messages":' .. cjson.encode(ids) or ''
  local added = redis.pcall('RPUSH', traces, string.format('{"stage":"%s","at":%.0f', stage, now) .. messages .. more .. '}')
  if type(added) == 'table' then return end
  redis.call('LTRIM', traces, -400, -1)
  redis.call('EXPIRE', traces, 604800)
end

-- What somebody wrote first while they waited, where it was kept, is the first message of who is approved now: it is in the history, and in the
-- inbox, or among what was missed while nobody is answered.
local function answer_first_message(contact, channel, name, now)
  local first = decode(words(redis.pcall('GET', KEYS.first_message))) or {} -- one of the wrong type keeps nobody out
  redis.call('DEL', KEYS.first_message)
  local id, line, at, expires = words(first.id) or '', words(first.line), tonumber(first.at), (tonumber(first.expiresS) or 0) * 1000
  if id == '' or not line or not at or (expires > 0 and at + expires <= now) then return end
  local last = newest_at(KEYS.history)
  recall(KEYS.seen, KEYS.history)
  if redis.call('ZADD', KEYS.seen, 'NX', at, id) == 0 then return end
  local turn = string.format('{"id":%s,"role":"user","content":%s,"timestamp":%.0f,"type":"incoming"', cjson.encode(id), cjson.encode(line), at)
    .. (expires > 0 and string.format(',"expiresAt":%.0f}', at + expires) or '}')
  remember(KEYS.seen, KEYS.history, last, turn, at)
  tell_memory(KEYS.memory_on, KEYS.memory_journal, KEYS.memory_due, contact, turn)
  if expires > 0 then redis.pcall('ZADD', KEYS.history_expiring, 'LT', at + expires, contact) end
  -- It counts from now on: who approves late wants it answered all the same.
  local mail = { messageId = id, contactId = contact, channelId = channel, normalizedContactId = words(first.normalizedContactId) or contact,
    contactName = name, content = line, timestamp = now, thread = words(first.thread), expiresS = tonumber(first.expiresS) }
  if redis.call('EXISTS', KEYS.pause_all, KEYS.pause, KEYS.channel_pause) > 0 then
    trace(KEYS.trace, redis.call('EXISTS', KEYS.pause_all) == 1 and 'killed' or 'paused', now, { id }, '')
    redis.call('RPUSH', KEYS.missed, cjson.encode(mail))
    redis.call('EXPIRE', KEYS.missed, LIMIT.HISTORY_TTL_S)
    redis.call('ZADD', KEYS.missed_index, now, contact)
    return
  end
  if redis.call('RPUSH', KEYS.inbox, cjson.encode(mail)) == 1 and redis.call('HEXISTS', KEYS.mailbox, 'token') == 0 then
    redis.call('SADD', KEYS.queue_active, contact)
    add_token(KEYS.queue, KEYS.mailbox, contact, mail, LIMIT.MAILBOX_TTL_MS)
  end
end

-- Writes down what became of a row that a job wrote. A list of the wrong type stops nothing: the doctor finds it.
local function fate(fates, row, outcome, now, more)
  if not row or not words(row.job) then return end
  local added = redis.pcall('RPUSH', fates, string.format('{"job":%s,"occurrence":%.0f,"row":%s,"outcome":"%s","at":%.0f', cjson.encode(row.job),
    tonumber(row.occurrence) or 0, cjson.encode(words(row.rowId) or '?'), outcome, now) .. more .. '}')
  if type(added) == 'table' then return end
  redis.call('LTRIM', fates, -2000, -1)
  redis.call('EXPIRE', fates, 7776000)
end

-- Replies that a newer one, or the owner's own words, make pointless are gone from the held list. `all`: also what may have gone out.
-- What the owner wrote anew stays. Returns the ids of the messages they answered, how many there were, and further fields of a stage that
-- say which they were.
local function supersede(held, index, contact, all, fates)
  local ids, count, replies, known = {}, 0, {}, {}
  for _, raw in ipairs(redis.call('LRANGE', held, 0, -1)) do
    local item = decode(raw)
    local reason = item and item.reason
    if item and item.row and not item.own and (all or (reason ~= 'ambiguous' and reason ~= 'undeliverable')) then
      redis.call('LREM', held, 1, raw)
      fate(fates, item.row, 'overtaken', now_ms(), '')
      count = count + 1
      local reply = words(item.row.replyId)
      if reply and not known[reply] then
        known[reply], replies[#replies + 1] = true, reply
      end
      for _, id in ipairs(item.row.answers or {}) do ids[#ids + 1] = id end
    end
  end
  if count > 0 and redis.call('LLEN', held) == 0 then redis.call('ZREM', index, contact) end
  return ids, count, #replies > 0 and ',"replies":' .. cjson.encode(replies) or ''
end

-- Keeps a row for the owner. There is room for 50: what has to make room is what was ordered, the oldest first, and it is said.
local function hold(held, index, traces, events, contact, row, reason, now)
  local own = row:find('"kind":"own"', 1, true) and ',"own":true' or '' -- inside of a text the quotation marks would be escaped
  redis.call('RPUSH', held, '{"row":' .. row .. ',"reason":"' .. reason .. '","heldAt":' .. string.format('%.0f', now) .. own .. '}')
  while redis.call('LLEN', held) > 50 do
    local goes
    for _, raw in ipairs(redis.call('LRANGE', held, 0, -2)) do
      local item = decode(raw)
      goes = goes or raw
      if item and (item.reason == 'agent' or item.reason == 'proactive') and not item.own then
        goes = raw
        break
      end
    end
    redis.call('LREM', held, 1, goes)
    local item = decode(goes)
    local lost = item and item.row or {}
    trace(traces, 'dropped', now, lost.answers or {}, ',"reply":' .. cjson.encode(words(lost.replyId) or '?') .. ',"reason":"no_room"')
    publish(events, { type = 'draft_dropped', contactId = contact, replyId = words(lost.replyId) or '?', reason = 'no_room', timestamp = now })
  end
  redis.call('EXPIRE', held, 2592000)
  redis.call('ZADD', index, now, contact)
end

-- The owner speaks to a contact themselves: the clone is silent there for `pause_ms`, and what waited to be answered or sent is dropped, but
-- for the owner's own words. A pause that lasts longer, or until the owner lifts it, stays as it is. Returns the ids of the messages that nobody answers now, and further fields of the stage.
local function take_over(contact, now, pause_ms, pause_events)
  local before = decode(redis.pcall('GET', KEYS.pause))
  if not (before and (not before['until'] or (tonumber(before['until']) or 0) > now + pause_ms)) then
    redis.call('SET', KEYS.pause, cjson.encode({ pausedAt = now, reason = 'fromMe', ['until'] = now + pause_ms }), 'PX', pause_ms)
    redis.call('ZADD', KEYS.paused_index, now + pause_ms, contact)
  end
  local ids, own, first = {}, {}, nil
  for _, raw in ipairs(redis.call('LRANGE', KEYS.inbox, 0, -1)) do
    local mail = decode(raw)
    if mail and words(mail.messageId) then ids[#ids + 1] = mail.messageId end
  end
  for _, raw in ipairs(redis.call('LRANGE', KEYS.outbox, 0, -1)) do
    local row = decode(raw)
    if row and row.kind == 'own' then
      own[#own + 1], first = raw, first or row.rowId
    else
      fate(KEYS.jobs_fates, row, 'overtaken', now, '')
      for _, id in ipairs(row and row.answers or {}) do ids[#ids + 1] = id end
    end
  end
  local older, _, more = supersede(KEYS.held, KEYS.held_index, contact, true, KEYS.jobs_fates)
  for _, id in ipairs(older) do ids[#ids + 1] = id end
  redis.call('DEL', KEYS.inbox, KEYS.outbox, KEYS.missed)
  redis.call('ZREM', KEYS.missed_index, contact)
  if #own == 0 then
    redis.call('ZREM', KEYS.outbox_due, contact)
  else
    redis.call('RPUSH', KEYS.outbox, unpack(own))
    if redis.call('HGET', KEYS.mailbox, 'sending') ~= first then redis.call('ZADD', KEYS.outbox_due, now, contact) end
  end
  redis.call('HINCRBY', KEYS.mailbox, 'fence', 1)
  publish(pause_events, { contactId = contact, action = 'pause', reason = 'fromMe', pausedAt = now, timestamp = now })
  return ids, more
end

-- Remembers that the owner was told of something, or that it was done once.
local function mark_told(told, cause, now, ttl)
  redis.call('ZADD', told, now, cause)
  redis.call('ZREMRANGEBYSCORE', told, '-inf', now - ttl)
  redis.call('ZREMRANGEBYRANK', told, 0, -5001)
  redis.call('PEXPIRE', told, ttl)
end

-- The id of the newest turn of a history; '' for an empty one.
local function newest_turn(history)
  local turn = decode(redis.call('ZREVRANGE', history, 0, 0)[1])
  return turn and words(turn.id) or ''
end

-- True when jobs have sent enough: to everybody in an hour and a day, to this contact in a day and a week.
local function over_sent(sent, sent_to, now, hour, day, contact_day, contact_week)
  return redis.call('ZCOUNT', sent, now - 3600000, '+inf') >= tonumber(hour) or redis.call('ZCOUNT', sent, now - 86400000, '+inf') >= tonumber(day)
    or redis.call('ZCOUNT', sent_to, now - 86400000, '+inf') >= tonumber(contact_day)
    or redis.call('ZCOUNT', sent_to, now - 604800000, '+inf') >= tonumber(contact_week)
end

-- Counts what a job sends to a contact, once for each reply.
local function count_sent(sent, sent_to, reply, now)
  mark_told(sent, reply, now, 691200000)
  mark_told(sent_to, reply, now, 691200000)
end

-- When a held reply is no more: its own end, or `lives` after it was held.
local function held_until(item, lives)
  local ends = (tonumber(item.heldAt) or 0) + lives
  local own = item.row and tonumber(item.row['until'])
  return own and own < ends and own or ends
end

-- Writes down what became of an occurrence of a job, and counts it.
local function log_run(log, counts, occurrence, outcome, now, more)
  redis.pcall('HINCRBY', counts, outcome, 1)
  redis.call('RPUSH', log, string.format('{"occurrence":%.0f,"outcome":"%s","at":%.0f', tonumber(occurrence) or 0, outcome, now) .. more .. '}')
  redis.call('LTRIM', log, -100, -1)
  redis.call('EXPIRE', log, 7776000)
end

-- When a job takes its next step; never, for ''.
local function step_at(due, job, at)
  if at == '' then redis.call('ZREM', due, job) else redis.call('ZADD', due, at, job) end
end

-- Adds rows for the owner's chat, which leave in `after` ms. What leaves now does not queue behind what waits for the morning.
local function post_to_owner(outbox, due, contact, rows, after, now)
  local later, at_head
  if after == 0 then
    for at, raw in ipairs(redis.call('LRANGE', outbox, 0, -1)) do
      local item = decode(raw)
      if item and item.scheduled and (tonumber(item.typingFrom) or 0) > now then
        later, at_head = raw, at == 1
        break
      end
    end
  end
  for _, each in ipairs(rows) do
    local row = stamp(each, now, after, after)
    if later then redis.call('LINSERT', outbox, 'BEFORE', later, row) else post(outbox, due, contact, row, now + after) end
  end
  if at_head then redis.call('ZADD', due, now, contact) end
end

-- Keeps the counts right; a sweep that changes nothing writes nothing. They are only shown: broken ones stop nothing.
local function count_stats(stats, pending, approved, denied, now)
  local old = redis.pcall('HMGET', stats, 'pending_count', 'approved_count', 'denied_count')
  if old.err then return end
  local after = '(' .. string.format('%.0f', now)
  local counts = { redis.pcall('ZCOUNT', pending, after, '+inf'), redis.pcall('ZCARD', approved), redis.pcall('ZCOUNT', denied, after, '+inf') }
  for _, count in ipairs(counts) do
    if type(count) == 'table' then return end
  end
  if tonumber(old[1] or -1) ~= counts[1] or tonumber(old[2] or -1) ~= counts[2] or tonumber(old[3] or -1) ~= counts[3] then
    redis.call('HSET', stats, 'pending_count', counts[1], 'approved_count', counts[2], 'denied_count', counts[3])
  end
end

-- The digests of the export files that gave a record, oldest first: its last field. Inside of a text the quotation marks would be escaped.
local function sources_of(raw)
  local found = {}
  for digest in (raw:match(',"sources":%[([^%]]*)%]}$') or ''):gmatch('"(%w+)"') do found[#found + 1] = digest end
  return found
end

-- The record with these digests and no others; the eight newest, for somebody may export the same chat every week.
local function with_sources(raw, digests)
  local bare = raw:gsub(',"sources":%[[^%]]*%]}$', '}')
  if #digests == 0 then return bare end
  return bare:sub(1, -2) .. ',"sources":["' .. table.concat(digests, '","', math.max(1, #digests - 7)) .. '"]}'
end

-- The digests without one of them, and whether it was there.
local function without(digests, digest)
  local rest = {}
  for _, each in ipairs(digests) do
    if each ~= digest then rest[#rest + 1] = each end
  end
  return rest, #rest < #digests
end

-- The digests of both, those of the second last.
local function joined(first, second)
  local all = first
  for _, each in ipairs(second) do
    all = without(all, each)
    all[#all + 1] = each
  end
  return all
end

-- The newest turns of a history, oldest first: of all, or with the id of a message (a JSON string, or '') of those that were said before it,
-- and what was said to its contact since.
local function turns_before(history, most, id, sent_at)
  if id == '' then return redis.call('ZRANGE', history, -most, -1) end
  -- By its place, and where the history does not reach back to it, by its time: scores never are below the time of sending.
  local turns = redis.call('ZRANGE', history, 0, -1, 'WITHSCORES')
  local ours, theirs = '{"id":' .. id .. ',', '{"id":' .. cjson.encode(cjson.decode('[' .. id .. ']')[1]) .. ','
  local place = nil
  for at = #turns - 1, 1, -2 do
    if turns[at]:sub(1, #ours) == ours or turns[at]:sub(1, #theirs) == theirs then
      place = at
      break
    end
  end
  local said = {}
  for at = #turns - 1, 1, -2 do
    if #said == most then break end
    local before = place and at <= place or not place and tonumber(turns[at + 1]) < sent_at
    -- What the contact wrote after it waits for an answer of its own. Inside of a text the quotation marks would be escaped.
    if before or turns[at]:find(',"role":"assistant",', 1, true) then table.insert(said, 1, turns[at]) end
  end
  return said
end
