"""What is learnt from what was said? In the background, never in a reply's way."""
