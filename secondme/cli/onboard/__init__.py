"""`secondme onboard`: from nothing to the first message, question by question."""
