-- Tells whoever listens something that no other script published, with the store's time, and keeps it for those who come back
-- KEYS  events_log
-- ARGV  1 event channel 2 event, a JSON object with at least one field
-- Returns how many heard it
return announce(ARGV[1], ARGV[2]:sub(1, -2) .. string.format(',"timestamp":%.0f}', now_ms()))
