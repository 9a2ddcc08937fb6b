"""What was said to and by each contact, found again: a full-text index a contact, and how what it finds is ranked. No model is needed."""
