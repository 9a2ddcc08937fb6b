"""Lessons: where the clone missed the owner's manner most plainly, with the owner's own words and what parts the two.

What parts them is measured and told in our words; no model is asked. The owner decides which of them are taught. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from secondme.core.records import Lesson
from secondme.core.rehearse.features import FEATURES, features

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from secondme.core.rehearse.archive import RehearsalRun
    from secondme.core.rehearse.records import PastBurst

MOST = 3
"""Lessons that a prompt carries: more make it long, and fewer of them count."""
_LONGEST = 300
"""Characters of either answer."""
_TIMES_LONGER = 1.6
_FEWEST_REASONS = 2
_FACTS = re.compile(r"\d|https?://|www\.|@", re.IGNORECASE)
"""What is about something else than manner: a lesson would teach a number."""
_TOLD = ("commas", "exclamations", "questions", "full_stop", "emoji", "laughter", "apostrophes", "brackets", "rare_marks")
"""Features that one of the two may have and the other not."""


def proposals(run: RehearsalRun, variant: int = 0) -> dict[str, list[Lesson]]:
    """By contact at most three lessons, oldest first: of answers that could have been sent, those that differ from the owner's in most
    ways, no two for the same main reason."""
    found: dict[str, list[tuple[int, PastBurst, Lesson, str]]] = {}
    for (identity, which), answer in run.answers.items():
        burst = run.bursts.get(identity)
        if burst is None or which != variant or answer.outcome != "passed" or burst.asks_if_machine:
            continue
        wrote, real = "\n".join(answer.reply), "\n".join(burst.real)
        reasons = list(because(wrote, real))
        if len(reasons) < _FEWEST_REASONS or not _is_fit(wrote, real):
            continue
        lesson = Lesson(wrote=wrote, real=real, because=", ".join(reasons), at=burst.at)
        found.setdefault(burst.contact, []).append((len(reasons), burst, lesson, reasons[0]))
    return {contact: _best(each) for contact, each in found.items()}


def _is_fit(wrote: str, real: str) -> bool:
    return 1 < len(real) <= _LONGEST and len(wrote) <= _LONGEST and not _FACTS.search(real)


def _best(found: Sequence[tuple[int, PastBurst, Lesson, str]]) -> list[Lesson]:
    taken: list[Lesson] = []
    mains: Counter[str] = Counter()
    for _, _, lesson, main in sorted(found, key=lambda each: (-each[0], each[1].at)):
        if len(taken) == MOST:
            break
        if not mains[main]:
            mains[main] += 1
            taken.append(lesson)
    return sorted(taken, key=lambda each: each.at)


def because(wrote: str, real: str) -> Iterator[str]:
    """What parts `wrote` from `real`, the plainest first."""
    if len(wrote) > _TIMES_LONGER * len(real) + 10:
        yield "too long"
    elif len(real) > _TIMES_LONGER * len(wrote) + 10:
        yield "too short"
    lines, own = wrote.count("\n"), real.count("\n")
    if lines > own:
        yield "too many messages"
    elif own > lines:
        yield "too few messages"
    its, yours = _named(wrote), _named(real)
    things = {each.name: each.thing for each in FEATURES}
    yield from (f"{things[name]} where you have none" for name in _TOLD if its[name] and not yours[name])
    yield from (f"no {things[name].removeprefix('a ').removeprefix('an ')}" for name in _TOLD if yours[name] and not its[name])
    if yours["small_start"] and not its["small_start"]:
        yield "begins with a capital letter"
    elif its["small_start"] and real[:1].isupper():
        yield "begins with a small letter"


def _named(text: str) -> dict[str, float]:
    return dict(zip((each.name for each in FEATURES), features(text), strict=True))


def kept(known: Iterable[Lesson], new: Iterable[Lesson]) -> list[Lesson]:
    """At most three lessons, oldest first; of two about the same answer the new one, and the newest answers go first."""
    by_answer = {(each.at, each.real): each for each in (*known, *new)}
    return sorted(by_answer.values(), key=lambda each: each.at)[-MOST:]
