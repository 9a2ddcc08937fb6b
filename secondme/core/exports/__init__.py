"""Exports of chats, read: WhatsApp's in every dialect, Telegram's as JSON; and the importer that keeps what is worth it."""
