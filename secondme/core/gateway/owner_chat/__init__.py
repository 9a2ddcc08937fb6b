"""The owner's own chat with this program: what it understands, and what it says by itself."""
