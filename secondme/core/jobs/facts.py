"""What ready-made jobs have to tell the owner: counted and put into lines by code, from what is known. Pure.

Facts of several contacts meet here and nowhere else, and no model is shown them. A contact's words are cut short, made one line, cleaned and
quoted; where there is nothing new there is nothing to say.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from secondme.core.format import counted, span
from secondme.core.reply.router_rules import BurstKind, by_rules
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime, tzinfo

    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact, Turn
    from secondme.core.remember.occasions import Birthday, Promise

_QUOTED = 80
_MOST_LINES = 20
_WORTH_SAYING = 5_000
"""Millionths of a dollar: half a cent."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """An approved contact, and what was said with it in the time that is looked at, oldest first."""

    contact: ApprovedContact
    turns: Sequence[Turn]
    drafts: int = 0
    """Replies to it that wait for the owner."""

    @property
    def name(self) -> str:
        """What the owner calls it."""
        return safe_name(self.contact.display_name or "") or self.contact.contact_id


@dataclass(frozen=True, slots=True)
class Household:
    """What else a digest tells."""

    drafts: int = 0
    waiting: int = 0
    """Requests at the door."""
    dead: int = 0
    micros: int = 0
    """Today's cost, in millionths of a dollar."""
    channels: Sequence[str] = ()
    """Sentences about channels that are not well."""
    missed: Sequence[str] = ()
    """Sentences about jobs that did not run."""


@dataclass(frozen=True, slots=True)
class Report:
    """Lines for the owner, and a digest of what they say: the same one is not told twice, unless there is `news` in it. No lines: nothing to say."""

    text: str
    digest: str
    news: bool = False


NOTHING = Report("", "")


def quoted(words: str, most: int = _QUOTED) -> str:
    """Somebody's words as they may stand in a line of ours: one line, `most` characters, in quotes, nothing in them that a terminal or a chat
    obeys."""
    line = " ".join(safe_text(words).split()).replace('"', "'").replace("://", ": //")
    return f'"{line[: most - 1]}…"' if len(line) > most else f'"{line}"'


def digest_of(conversations: Sequence[Conversation], household: Household, since: str) -> Report:
    """What happened since: who wrote, who spoke in the owner's name, what waits."""
    lines = []
    for each in sorted(conversations, key=lambda one: -len(one.turns)):
        heard = sum(turn.type == "incoming" for turn in each.turns)
        said = sum(turn.type == "outgoing" for turn in each.turns)
        if not heard and not said:
            continue
        told = [
            f"{counted(heard, 'message')}" if heard else "",
            f"{counted(said, 'reply', 'replies')} in your name" if said else "",
        ]
        waits = f"; {counted(each.drafts, 'draft')} for you to send" if each.drafts else ""
        lines.append(f"• {each.name}: {', '.join(part for part in told if part)}{waits}")
    lines, stands = _capped(lines), []
    if household.drafts:
        stands.append(f"{counted(household.drafts, 'draft')} {'waits' if household.drafts == 1 else 'wait'} for you: drafts")
    if household.waiting:
        stands.append(f"{counted(household.waiting, 'person', 'people')} at the door: list")
    if household.dead:
        stands.append(f"{counted(household.dead, 'message')} could not be answered: secondme dead list")
    stands += household.channels
    news = [*lines, *household.missed]
    if not news and not stands:
        return NOTHING
    cost = [f"Cost today: ${household.micros / 1_000_000:.2f}"] if household.micros >= _WORTH_SAYING else []
    return Report("\n".join([f"Since {since}:", *lines, *stands, *household.missed, *cost]), _digest(stands), news=bool(news))


def owed_of(
    conversations: Sequence[Conversation], waited: Callable[[datetime], timedelta], least: timedelta, zone: tzinfo
) -> Report:
    """Who waits for an answer of the owner's: wrote last, something that is more than small talk, `least` waking hours ago."""
    lines, digests = [], []
    for each in conversations:
        newest = each.turns[-1] if each.turns else None
        if newest is None or newest.type != "incoming" or waited(newest.timestamp) < least:
            continue
        words = newest.parts[1] or newest.shown
        if by_rules([words]).kind is BurstKind.PHATIC:
            continue
        at = newest.timestamp.astimezone(zone)
        waits = " (a draft waits)" if each.drafts else ""
        lines.append(f"• {each.name}, since {at:%a %H:%M}{waits}: {quoted(words)}")
        digests.append(f"{each.contact.contact_id} {newest.id}")
    if not lines:
        return NOTHING
    return Report(
        "\n".join(
            [f"{counted(len(lines), 'person', 'people')} {'waits' if len(lines) == 1 else 'wait'} for you:", *_capped(lines)]
        ),
        _digest(digests),
    )


def week_of(conversations: Sequence[Conversation], silent: Sequence[str], household: Household, jobs: Sequence[str]) -> Report:
    """The week in sums; nothing for an empty one."""
    heard = sum(turn.type == "incoming" for each in conversations for turn in each.turns)
    said = sum(turn.type == "outgoing" for each in conversations for turn in each.turns)
    own = sum(turn.type == "fromMe" for each in conversations for turn in each.turns)
    people = sum(any(turn.type == "incoming" for turn in each.turns) for each in conversations)
    if not heard and not said and not own:
        return NOTHING
    lines = [
        "This week:",
        f"{counted(heard, 'message')} from {counted(people, 'person', 'people')}; {counted(said, 'reply', 'replies')} in your name, {own} by you",
    ]
    if household.micros >= _WORTH_SAYING:
        lines.append(f"Cost: ${household.micros / 1_000_000:.2f}")
    if silent:
        lines.append(f"You have not written for a month to: {', '.join(silent[:_MOST_LINES])}")
    lines += [*jobs[:_MOST_LINES]]
    return Report("\n".join(lines), _digest(lines))


def promises_of(names: Mapping[ContactId, str], promises: Sequence[tuple[ContactId, Promise]], now: datetime) -> Report:
    """What the owner said they would do and has not said that they did; the latest of its day first. `now` is on the owner's clock."""
    lines, digests = [], [f"{now.date()}"]
    for who, promise in sorted(promises, key=lambda each: (each[1].day or now.date(), each[1].said_at)):
        said = promise.said_at.astimezone(now.tzinfo)
        due = "" if promise.day is None else ", due today" if promise.day == now.date() else f", due {promise.day:%a %d %b}"
        lines.append(f"• {names.get(who, who)}, {said:%a %d %b}{due}: {quoted(promise.text)} done {promise.id[:4]}")
        digests.append(promise.id)
    if not lines:
        return NOTHING
    return Report("\n".join(["You said you would:", *_capped(lines), "Not a promise: not one ID"]), _digest(digests))


def birthdays_of(names: Mapping[ContactId, str], birthdays: Sequence[tuple[ContactId, Birthday]], today: date) -> Report:
    """Whose birthday is today, and in three days."""
    lines = []
    for ahead, when in ((0, "today"), (3, "in 3 days")):
        day = today + timedelta(days=ahead)
        for who, birthday in birthdays:
            if birthday.next_on(day) == day:
                age = birthday.age_on(day)
                lines.append(f"• {names.get(who, who)}: birthday {when}" + (f", turns {age}" if age else ""))
    return Report("\n".join(_capped(lines)), _digest([f"{today}", *lines])) if lines else NOTHING


def watch_of(findings: Sequence[str]) -> Report:
    """What is not well, when it is not the same as before."""
    return (
        Report("\n".join(["Needs a look:", *(f"• {each}" for each in findings)]), _digest(sorted(findings)))
        if findings
        else NOTHING
    )


def since_words(since: datetime, now: datetime, zone: tzinfo) -> str:
    """A moment in the past as a digest calls it."""
    local, today = since.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if (today - local).days < 7 else f"{local.day} {local:%b} ({span(now - since)} ago)"  # noqa: PLR2004  a week


def _capped(lines: list[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {more} more"] if more > 0 else lines


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "replace")).hexdigest()[:32]
