"""May this message in? The gate, the door where strangers knock, and what the owner decides about them."""
