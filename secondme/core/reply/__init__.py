"""Composing replies: persona, context, prompt, checks and budget."""
