"""The child process that holds the connection to WhatsApp. Its crash, its hang and what its library prints never touch the gateway."""
