"""Where the installed command starts. `--version` is answered before anything else is imported: scripts ask often."""

import sys


def main() -> None:
    """The program. Ends the process."""
    if sys.argv[1:] == ["--version"]:
        from secondme import __version__  # noqa: PLC0415

        sys.stdout.write(f"secondme {__version__}\n")
        return
    from secondme.cli.app import app  # noqa: PLC0415

    app()
