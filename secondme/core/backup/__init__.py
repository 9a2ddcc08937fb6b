"""Everything that a person would miss, in one file and back."""
