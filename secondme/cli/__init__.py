"""Everything a person types or sees. The only layer that prints."""
