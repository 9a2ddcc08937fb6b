"""One file per command or group. At module scope they import typer and light modules only."""
