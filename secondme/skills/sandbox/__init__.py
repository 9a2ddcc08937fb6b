"""The sandbox: a skill's code computes and asks; it has no files, no network, no environment and no other processes."""
