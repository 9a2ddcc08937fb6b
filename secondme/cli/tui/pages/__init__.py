"""One page for each question: who waits, who was let in, who was turned away, what happened."""
