"""What a person reads who asks for help: pages, examples, the nearest command to what was typed, and what Tab offers."""
