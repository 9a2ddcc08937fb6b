"""The gateway as a service of the machine: started with it, watched, and started anew."""
