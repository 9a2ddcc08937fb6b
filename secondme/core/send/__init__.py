"""Sending: drafts, pacing, splitting into messages, and the sender."""
