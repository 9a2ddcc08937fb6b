"""The queue: mailboxes, workers and their leases, upkeep."""
