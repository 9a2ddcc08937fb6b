"""Jobs: what is done at a time, for the owner."""
