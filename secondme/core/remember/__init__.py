"""What is learnt from what was said: in the background, never in a reply's way."""
