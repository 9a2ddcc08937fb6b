"""The engine: a message walks admit, queue, reply, send. `gateway.py` tells the whole story."""
