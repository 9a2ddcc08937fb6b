"""The HTTP control plane: the owner's decisions for scripts and programs. The only folder that imports the web framework."""
