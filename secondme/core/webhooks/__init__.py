"""Outgoing webhooks: what happens here is told to addresses that the owner typed, signed, and again until it arrives."""
