"""How is a conversation told? Who said what, oldest first, and under each message what became of it.

Three speakers are told apart by sign, word and the line down their side, on every line of a message: nothing that somebody writes can look
as if another had said it. Lines are broken here for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from secondme.cli.tui.theme import ACCENT, GOOD, QUIET, WARN
from secondme.core.gateway.trace_messages import in_words, why_held
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from secondme.cli.tui.talks import Conversation
    from secondme.core.gateway.traces import Passed
    from secondme.core.send.drafts import Draft

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
    who = name if name.casefold() not in {speaker.word for speaker in SPEAKERS.values()} else f"contact {name}"
    page = _Page(console, width, {"incoming": who, "fromMe": "you", "outgoing": "clone"})
    remarks = _remarks(talk)
    day, before = "", ""
    for turn in talk.turns:
        local = turn.timestamp.astimezone()
        if f"{local:%Y-%m-%d}" != day:
            day, before = f"{local:%Y-%m-%d}", ""
            page.line(f"── {local:%a} {day} ──", QUIET)
        if (speaks := f"{turn.type} {local:%H:%M}") != before:
            page.head(turn.type, f"{local:%H:%M}")
        page.said(turn.type, turn.content)
        found = remarks.pop(turn.id, [])
        page.remarks(found)
        before = "" if found else speaks
    for mail in talk.mail:
        if mail.message_id in remarks:  # its turn is not in the history any more
            page.head("incoming", f"{mail.timestamp.astimezone():%H:%M}")
            page.said("incoming", mail.content)
            page.remarks(remarks[mail.message_id])
    _unsent(page, talk, drafts)
    page.text.rstrip()
    return page.text


def _unsent(page: _Page, talk: Conversation, drafts: Sequence[Draft]) -> None:
    if talk.unsent:
        page.head("outgoing", "on its way, not sent yet", "◇")
        for row in talk.unsent:
            page.said("outgoing", row.text)
    for draft in drafts:
        page.head("outgoing", "a draft, press 7 to decide", "◇")
        for part in draft.texts:
            page.said("outgoing", part)
        why = f"only in your own words: {draft.fault.replace('_', ' ')}" if draft.fault else why_held(draft.reason)
        page.remarks([(f"it waits for you: {why}", WARN)])


def newest_line(kind: str, content: str) -> tuple[str, str]:
    """A message in one line with its speaker's sign, and the style."""
    speaker = SPEAKERS[kind]
    return f"{speaker.sign} {one_line(content)}", speaker.style


def one_line(words: str) -> str:
    """Anybody's words, or a trace's, as one line that is safe to show."""
    return " ".join(safe_text(words[:_LONGEST]).split())


def _remarks(talk: Conversation) -> dict[str, list[tuple[str, str]]]:
    """Message id -> what became of it. What is true of several that came together is said under the last of them."""
    place = {turn.id: number for number, turn in enumerate(talk.turns)}
    waiting = {mail.message_id for mail in talk.mail}
    found: dict[str, list[tuple[str, str]]] = {}
    for passed in talk.stages:
        known = [message for message in passed.messages if message in place]
        if known and _tells(passed) and not (passed.stage == "put_off" and waiting & set(known)):
            found.setdefault(max(known, key=place.__getitem__), []).append(
                (in_words(passed.stage, passed.facts), _style(passed.stage))
            )
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


class _Page:
    """Lines as they grow."""

    def __init__(self, console: Console, width: int, names: dict[str, str]) -> None:
        self.text = Text()
        self._console, self._width, self._names = console, width, names

    def head(self, kind: str, when: str, sign: str = "") -> None:
        """Who speaks from here on."""
        speaker = SPEAKERS[kind]
        line = Text(f"{sign or speaker.sign} {self._names[kind]}", style=f"bold {speaker.style}".strip())
        line.append(f"  {when}", style=f"not bold {QUIET}")
        line.truncate(max(2, self._width), overflow="ellipsis")
        self.text.append_text(line)
        self.text.append("\n")

    def said(self, kind: str, content: str) -> None:
        """What the speaker says, with their line down its side."""
        speaker, more = SPEAKERS[kind], len(content) - _LONGEST
        lines = [(line, "") for line in self._broken(safe_text(content[:_LONGEST]).expandtabs(4), self._width - 2)]
        lines += [(f"… {more:,} more characters", QUIET)] if more > 0 else []
        for line, style in lines:
            self.text.append(f"{speaker.side} ", style=speaker.style or QUIET)
            self.text.append(f"{line}\n", style=style)

    def remarks(self, found: Sequence[tuple[str, str]]) -> None:
        """What became of what was said last."""
        for words, style in found:
            for number, line in enumerate(self._broken(one_line(words), self._width - 4)):
                self.text.append(f"{'    ' if number else '  ↳ '}{line}\n", style=style)

    def line(self, words: str, style: str) -> None:
        """A line of its own."""
        for line in self._broken(words, self._width):
            self.text.append(f"{line}\n", style=style)

    def _broken(self, words: str, width: int) -> list[str]:
        return [line.plain.rstrip() for line in Text(words).wrap(self._console, max(2, width))]
