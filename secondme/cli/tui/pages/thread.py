"""A conversation as it is read: three speakers told apart by sign, word, and the side down every line.

Nothing that somebody writes can look as if another had said it; lines are broken here for that reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.cli.tui.layout import READ_WIDTH, broken, channel_title, countdown, fit, keys, lines, say, wrapped
from secondme.cli.tui.theme import ACCENT, BAD, CLONE, FAINT, INK, RULE, SOFT, WAITS
from secondme.core.gateway.trace_messages import in_words
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from textual.content import Content

    from secondme.core.gateway.conversation_desk import Remark
    from secondme.core.gateway.draft_views import AskedMessage, DraftView
    from secondme.core.gateway.store import ConversationDetail
    from secondme.core.records import Turn

MOST_TURNS = 200
"""The newest of a conversation; older ones are drawn when the top is reached."""
_LONGEST = 2000
"""Characters of one message that are drawn."""
_NARROW = 60
_INDENT, _INDENT_NARROW = 14, 4


@dataclass(frozen=True, slots=True)
class TalkVoice:
    """Who says something."""

    word: str
    sign: str
    side: str
    style: str
    side_style: str


SPEAKERS = {
    "incoming": TalkVoice("contact", "◁", "│", INK, RULE),
    "fromMe": TalkVoice("you", "▶", "┃", ACCENT, ACCENT),
    "outgoing": TalkVoice("clone", "◆", "┃", CLONE, CLONE),
}
_DRAFT = TalkVoice("clone, a draft", "◇", "╎", WAITS, WAITS)
_COMING = TalkVoice("on its way", "◇", "╎", CLONE, CLONE)
_WOULD = TalkVoice("Your clone would say", "◇", "╎", CLONE, CLONE)


def one_line(words: str) -> str:
    """Anybody's words, or a trace's, as one line that is safe to show."""
    return " ".join(safe_text(words[:_LONGEST]).split())


def newest_line(turn: Turn | None) -> Content:
    """The newest message in one line with its speaker's sign."""
    if turn is None:
        return say(("nothing was said yet", FAINT))
    speaker = SPEAKERS[turn.type]
    return say((f"{speaker.sign} ", SOFT if turn.type == "incoming" else speaker.style), (one_line(turn.shown), SOFT))


class Thread:
    """Lines as they grow, at most 80 cells wide; what is ours is indented."""

    def __init__(self, width: int, name: str, today: date) -> None:
        """`name` is what the contact is called, safe to show."""
        self._width = min(READ_WIDTH, width)
        self._indent = _INDENT if self._width >= _NARROW else _INDENT_NARROW
        taken = {speaker.word for speaker in SPEAKERS.values()} | {_DRAFT.word, _COMING.word}
        self._name = name if name.casefold() not in taken else f"contact {name}"
        self._today = today
        self._lines: list[Content] = []
        self._day: date | None = None
        self._before = ""

    def drawn(self) -> Content:
        """All of it."""
        return lines(*self._lines)

    def turns(self, turns: Sequence[Turn], remarks: Mapping[str, Sequence[Remark]]) -> None:
        """What was said, and below a message what became of it."""
        for turn in turns:
            self._new_day(turn.timestamp)
            local = turn.timestamp.astimezone()
            self.message(SPEAKERS[turn.type], turn.shown, f"{local:%H:%M}", is_theirs=turn.type == "incoming")
            for remark in remarks.get(turn.id, ()):
                self.remark(remark.words, urgent=remark.is_urgent, is_theirs=turn.type == "incoming")

    def message(self, speaker: TalkVoice, words: str, when: str, *, is_theirs: bool = False, name: str = "") -> None:
        """One message; several of one speaker in the same minute have one head."""
        speaks = f"{speaker.word}{when}"
        pad = "" if is_theirs else " " * self._indent
        if speaks != self._before:
            if self._before:
                self._lines.append(say(""))
            who = name or (self._name if speaker.word == "contact" else speaker.word)
            head = say(
                pad,
                (f"{speaker.sign} ", SOFT if is_theirs else speaker.style),
                (who, f"bold {speaker.style}"),
                (f"  {when}" if when else "", FAINT),
            )
            self._lines.append(fit(head, self._width))
        self._said(speaker, pad, words)
        self._before = speaks

    def _said(self, speaker: TalkVoice, pad: str, words: str) -> None:
        lead = say(pad, (f"{speaker.side} ", speaker.side_style))
        room = self._width - self._indent - 2
        self._lines += [say(lead, (line, INK)) for line in broken(safe_text(words[:_LONGEST]), room)]
        if (more := len(words) - _LONGEST) > 0:
            self._lines.append(say(lead, (f"… {more:,} more characters", FAINT)))

    def gap(self, speaker: TalkVoice) -> None:
        """The next message of the same speaker is apart from the one above."""
        self._lines.append(say(" " * self._indent, (speaker.side, speaker.side_style)))

    def remark(self, words: str, *, urgent: bool = False, is_theirs: bool = False) -> None:
        """What became of what was said last."""
        style = WAITS if urgent else FAINT
        pad = "  " if is_theirs else " " * (self._indent + 2)
        self._lines += wrapped(one_line(words), self._width, style, say(pad, ("↳ ", style)), f"{pad}  ")
        self._before = "\n"

    def heading(self, words: str, right: str = "") -> None:
        """The title of a part."""
        self._lines += [say(""), say((words, f"bold {SOFT}"), (f"  {right}", FAINT) if right else "")]
        self._before, self._day = "", None

    def line(self, content: Content) -> None:
        """A line of its own."""
        self._lines.append(content)
        self._before = ""

    def keys(self, hints: Sequence[tuple[str, str]], *, indent: bool = True) -> None:
        """Keys with their words."""
        self._lines.append(fit(say(" " * (self._indent if indent else 0), keys(hints)), self._width))
        self._before = "\n"

    def _new_day(self, moment: datetime) -> None:
        day = moment.astimezone().date()
        if day == self._day:
            return
        self._day = day
        if self._before:
            self._lines.append(say(""))
        words = (
            "Today"
            if day == self._today
            else f"{day:%A} {day.day} {day:%B}"
            if day.year == self._today.year
            else f"{day:%A} {day:%Y-%m-%d}"
        )
        side = max(2, (self._width - len(words) - 2) // 2)
        self._lines += [
            say(("─" * side, RULE), (f" {words} ", FAINT), ("─" * max(0, self._width - side - len(words) - 2), RULE)),
            say(""),
        ]
        self._before = ""

    # What is not said yet

    def mail(self, detail: ConversationDetail, remarks: Mapping[str, Sequence[Remark]]) -> None:
        """What waits for an answer and is not in the history any more."""
        known = {turn.id for turn in detail.turns}
        for mail in detail.mail:
            if mail.message_id not in known and mail.message_id in remarks:
                self.message(SPEAKERS["incoming"], mail.shown, f"{mail.timestamp.astimezone():%H:%M}", is_theirs=True)
                for remark in remarks[mail.message_id]:
                    self.remark(remark.words, urgent=remark.is_urgent, is_theirs=True)

    def unsent(self, detail: ConversationDetail) -> None:
        """What is on its way."""
        for row in detail.unsent:
            own = row.kind == "own"
            voice = TalkVoice("you", "▷", "┃", ACCENT, ACCENT) if own else _COMING
            self.message(voice, row.text, "on its way", name="you" if own else "clone")

    def draft(self, view: DraftView) -> None:
        """A reply that waits for the owner."""
        speaker = TalkVoice("your words, a draft", "◇", "╎", WAITS, WAITS) if view.draft.own else _DRAFT
        self._before = self._before and "\n"
        for number, text in enumerate(view.draft.texts):
            if number:
                self.gap(speaker)
            self.message(speaker, text, f"{view.draft.held_at.astimezone():%H:%M}")
        self.remark(view.why, urgent=True)
        self.keys([("3", "Decide on Drafts")])


def thread(
    detail: ConversationDetail,
    remarks: Mapping[str, Sequence[Remark]],
    drafts: Sequence[DraftView],
    name: str,
    width: int,
    now: datetime,
    most: int = MOST_TURNS,
) -> Content:
    """The conversation: what was said, what waits for an answer, what is on its way, and the drafts."""
    page = Thread(width, name, now.astimezone().date())
    if len(detail.turns) > most:
        page.line(say((f"{len(detail.turns) - most} older messages come when you are here", FAINT)))
    shown = {
        message: [each for each in found if not (drafts and each.words.startswith(_HELD))] for message, found in remarks.items()
    }
    page.turns(detail.turns[-most:], shown)
    page.mail(detail, remarks)
    page.unsent(detail)
    for draft in drafts:
        page.draft(draft)
    return page.drawn()


def asked(view: DraftView, page: Thread) -> None:
    """The question of a draft: every message it answers, or that nobody asked."""
    if view.asked:
        messages: Sequence[AskedMessage] = view.asked
        when = f"{messages[-1].at.astimezone():%H:%M}"
        for message in messages:
            page.message(SPEAKERS["incoming"], message.text, when, is_theirs=True, name=f"{page._name} wrote")  # noqa: SLF001  a part of it
    elif view.draft.job:
        page.line(say(("◷ ", SOFT), ("They wrote nothing; a job began it", f"bold {INK}"), (f"  {view.job_name}", FAINT)))
    elif view.draft.own:
        page.line(say(("▶ ", ACCENT), ("You wrote it yourself", f"bold {INK}")))
    else:
        page.line(say(("◁ ", SOFT), ("What they wrote is not kept any more", SOFT)))


def draft_sheet(
    view: DraftView, earlier: Sequence[Turn], hints: Sequence[tuple[str, str]], width: int, now: datetime, superseded: str = ""
) -> Content:
    """A draft and all one needs to know to decide: why it waits, what they wrote, what it would say, the keys, and what was said before."""
    from secondme.cli.tui.layout import apart
    from secondme.cli.tui.pages.people_rows import tier_chip
    from secondme.core.format import ago

    wide = min(READ_WIDTH, width)
    draft = view.draft
    channel = channel_title(draft.channel_id)
    tier = (
        say(tier_chip(view.contact.tier), (f" {channel}", FAINT))
        if view.contact is not None
        else say(("not approved any more", BAD), (f"  {channel}", FAINT))
    )
    ends = f" · expires in {countdown(draft.expires_at - now)}" if draft.expires_at is not None else ""
    page = Thread(width, one_line(view.name), now.astimezone().date())
    page.line(apart(tier, say((f"{ago(draft.held_at, now)} old{ends}", FAINT)), wide))
    if superseded:
        for line in wrapped(superseded, wide, FAINT, ("◌ ", FAINT), "  "):
            page.line(line)
    else:
        style = BAD if draft.fault else WAITS
        for line in wrapped(one_line(view.why), wide, style, ("▲ " if draft.fault else "● ", style), "  "):
            page.line(line)
        if draft.overtaken:
            for line in wrapped("Something was said in this chat since it was written.", wide, WAITS, ("▲ ", WAITS), "  "):
                page.line(line)
    page.line(say(""))
    asked(view, page)
    page.line(say(""))
    speaker = TalkVoice("You would say", "▷", "╎", ACCENT, ACCENT) if draft.own else _WOULD
    for number, text in enumerate(draft.texts):
        if number:
            page.gap(speaker)
        page.message(speaker, text, "")
    page.line(say(""))
    page.keys(hints)
    known = {message.id for message in view.asked}
    before = [turn for turn in earlier if turn.id not in known and turn.timestamp <= draft.held_at]
    if width >= _ROOM_FOR_EARLIER and before:
        page.line(say(""))
        page.heading("Earlier")
        page.turns(before[-_EARLIER:], {})
    return page.drawn()


_HELD = in_words("held", {})
"""The draft itself says so."""
_ROOM_FOR_EARLIER = 76
_EARLIER = 4
