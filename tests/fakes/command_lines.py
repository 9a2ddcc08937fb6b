"""Command lines of the documentation, taken out of it and understood by the program itself."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer._click import Command, Context
from typer.core import TyperGroup
from typer.main import get_command

from secondme.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"```(?:sh|bash|cron)\n(.*?)```", re.DOTALL)
_INLINE = re.compile(r"`((?:\.venv/bin/)?secondme [^`]+)`")
_SUBSTITUTED = re.compile(r"\$\(date [^)]*\)")
_PROGRAM = re.compile(r"(?:^|\s|\$\()(?:\.venv/bin/)?(?:secondme|\$SECONDME) ")
_END = re.compile(r"\s(?:\||\|\||&&|>|>>|;|do\b)(?:\s|$)|\)")
_LEFT_OUT = re.compile(r"\.\.\.|\bNAME\b|\bCOMMAND\b|\bID\b|\bX\b|\bCONTACT\b|\bFILE\b|[`\[]")


@dataclass(frozen=True)
class Line:
    """A command somewhere in the documentation."""

    page: str
    words: tuple[str, ...]
    is_named: bool
    """It stands in a sentence, which may only name it; not in a block to be copied."""

    def __str__(self) -> str:
        return f"{self.page}: secondme {' '.join(self.words)}"


def walk(command: Command, path: str = "") -> Iterator[tuple[str, Command]]:
    """Every command and group below the program, by what is typed for it."""
    if path:
        yield path, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from walk(inner, f"{path} {name}".strip())


TREE = dict(walk(get_command(app)))
"""Every command and group, by what is typed for it."""


def lines() -> Iterator[Line]:
    """Every whole command of every page, once for each page."""
    for page in PAGES:
        text = page.read_text("utf-8")
        found = [line for block in _BLOCK.findall(text) for line in block.splitlines() if not line.lstrip().startswith("#")]
        typed = {command for line in found for command in _commands(line)}
        named = {command for line in _INLINE.findall(_BLOCK.sub("", text)) for command in _commands(line)} - typed
        yield from (Line(page.name, words, is_named=False) for words in sorted(typed))
        yield from (Line(page.name, words, is_named=True) for words in sorted(named))


def _commands(line: str) -> Iterator[tuple[str, ...]]:
    for piece in _PROGRAM.split(_SUBSTITUTED.sub("2026-11-30", line))[1:]:
        command = _END.split(piece, maxsplit=1)[0].strip()
        if command and not _LEFT_OUT.search(command):
            yield tuple(shlex.split(command, comments=True))


def parsed(words: list[str]) -> str:
    """The command that the program makes of these words, which are all used up; nothing runs."""
    found: Command = get_command(app)
    context = Context(found, info_name="secondme")
    rest, path = words, []
    while isinstance(found, TyperGroup) and (rest or not path):
        if path:
            assert not rest[0].startswith("-")
        _, inner, rest = found.resolve_command(context, rest)
        assert inner is not None
        path.append(str(inner.name))
        found, context = inner, Context(inner, info_name=inner.name, parent=context)
    if rest or not isinstance(found, TyperGroup):
        found.make_context(found.name, list(rest))
    return " ".join(path)
