"""How rehearsals are drawn: runs as rows, what one came to in words, and its answers side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from string import ascii_uppercase
from typing import TYPE_CHECKING

from rich.cells import cell_len

from secondme.cli.tui.layout import (
    READ_WIDTH,
    apart,
    bar,
    beside,
    broken,
    chip,
    column,
    fit,
    heading,
    keys,
    lines,
    say,
    shown_name,
    wrapped,
)
from secondme.cli.tui.theme import ACCENT, BAD, CLONE, FAINT, INK, RULE, SOFT
from secondme.core.format import counted, money
from secondme.core.rehearse.blind import COUNT, BlindTest
from secondme.core.rehearse.report_text import WORDS
from secondme.core.rehearse.report_text import lines as in_words
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.core.rehearse.archive import RehearsalRun
    from secondme.core.rehearse.blind import BlindSummary
    from secondme.core.rehearse.records import PastBurst, RehearsedAnswer
    from secondme.core.rehearse.verdict import RehearsalReport, VariantReport

_COLUMN = 28
"""Answers stand beside each other where each has so many cells."""
_GAP = 2
_LONGEST = 2_000
"""Characters of one message that are drawn."""
MOST_SHOWN = 200
"""Answers that are drawn side by side; the page that the command writes has all."""
_BAR = 40
_WHEN = 14
_ROOM_FOR_COUNT, _ROOM_FOR_COST = 64, 44
_NONE = {"few_bursts": "too few answers", "few_messages": "too few of yours"}


@dataclass(slots=True)
class LoadedRun:
    """One run as its file had it."""

    stamp: tuple[int, int]
    run: RehearsalRun
    report: RehearsalReport | None = None
    """None until it was counted."""


@dataclass(slots=True)
class UnderWay:
    """The run that this screen is at."""

    run_id: str = ""
    """Empty until it has one."""
    done: int = 0
    total: int = 0


@dataclass(slots=True)
class RehearsalDrawing:
    """Every run, as of the last look."""

    runs: dict[str, LoadedRun] = field(default_factory=dict)
    under_way: UnderWay | None = None
    trouble: dict[str, str] = field(default_factory=dict)
    """Run -> why it ended early when it was last gone on with, in one line."""

    def row(self, key: str, width: int, *, tight: bool) -> Content:
        """When, in which voice or by which model, and what it came to; in one line or in two."""
        if (known := self.runs.get(key)) is None:
            return say("")
        run = known.run
        when = say("  ", (when_of(run.head.begun_at), f"bold {INK}"))
        count, cost = say((counted(len(run.head.bursts), "answer"), SOFT)), say((money(run.micros), FAINT))
        came_to = self._came_to(key, known)
        if not tight:
            below = say("  ", (voices_of(run), SOFT), ("  ", SOFT), count)
            return lines(apart(when, came_to, width), apart(below, cost, width))
        right = [count] if width >= _ROOM_FOR_COUNT else []
        right += [came_to, *([say(" " * max(0, 7 - cost.cell_length), cost)] if width >= _ROOM_FOR_COST else [])]
        return apart(say(column(when, _WHEN + 2), " ", (voices_of(run), SOFT)), beside(*right), width)

    def _came_to(self, key: str, known: LoadedRun) -> Content:
        way = self.under_way
        if way is not None and way.run_id == key:
            return say((f"{way.done} of {way.total}", f"bold {INK}"))
        number = say(
            (" / ".join(map(said_of, known.report.variants)) if known.report else "Looking …", INK if known.report else FAINT)
        )
        return (
            number
            if known.run.is_complete
            else beside(chip("not finished"), number)
            if _has_number(known)
            else chip("not finished")
        )

    def sheet(self, key: str, width: int, hints: Sequence[Hint]) -> Content:
        """What it came to, in words; what became of it, where it is not finished."""
        if (known := self.runs.get(key)) is None:
            return say("")
        width = min(READ_WIDTH, width)
        drawn = self._standing(key, known, width)
        if known.report is None:
            drawn.append(say(("Looking …", SOFT)) if self.under_way is None or self.under_way.run_id != key else say(""))
        elif known.run.answers:
            for line in in_words(known.report, width):
                drawn += _as_told(line, width)
        drawn += [say(""), *blind_lines(known.run, width)]
        acts = [hint for hint in hints if hint[0] in {"r", "b", "d", "Enter"}]
        page = f"As a page: secondme rehearse --run {key} --report rehearsal.html"
        return lines(*drawn, keys(acts), say(""), *wrapped(page, width, FAINT))

    def _standing(self, key: str, known: LoadedRun, width: int) -> list[Content]:
        run, way = known.run, self.under_way
        if way is not None and way.run_id == key:
            share = way.done / way.total if way.total else 0
            words = say((f"{way.done} of {way.total}", f"bold {INK}"), (f"   {money(run.micros)} so far. Nothing is sent.", SOFT))
            return [words, bar(share, min(_BAR, width), ACCENT), say("")]
        if run.is_complete:
            return []
        done = sum(each.outcome != "failed" for each in run.answers.values())
        total = len(run.head.bursts) * len(run.head.variants)
        why = [*wrapped(self.trouble[key], width, BAD)] if key in self.trouble else []
        left = f"Not finished: {done} of {total}. r goes on with it, and what was paid for is not paid again."
        return [*why, *wrapped(left, width, SOFT), say("")]

    def side_by_side(self, key: str, width: int) -> Content:
        """Every answer: what they wrote, what the owner answered, what the clone wrote in its place."""
        if (known := self.runs.get(key)) is None:
            return say("")
        run, width = known.run, max(8, width)
        ordered, order = worst_first(known)
        drawn = [*wrapped(f"Every answer, {order}.", width, FAINT)]
        for number, burst in enumerate(ordered[:MOST_SHOWN], 1):
            drawn += [say(""), *_pair(run, burst, f"{number} of {len(ordered)}", width)]
        if len(ordered) > MOST_SHOWN:
            drawn += [say(""), *wrapped(f"All are in: secondme rehearse --run {key} --report rehearsal.html", width, FAINT)]
        return lines(*drawn)


def when_of(moment: datetime) -> str:
    """On this machine's clock."""
    at = moment.astimezone()
    return f"{at.day:>2} {at:%b %H:%M}"


def voices_of(run: RehearsalRun) -> str:
    """The personas, or where these are the usual ones, the models."""
    personas = dict.fromkeys(safe_name(each.persona) or "usual voices" for each in run.head.variants)
    models = dict.fromkeys(safe_name(each.model) for each in run.head.variants)
    named = list(personas) != ["usual voices"]
    return ", ".join([*(personas if named else []), *(models if not named or len(models) > 1 else [])])


def said_of(variant: VariantReport) -> str:
    """The number as it may be said."""
    if variant.headline == "held":
        return "often held back"
    if variant.why or variant.told is None:
        return _NONE.get(variant.why, "no number")
    return f"told {round(variant.told.share * 100)} in 100" if variant.told.has_number else WORDS[variant.word]


def _has_number(known: LoadedRun) -> bool:
    return known.report is not None and any(not each.why for each in known.report.variants)


def _as_told(line: str, width: int) -> list[Content]:
    """A line of the report. A name of somebody's may be wider than it is long."""
    safe = " ".join(safe_text(line).split("\n"))
    style = f"bold {INK}" if safe.lstrip().startswith("=>") else INK
    if cell_len(safe) <= width:
        return [say((safe, style))]
    indent = " " * min(len(safe) - len(safe.lstrip()), max(0, width - 8))
    return wrapped(safe.lstrip(), width, style, lead=indent)


def worst_first(known: LoadedRun) -> tuple[list[PastBurst], str]:
    """The answers, those that were told most certainly first where the report knows; and the order in words."""
    right = [each.right for each in known.report.variants] if known.report else []
    if not any(right):
        return sorted(known.run.bursts.values(), key=lambda burst: (burst.at, burst.id)), "the oldest first"

    def worst(burst: PastBurst) -> tuple[float, float, datetime]:
        found = [each[burst.id] for each in right if burst.id in each]
        return (-max(found, default=-1.0), -sum(found), burst.at)

    return sorted(known.run.bursts.values(), key=worst), "what was told the most certainly first"


# The blind test


def test_of(run: RehearsalRun, variant: int) -> tuple[BlindSummary, int]:
    """How far the owner's blind test is, and of how many pairs it is: twenty, and twenty more whenever these are done."""
    test = BlindTest(run, variant)
    count = max(COUNT, -(-test.summary(0).n // COUNT) * COUNT)
    return test.summary(count), count


def blind_lines(run: RehearsalRun, width: int) -> list[Content]:
    """What the owner's own tests came to. Of one that is not done, only that it waits."""
    drawn: list[Content] = []
    for variant in sorted({each.variant for each in run.blind}):
        summary, count = test_of(run, variant)
        letter = f", {ascii_uppercase[variant % 26]}" if len(run.head.variants) > 1 else ""
        words = (
            summary.text()
            if summary.is_done
            else f"{summary.n} of {count} pairs are answered. b goes on; the result comes at the end."
        )
        drawn += [heading(f"Your blind test{letter}"), *wrapped(words, width), say("")]
    return drawn


# Side by side


def said_in(messages: Sequence[str], width: int, side: tuple[str, str]) -> list[Content]:
    """Somebody's messages, their side down every line; between two of them it is broken."""
    drawn: list[Content] = []
    for number, message in enumerate(messages):
        drawn += [say(side)] if number else []
        drawn += [say(side, " ", (line, INK)) for line in broken(safe_text(message[:_LONGEST]), max(2, width - 2))]
        if (more := len(message) - _LONGEST) > 0:
            drawn.append(fit(say(side, (f" … {more:,} more characters", FAINT)), width))
    return drawn


def stand_beside(found: Sequence[list[Content]], width: int) -> list[Content]:
    """The texts beside each other where each has room, else below each other."""
    room = (width - _GAP * (len(found) - 1)) // max(1, len(found))
    if room < _COLUMN:
        return [line for text in found for line in [*text, say("")]][:-1]
    return [
        say(*[part for cell in row[:-1] for part in (column(cell, room), " " * _GAP)], fit(row[-1], room))
        for row in zip_longest(*found, fillvalue=say(""))
    ]


def column_width(count: int, width: int) -> int:
    """How wide each of so many texts is."""
    room = (width - _GAP * (count - 1)) // max(1, count)
    return room if room >= _COLUMN else width


def context_lines(burst: PastBurst, name: str, width: int) -> list[Content]:
    """What was said before, in a line each, and what the owner answered to."""
    drawn = []
    for speaker, text in burst.before:
        sign = "▶" if speaker == "owner" else "◁"
        drawn.append(fit(say((f"{sign} {' '.join(safe_text(text[:_LONGEST]).split())}", FAINT)), width))
    drawn.append(fit(say(("◁ ", SOFT), (name, f"bold {INK}")), width))
    return [*drawn, *said_in(burst.asked, width, ("│", RULE))]


def name_in(run: RehearsalRun, contact: str) -> str:
    """What the contact is called, and nobody else."""
    material = run.materials.get(contact)
    name = shown_name(material.name if material else "", contact)
    return name if name.casefold() not in {"you", "clone"} else f"contact {name}"


def _pair(run: RehearsalRun, burst: PastBurst, place: str, width: int) -> list[Content]:
    """One answer of the owner's, and each of the clone's beside it."""
    number, when = say((place, f"bold {SOFT}")), say((when_of(burst.at), FAINT))
    drawn = [apart(number, when, width) if width >= _COLUMN else fit(number, width)]
    if burst.asks_if_machine:
        drawn += wrapped("Asks whether a machine writes: a matter of honesty, not of style.", width, FAINT)
    drawn += context_lines(burst, name_in(run, burst.contact), width)
    variants = run.head.variants
    room = column_width(1 + len(variants), width)
    found = [[fit(say(("▶ ", ACCENT), ("you", f"bold {ACCENT}")), room), *said_in(burst.real, room, ("┃", ACCENT))]]
    for at in range(len(variants)):
        letter = f" {ascii_uppercase[at % 26]}" if len(variants) > 1 else ""
        answer = run.answers.get((burst.id, at))
        became = _became(answer)
        head = say(("◆ ", CLONE), (f"clone{letter}", f"bold {CLONE}"), " " if became else "", chip(became) if became else "")
        reason = safe_name(answer.reason.replace("_", " ")) if answer and became else ""
        said = said_in(answer.reply if answer else (), room, ("┃", CLONE))
        found.append([fit(head, room), *said, *(wrapped(reason, room, FAINT, "↳ ", "  ") if reason else [])])
    return [*drawn, *stand_beside(found, width)]


def _became(answer: RehearsedAnswer | None) -> str:
    """What became of the clone's answer, where it could not have been sent."""
    if answer is None:
        return "not asked yet"
    return {"held": "held back", "silent": "said nothing", "failed": "not answered"}.get(answer.outcome, "")
