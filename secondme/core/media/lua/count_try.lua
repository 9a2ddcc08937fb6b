-- An attachment is about to be read: since when that is tried, and how often a server broke over it.
-- KEYS  inbox
-- ARGV  1 message id 2 number of the attachment, from 1 3 failures more
-- Returns {ms of the first try, failures} | {} when the message does not wait, or the attachment was read
typed()
for at, raw in ipairs(redis.call('LRANGE', KEYS.inbox, 0, -1)) do
  local mail = decode(raw)
  local attachment = mail and mail.messageId == ARGV[1] and type(mail.attachments) == 'table' and mail.attachments[tonumber(ARGV[2])]
  if attachment and not attachment.reading then
    if not attachment.triedAt or ARGV[3] ~= '0' then
      attachment.triedAt = attachment.triedAt or now_ms()
      attachment.failures = (tonumber(attachment.failures) or 0) + tonumber(ARGV[3])
      redis.call('LSET', KEYS.inbox, at - 1, encode_mail(mail))
    end
    return { attachment.triedAt, tonumber(attachment.failures) or 0 }
  end
end
return {}
