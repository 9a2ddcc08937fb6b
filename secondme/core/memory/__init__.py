"""What the clone remembers of each person: an index a contact, made from what was said; and what of it belongs into a reply."""
