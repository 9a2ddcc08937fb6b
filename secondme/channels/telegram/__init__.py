"""Telegram, through a bot of the owner's: people write to the bot, and the owner's private chat with it is the owner's chat."""
