"""secondme: a personal AI clone that you run yourself. Only the version lives here, so importing it is free."""

__version__ = "0.1.0"
