"""One page for each question: who waits, who was approved, who was denied, what happened."""
