"""What may be looked at of an attachment. A stranger's bytes are read by a child process that can do nothing else."""
