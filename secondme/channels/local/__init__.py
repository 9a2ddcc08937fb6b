"""The local channel: a contact at a terminal of this machine."""
