"""How is a chat read that another program wrote down? WhatsApp's exports in every dialect, Telegram's as JSON; nothing is kept here."""
