"""What is looked at: one module for each part of the house."""
