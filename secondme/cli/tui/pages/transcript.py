"""How is a conversation told? Who said what, oldest first, and under each message what became of it.

Three speakers are told apart by sign, word and the line down their side, on every line of a message: nothing that somebody writes can look
as if another had said it. Lines are broken here for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from secondme.cli.tui.theme import ACCENT, GOOD, QUIET, WARN
from secondme.core.stages import in_words, why_held
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rich.console import Console

    from secondme.cli.tui.talks import Conversation
    from secondme.core.send.drafts import Draft
    from secondme.core.store.traces import Passed

_LONGEST = 2000
"""Characters of one message that are shown."""
_SILENT = frozenset({"begun", "answered", "sent"})
"""What the reply itself shows."""
_MOST_STAGES = 3


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who says something."""

    word: str
    sign: str
    side: str
    style: str


SPEAKERS = {
    "incoming": Speaker("contact", "◁", "│", ""),
    "fromMe": Speaker("you", "▶", "┃", ACCENT),
    "outgoing": Speaker("clone", "◆", "║", GOOD),
}


def transcript(talk: Conversation, drafts: Sequence[Draft], name: str, console: Console, width: int) -> Text:
    """The conversation in lines of at most `width` cells. `name` is what the contact is called, safe to show."""
    text = Text()
    who = name if name.casefold() not in {speaker.word for speaker in SPEAKERS.values()} else f"contact {name}"
    remarks = _remarks(talk)
    day, before = "", ""
    for turn in talk.turns:
        local = turn.timestamp.astimezone()
        if f"{local:%Y-%m-%d}" != day:
            day, before = f"{local:%Y-%m-%d}", ""
            _line(text, f"── {local:%a} {day} ──", QUIET, console, width)
        speaker = SPEAKERS[turn.type]
        if turn.type != before:
            _head(text, speaker, who if turn.type == "incoming" else speaker.word, f"{local:%H:%M}")
        _said(text, speaker, turn.content, console, width)
        for remark, style in remarks.pop(turn.id, ()):
            _line(text, f"  ↳ {remark}", style, console, width)
        before = turn.type if turn.id not in remarks else ""
    for mail in talk.mail:
        for remark, style in remarks.pop(mail.message_id, ()):  # its turn is not in the history any more
            _head(text, SPEAKERS["incoming"], who, f"{mail.timestamp.astimezone():%H:%M}")
            _said(text, SPEAKERS["incoming"], mail.content, console, width)
            _line(text, f"  ↳ {remark}", style, console, width)
    clone = SPEAKERS["outgoing"]
    if talk.unsent:
        _head(text, clone, "clone", "on its way, not sent yet", "◇")
        for row in talk.unsent:
            _said(text, clone, row.text, console, width)
    for draft in drafts:
        _head(text, clone, "clone", "a draft, press 7 to decide", "◇")
        for part in draft.texts:
            _said(text, clone, part, console, width)
        _line(text, f"  ↳ it waits for you: {why_held(draft.reason)}", WARN, console, width)
    text.rstrip()
    return text


def newest_line(kind: str, content: str) -> tuple[str, str]:
    """A message in one line with its speaker's sign, and the style."""
    speaker = SPEAKERS[kind]
    return f"{speaker.sign} {' '.join(safe_text(content[:_LONGEST]).split())}", speaker.style


def _remarks(talk: Conversation) -> dict[str, list[tuple[str, str]]]:
    """Message id -> what became of it. What is true of several that came together is said under the last of them."""
    place = {turn.id: number for number, turn in enumerate(talk.turns)}
    waiting = {mail.message_id for mail in talk.mail}
    found: dict[str, list[tuple[str, str]]] = {}
    for passed in talk.stages:
        known = [message for message in passed.messages if message in place]
        if known and _tells(passed) and not (passed.stage == "put_off" and waiting & set(known)):
            found.setdefault(max(known, key=place.__getitem__), []).append((in_words(passed.stage, passed.facts), _style(passed.stage)))
    remarks = {message: _distinct(lines)[-_MOST_STAGES:] for message, lines in found.items()}
    if talk.mail:
        last = talk.mail[-1].message_id
        why = in_words("begun", {}) if talk.is_begun else in_words("waiting", {"reason": talk.waiting or "queued"})
        remarks.setdefault(last, []).append((why, WARN))
    return remarks


def _tells(passed: Passed) -> bool:
    """True for what the owner cannot see from the messages themselves."""
    if passed.stage == "composed":
        return bool(passed.facts.get("fault") or passed.facts.get("refused"))
    return passed.stage not in _SILENT and passed.facts.get("reason") not in {"gathering", "queued"}


def _style(stage: str) -> str:
    return WARN if stage in {"held", "unanswered", "rate_limited", "inbox_full", "stale"} else QUIET


def _distinct(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(lines))


def _head(text: Text, speaker: Speaker, word: str, when: str, sign: str = "") -> None:
    text.append(f"{sign or speaker.sign} {word}", style=f"bold {speaker.style}".strip())
    text.append(f"  {when}\n", style=QUIET)


def _said(text: Text, speaker: Speaker, content: str, console: Console, width: int) -> None:
    shown = safe_text(content[:_LONGEST]).expandtabs(4)
    for line in _broken(shown, console, width - 2):
        text.append(f"{speaker.side} ", style=speaker.style or QUIET)
        text.append(f"{line}\n")
    if len(content) > _LONGEST:
        text.append(f"{speaker.side} ", style=speaker.style or QUIET)
        text.append(f"… {len(content) - _LONGEST:,} more characters\n", style=QUIET)


def _line(text: Text, words: str, style: str, console: Console, width: int) -> None:
    for line in _broken(words, console, width):
        text.append(f"{line}\n", style=style)


def _broken(words: str, console: Console, width: int) -> Iterator[str]:
    for line in Text(words).wrap(console, max(2, width)):
        yield line.plain.rstrip()
