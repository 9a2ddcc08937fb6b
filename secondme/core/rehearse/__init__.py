"""Rehearsal: the owner's past is answered again with only what was known then, nothing is sent, and what comes of it is measured."""
