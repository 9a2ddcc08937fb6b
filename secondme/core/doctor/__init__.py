"""What is wrong, and what mends it? Checks that look and change nothing; for `secondme doctor`."""
