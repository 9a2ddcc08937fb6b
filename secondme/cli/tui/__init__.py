"""The terminal interface: everything the owner decides, live. A client of the store like any other command, never inside `serve`."""
