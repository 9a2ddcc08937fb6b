"""Skills: what the clone can do beside talking, and what keeps strangers' code from doing more."""
