"""Where the installed command starts. `--version` is answered before anything else is imported: scripts ask often."""

import sys


def main() -> None:
    """The program. Ends the process."""
    if sys.argv[1:] == ["--version"]:
        from secondme import __version__

        sys.stdout.write(f"secondme {__version__}\n")
        return
    from secondme.cli.app import app

    app()
