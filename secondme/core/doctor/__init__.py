"""The doctor: checks that look and change nothing, and fixes for what is certain."""
