"""Admission: the gate, pairing of strangers, and the owner's decisions about contacts."""
