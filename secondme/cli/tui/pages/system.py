"""The page of the system: channels, with linking them; the security log; what is the matter; and what the store and the gateway do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.layout import apart, column, facts, fit, heading, keys, lines, say, wrapped
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.pages.today import channel_state
from secondme.cli.tui.questions import asks
from secondme.cli.tui.rows import Entry, Heading
from secondme.cli.tui.theme import BAD, FAINT, GOOD, INK, SOFT, WAITS
from secondme.core.channel_manifest import needs_link, sentence_of
from secondme.core.clock import from_ms
from secondme.core.format import lately, span
from secondme.core.log import security_file
from secondme.core.security_log import Entry as LogEntry
from secondme.core.security_log import newest_entries
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.gateway.status import ChannelFacts

_MOST = 300
_NAME = 20
_EVENT = 26
_STYLES = {"warn": WAITS, "error": BAD, "warning": WAITS}
_HEALTH = "health"
_LOG = "log:"


class SystemPage(ListPage):
    """Channels first, then how the gateway stands, then what happened, the newest on top."""

    TITLE: ClassVar[str] = "System"
    EMPTY: ClassVar[str] = LOOKING
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "connect", "Link or unlink a channel", show=False),
        Binding("z", "pause_it", "Pause a channel, or answer there again", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._path = security_file(desk.link.setup.places.logs)
        self._channels: dict[str, ChannelFacts] = {}
        self._snapshot: Snapshot | None = None
        self._entries: dict[str, LogEntry] = {}
        self._mark: tuple[int, int] | None = None

    # What is shown

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """The channels as their gateway last said, and the log."""
        self._snapshot, self.now = snapshot, now
        self._channels = {facts.id: facts for facts in snapshot.overview.channels}
        self._read_log()
        self._put()

    def tick(self, now: datetime) -> None:
        """Ages are right; what was written to the log since is there. It comes from this machine, so it is there with no store too."""
        self.now = now
        if self._read_log():
            self._put()
        super().tick(now)

    def _read_log(self) -> bool:
        """True when something was written since the last time."""
        try:
            found = self._path.stat()
        except OSError:
            mark = None
        else:
            mark = (found.st_ino, found.st_size)
        if mark == self._mark:
            return False
        self._mark = mark
        newest = list(reversed(newest_entries(self._path, _MOST))) if mark else []
        self._entries = {f"{_LOG}{entry.at.isoformat()}:{len(newest) - number}": entry for number, entry in enumerate(newest)}
        return True

    def _put(self) -> None:
        entries: list[Entry] = []
        if self._channels:
            entries += [_HEALTH, Heading("Channels", len(self._channels)), *self._channels]
        if self._entries:
            entries += [Heading("Security log", len(self._entries)), *self._entries]
        self.put(entries, count=str(len(self._channels)))

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """A channel, the gateway, or something that happened."""
        if (channel := self._channels.get(key)) is not None:
            return self._channel_row(channel, width, tight=tight)
        if key == _HEALTH:
            return self._health_row(width, tight=tight)
        entry = self._entries.get(key)
        return _log_row(entry, width, self.now, tight=tight) if entry is not None else say("")

    def _channel_row(self, channel: ChannelFacts, width: int, *, tight: bool) -> Content:
        words, style, sign = channel_state(channel, runs=self._runs)
        name = say((f"{sign} ", style), (safe_name(channel.title) or channel.id, f"bold {INK}"))
        counts = say((f"{channel.received:,} in · {channel.sent:,} out" if channel.received or channel.sent else "", FAINT))
        state = say((words, style if style in {BAD, WAITS} else SOFT))
        if tight:
            return apart(say(column(name, _NAME), " ", state), counts, width)
        why, _ = sentence_of(channel.id, channel.code)
        heard = (
            f"last heard {span(self.now - from_ms(channel.last_received_ms))} ago" if channel.last_received_ms and self.now else ""
        )
        return lines(apart(name, state, width), apart(say("  ", (safe_name(why) or heard, SOFT)), counts, width))

    def _health_row(self, width: int, *, tight: bool) -> Content:
        words, style, sign = self._health()
        left, right = say((sign, style), ("Gateway", f"bold {INK}")), say((words, style if style == BAD else SOFT))
        more = say("  ", (self._queue_words(), SOFT))
        return apart(left, right, width) if tight else lines(apart(left, right, width), fit(more, width))

    @property
    def _runs(self) -> bool:
        return self._snapshot is not None and self._snapshot.overview.runs

    def _health(self) -> tuple[str, str, str]:
        if self._snapshot is None:
            return LOOKING, SOFT, "  "
        overview = self._snapshot.overview
        if not overview.can_write:
            return "the store takes nothing new", BAD, "▲ "
        return ("runs", GOOD, "● ") if overview.runs else ("does not run", WAITS, "○ ")

    def _queue_words(self) -> str:
        if self._snapshot is None:
            return ""
        backlog = self._snapshot.overview.backlog
        return f"{backlog.queued:,} unanswered, {backlog.unsent:,} on their way, {backlog.held:,} held, {backlog.dead:,} given up"

    # Sheets

    def draw_sheet(self, key: str, width: int) -> Content:
        """All that is known of the row."""
        if (channel := self._channels.get(key)) is not None:
            return lines(*self._channel_sheet(channel, width), say(""), keys(self.row_hints(key)))
        if key == _HEALTH:
            return lines(*self._health_sheet(width))
        entry = self._entries.get(key)
        return lines(*_log_sheet(entry, width)) if entry is not None else say("")

    def _channel_sheet(self, channel: ChannelFacts, width: int) -> list[Content]:
        words, style, sign = channel_state(channel, runs=self._runs)
        why, fix = sentence_of(channel.id, channel.code)
        if channel.state == "off":
            why, fix = (
                ("Disconnected by you.", "c connects it again.")
                if channel.disconnected
                else ("Not linked, or not running.", "c links it.")
            )
        found = [say((f"{sign} ", style), (words, f"bold {style}"))]
        if why:
            found += wrapped(f"{safe_name(why)} {fix}".rstrip(), width, BAD if channel.state == "needs_owner" else SOFT)
        known = [
            ("Messages", f"{channel.received:,} in · {channel.sent:,} out · {channel.failed:,} failed, since its gateway started")
        ]
        if channel.since_ms is not None:
            known.append(("Since", f"{from_ms(channel.since_ms).astimezone():%Y-%m-%d %H:%M}"))
        if channel.last_received_ms and self.now is not None:
            known.append(("Last heard", f"{span(self.now - from_ms(channel.last_received_ms))} ago"))
        how = "write to yourself there" if needs_link(channel.id) else "secondme chat --self"
        known.append(("Your chat", "known" if channel.owner_chat else f"not known yet: {how}"))
        return [*found, say(""), *facts(known, width)]

    def _health_sheet(self, width: int) -> list[Content]:
        if self._snapshot is None:
            return [say((LOOKING, FAINT))]
        overview, backlog = self._snapshot.overview, self._snapshot.overview.backlog
        found = []
        for process in overview.processes:
            started = lately(from_ms(process.started_ms), self.now) if self.now else ""
            found.append((process.part.capitalize(), f"process {process.pid}, version {safe_name(process.version)}, for {started}"))
        if not overview.runs:
            found.append(("Gateway", "does not run: secondme serve"))
        found += [
            ("Store", "its own server" if overview.store_kind == "embedded" else "a Redis of yours"),
            ("Unanswered", f"{backlog.queued:,} messages of {backlog.contacts:,} people"),
            ("On their way", f"{backlog.unsent:,}"),
            ("Held", f"{backlog.held:,} wait for you"),
            ("Given up", f"{backlog.dead:,}{': secondme dead list' if backlog.dead else ''}"),
        ]
        return [
            *facts(found, width),
            say(""),
            *wrapped("secondme doctor looks at everything, and says how each fault is mended.", width, SOFT),
        ]

    def title_of(self, key: str) -> tuple[str, str]:
        """What the row is about."""
        if (channel := self._channels.get(key)) is not None:
            return safe_name(channel.title) or channel.id, channel.id
        return ("Gateway", "") if key == _HEALTH else ("What happened", "")

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done with a channel."""
        channel = self._channels.get(key or "")
        if channel is None:
            return (("Enter", "Read"),)
        link = ("c", ("Connect it" if channel.disconnected else "Link it") if channel.state == "off" else "Unlink it")
        return (link, ("z", "Answer there again" if channel.paused else "Pause it"), ("Enter", "Read"))

    # What the owner does

    @asks
    async def action_pause_it(self) -> None:
        """Answer nobody there, after a confirmation, or everybody again."""
        from secondme.cli.tui.dialogs import ConfirmDialog

        channel = self._channels.get(self.rows.current or "")
        if channel is None:
            return
        title = safe_name(channel.title)
        body = "Nobody there is answered until you say so; what they write is kept."
        if channel.paused:
            await self.desk.decide(partial(self._resume, channel.id, title))
        elif await self.app.push_screen_wait(ConfirmDialog(f"Pause {title}?", body, "Pause")):
            await self.desk.decide(partial(self._pause, channel.id, title))

    @asks
    async def action_connect(self) -> None:
        """Link the channel under the cursor, or unlink it; from elsewhere, the one that is chosen."""
        from secondme.cli.tui.channel_link import link_or_unlink

        channel = self._channels.get(self.rows.current or "")
        await link_or_unlink(self.app, self.desk, list(self._channels.values()), channel)

    async def _pause(self, channel: str, title: str) -> str:
        await self.desk.link.services.pauses.pause_channel(channel)
        return f"Nobody on {title} is answered."

    async def _resume(self, channel: str, title: str) -> str:
        await self.desk.link.services.pauses.resume_channel(channel)
        return f"{title} is answered again."


def _log_row(entry: LogEntry, width: int, now: datetime | None, *, tight: bool) -> Content:
    style = _STYLES.get(entry.severity, "")
    sign = say(("▲ " if entry.severity == "error" else "· ", style or FAINT), (_event(entry), style or INK))
    when = say((lately(entry.at, now) if now else "", FAINT))
    more = say((f"{safe_name(entry.contact_id)}  {_details(entry)}".strip(), SOFT))
    if tight:
        return apart(say(column(sign, _EVENT), " ", more), when, width)
    return lines(apart(sign, when, width), fit(say("  ", more), width))


def _log_sheet(entry: LogEntry, width: int) -> list[Content]:
    known = [
        ("When", f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}"),
        ("Level", safe_name(entry.severity)),
        ("Contact", safe_name(entry.contact_id) or "none"),
        *((safe_name(name), " ".join(safe_text(str(value)).split())) for name, value in entry.details.items() if value is not None),
    ]
    return [heading(_event(entry)), say(""), *facts(known, width)]


def _event(entry: LogEntry) -> str:
    return safe_name(entry.event.replace("_", " "))


def _details(entry: LogEntry) -> str:
    return " ".join(safe_text(entry.in_words()).split())
