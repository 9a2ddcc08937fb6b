"""The blind test at a terminal: the last words, two answers, and a key for which of them is the owner's."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from secondme.cli.output import Screen
from secondme.cli.prompts import ask_key
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secondme.core.rehearse.archive import RunFile
    from secondme.core.rehearse.blind import BlindSummary, Item, Said

_KEYS: dict[str, Said] = {"a": "a", "b": "b", "?": "no_idea", "r": "remembered"}
_LEAVE = "q"
_ASKED = "Which one is yours?  a  b  ? no idea  r I remember this one  q leave: "
_ABOUT = "One of two answers is yours. Only the way of writing counts; you hear at the end how often you were right."
_WIDEST = 80
_MARGIN = 2


async def run_blind(file: RunFile, variant: int, count: int) -> BlindSummary:
    """The owner has said of `count` pairs of the variant which answer is theirs, or has left; each word is kept at once, and what was said before
    is not asked again. Nothing is told of right and wrong. Raises typer.BadParameter without a terminal, KeyboardInterrupt on Ctrl-C."""
    from secondme.core.rehearse.blind import COUNT, BlindTest

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise typer.BadParameter("--blind needs a terminal: it shows answers and waits for keys")
    screen, test, is_first = Screen(), BlindTest(file.run, variant), True
    earlier = test.summary(count).n
    while items := test.open(count):
        if is_first:
            screen.line(_ABOUT)
        is_first = False
        done = test.summary(count).n
        material = file.run.materials.get(items[0].burst.contact)
        _show(screen, items[0], f"{done + 1} of {done + len(items)}", safe_name(material.name if material else "") or "they")
        try:
            key = ask_key(_ASKED, _LEAVE + "".join(_KEYS))
        except EOFError:
            key = _LEAVE
        screen.line(key)
        if key == _LEAVE:
            break
        file.add_choice(items[0].choice(_KEYS[key]))
    summary = test.summary(count)
    is_longer = COUNT <= earlier < summary.n
    return replace(summary, earlier=earlier) if is_longer else summary


def show_blind(screen: Screen, summary: BlindSummary, count: int) -> None:
    """What the test came to, or that it waits to be gone on with: nothing else is said before its end."""
    if summary.is_done:
        screen.line(summary.text())
        return
    screen.line(f"Kept. The result comes after {count} pairs; the same command goes on with them.", "dim")


def _show(screen: Screen, item: Item, progress: str, name: str) -> None:
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    screen.line()
    screen.line(progress, "bold")
    who = {"contact": name, "owner": "you"}
    for speaker, text in (*item.before, *(("contact", each) for each in item.burst.asked)):
        for row in _rows(f"{who[speaker]}: {text}", width):
            screen.line(row, "dim")
    for letter, messages in zip("AB", item.shown, strict=True):
        screen.line()
        screen.line(letter, "bold")
        for row in _listed(messages, width):
            screen.line(row)
    screen.line()


def _listed(messages: Sequence[str], width: int) -> Iterator[str]:
    """Each message with a mark before its first line, so that one of two lines is not taken for two."""
    for message in messages:
        for number, row in enumerate(_rows(message, width - _MARGIN)):
            yield f"{'  ' if number else '- '}{row}"


def _rows(text: str, width: int) -> Iterator[str]:
    from secondme.cli.columns import folded

    for line in text.replace("\t", " ").split("\n"):
        yield from folded(line, width)
