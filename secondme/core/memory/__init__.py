"""Memory: what was said long ago, found again for the contact it was said with."""
