"""What people send beside words: recordings are heard, pictures are seen, and replies may be spoken."""
