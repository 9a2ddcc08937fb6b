"""Skills: folders with instructions and sealed code that the clone may use, and the servers that offer tools."""
