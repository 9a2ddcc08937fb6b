"""The reference of the commands: every page of help, as the program prints it."""

from collections.abc import Iterator
from typing import Any

import typer

from secondme.cli.app import app
from secondme.cli.help.table import SECTIONS

WIDTH = 110
HEAD = """# Commands

Every command's own help. Each takes `-h` and `--help`; `secondme --install-completion` lets Tab complete names, options, contacts and
channels. What `--json` prints is in [JSON](json.md), exit codes are in [For scripts](../scripts.md).
"""


def leaves() -> Iterator[tuple[str, typer.Context]]:
    """Every command that does something, with its path (`pairing approve`)."""
    return ((path, context) for path, context in _walk(_root(), "") if not _is_group(context))


def commands_page() -> str:
    """The whole page."""
    root = _root()
    parts = [HEAD, _block(root.get_help())]
    found = dict(_walk(root, ""))
    for section in SECTIONS:
        parts.append(f"## {section.title}\n")
        for entry in section.entries:
            for path, context in found.items():
                if path == entry.name or path.startswith(f"{entry.name} "):
                    parts.append(f"{'####' if ' ' in path else '###'} secondme {path}\n\n{_block(context.get_help())}")
    return "\n".join(parts)


def _root() -> typer.Context:
    command: Any = typer.main.get_command(app)
    context: typer.Context = command.context_class(command, info_name="secondme", terminal_width=WIDTH, max_content_width=WIDTH)
    return context


def _is_group(context: typer.Context) -> bool:
    return hasattr(context.command, "list_commands")


def _walk(context: typer.Context, path: str) -> Iterator[tuple[str, typer.Context]]:
    group: Any = context.command
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = command.context_class(command, info_name=name, parent=context)
        below = f"{path} {name}".strip()
        yield below, inner
        if _is_group(inner):
            yield from _walk(inner, below)


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"
