"""WhatsApp as a linked device of the owner's phone: an unofficial protocol, spoken by a child process of the gateway."""
