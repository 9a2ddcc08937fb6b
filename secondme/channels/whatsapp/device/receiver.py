"""What the device process receives from WhatsApp, offered to the gateway until it is taken; and a ledger of what was sent."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.account import Message, own_to
from secondme.channels.whatsapp.device.library import LibraryError, WhatsAppLibrary
from secondme.channels.whatsapp.device.messages import read_chat, read_message
from secondme.core.errors import DataError
from secondme.core.messages import AttachmentKind, ChatKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondme.channels.whatsapp.jids import OwnDevice
    from secondme.channels.whatsapp.protocol import FrameSocket
    from secondme.core.ports import Clock


_KEPT = 4096
Outcome = dict[str, Any]
"""`outcome`: `sent` with `id`, `not_sent`, `undeliverable` or `unknown` with `reason`."""


@dataclass(slots=True)
class _Sending:
    contact: str
    calls: list[int] = field(default_factory=list)
    outcome: Outcome | None = None


class SendLedger:
    """What was sent, by the caller's id and by WhatsApp's."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, _Sending] = OrderedDict()
        self._ours: OrderedDict[str, None] = OrderedDict()
        self._changed = threading.Condition()
        self._is_closed = False

    def begin(self, client_id: str, contact: str, call: int) -> Outcome | bool:
        """True: send it now. False: it is being sent, and `call` is answered with the others. Else what became of it."""
        with self._changed:
            row = self._rows.get(client_id)
            if row is None:
                self._rows[client_id] = _Sending(contact, [call])
                return True
            if row.outcome is not None:
                return row.outcome
            row.calls.append(call)
            return False

    def finish(self, client_id: str, outcome: Outcome) -> list[int]:
        """That became of it; the calls to be answered. What certainly did not go out is forgotten, so that it can be tried again."""
        with self._changed:
            row = self._rows[client_id]
            row.outcome = outcome
            if outcome["outcome"] in {"not_sent", "voice_refused"}:
                del self._rows[client_id]
            if outcome.get("id"):
                self._ours[outcome["id"]] = None
            _trim(self._ours)
            self._drop_oldest()
            self._changed.notify_all()
            return row.calls

    def settle(self, contacts: frozenset[str], timeout_s: float) -> None:
        """Nothing is being sent to any of `contacts` (the ids of one person), or `timeout_s` is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or not self._is_sending(contacts), timeout_s)

    def close(self) -> None:
        """Nobody waits for a send any more: this process ends. Repeatable."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def is_ours(self, native_id: str) -> bool:
        """True when this process sent the message."""
        with self._changed:
            return native_id in self._ours

    def _is_sending(self, contacts: frozenset[str]) -> bool:
        return any(row.outcome is None and row.contact in contacts for row in self._rows.values())

    def _drop_oldest(self) -> None:
        """Rows in flight stay: forgetting one would let it be sent twice."""
        surplus = len(self._rows) - _KEPT
        finished = [name for name, row in self._rows.items() if row.outcome is not None] if surplus > 0 else []
        for name in finished[:surplus]:
            del self._rows[name]


def _trim(ids: OrderedDict[str, Any], most: int = _KEPT) -> None:
    while len(ids) > most:
        ids.popitem(last=False)


class Offers:
    """Messages on their way to the gateway. Every method may be called from any thread."""

    def __init__(self, hand_over: Callable[[int, Message], None], left_before: Sequence[Message] = ()) -> None:
        self._hand_over = hand_over
        self._changed = threading.Condition()
        self._open: dict[int, Message] = {}
        self._before = list(left_before)
        self._kept: list[Message] = []
        self._last = 0
        self._offered = 0
        self._is_closed = False

    @property
    def offered(self) -> int:
        """How many messages came so far: when it stands still, the library has nothing more."""
        with self._changed:
            return self._offered

    def offer(self, message: Message) -> None:
        """The gateway has it safely, or it is kept for the spool: the library may go on."""
        with self._changed:
            self._offered += 1
            if self._is_closed:
                self._kept.append(message)
                return
            number = self._opened(message)
        self._wait(number, message)

    def offer_left(self) -> bool:
        """Offer what an earlier process had left, one by one. True when the gateway has all of it; then the spool can go."""
        while True:
            with self._changed:
                if self._is_closed or not self._before:
                    return not (self._is_closed or self._before or self._open)
                number = self._opened(message := self._before.pop(0))
            self._wait(number, message)

    def done(self, number: int) -> None:
        """The gateway has that message safely. Repeatable; a number that was never given changes nothing."""
        with self._changed:
            if not self._is_closed:
                self._open.pop(number, None)
                self._changed.notify_all()

    def close(self) -> None:
        """Nothing is offered any more: whatever comes is kept. Repeatable."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def left(self) -> list[Message]:
        """What the gateway does not have, oldest first."""
        with self._changed:
            return [*(self._open[number] for number in sorted(self._open)), *self._before, *self._kept]

    def _opened(self, message: Message) -> int:
        self._last += 1
        self._open[self._last] = message
        return self._last

    def _wait(self, number: int, message: Message) -> None:
        try:
            self._hand_over(number, message)
        except DataError:  # too long for a frame: none of ours, and it would stand in the way of all others for ever
            self.done(number)
        with self._changed:
            self._changed.wait_for(lambda: number not in self._open or self._is_closed)


SETTLE_S = 30.0
"""How long a message from the owner's account waits for our own sends to that chat to return. WhatsApp answers those within seconds."""
_OLD_MS = 60_000
"""What was sent this long before the connection began is from before we listened."""
_SILENT_AFTER = 2
"""Keep-alives without an answer. One is lost now and then."""
_STATES = {
    "Disconnected": "disconnected",
    "StreamError": "disconnected",
    "LoggedOut": "logged_out",
    "StreamReplaced": "replaced",
    "ClientOutdated": "outdated",
}
_FAILURES = {
    2: "logged_out",
    3: "banned",
    4: "logged_out",  # the phone's account is gone
    5: "logged_out",
    6: "outdated",
    7: "outdated",  # bad user agent
}
"""`ConnectFailureReason`; all others are WhatsApp's own trouble and pass by themselves."""


_ALBUM_S, _ALBUM_PARTS, _ALBUMS = 300.0, 100, 256
"""How long the parts of an album may take, how many there may be, and of how many chats the last album is known."""
_PARTS = frozenset({AttachmentKind.PHOTO.value, AttachmentKind.VIDEO.value})


class Albums:
    """Which photos and videos were sent as one: WhatsApp announces an album, and its parts come by themselves."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: OrderedDict[str, tuple[str, int, float]] = OrderedDict()

    def announce(self, contact: str, album: str, parts: int) -> None:
        """So many parts will come."""
        self._open[contact] = (album, min(parts, _ALBUM_PARTS), self._clock.monotonic())
        self._open.move_to_end(contact)
        _trim(self._open, _ALBUMS)

    def album_of(self, message: Message) -> str:
        """The album that the message is a part of, or empty."""
        contact, claimed = message["contact"], message["album"]
        if not any(each["kind"] in _PARTS for each in message["attachments"]):
            return ""
        album, left, since = self._open.get(contact, ("", 0, 0.0))
        if claimed and claimed != album:
            album, left, since = claimed, _ALBUM_PARTS, self._clock.monotonic()
        if left <= 0 or self._clock.monotonic() - since > _ALBUM_S:
            return ""
        self._open[contact] = (album, left - 1, since)
        _trim(self._open, _ALBUMS)
        return album


class EventReceiver:
    """Receives the library's events for the length of one process."""

    def __init__(self, library: WhatsAppLibrary, offers: Offers, ledger: SendLedger, gateway: FrameSocket, clock: Clock) -> None:
        self._library = library
        self._offers = offers
        self._ledger = ledger
        self._gateway = gateway
        self._clock = clock
        self._since_ms = clock.now_ms()
        self._is_replaying = False
        self._unanswered = 0
        self._undecryptable = 0
        self._albums = Albums(clock)
        self.own: OwnDevice | None = None
        self.has_begun = threading.Event()
        """Set by the library's first event: from then on it may be called."""

    @property
    def is_answering(self) -> bool:
        """True while WhatsApp answers keep-alives."""
        return self._unanswered == 0

    def attach(self) -> None:
        """The library tells us. Before it connects."""
        listeners: dict[str, Callable[[Any], None]] = {
            "Connected": lambda _: self._connected(),
            "KeepAliveTimeout": self._keepalive_lost,
            "KeepAliveRestored": lambda _: self._keepalive_back(),
            "TemporaryBan": lambda event: self._gateway.send("state", state="banned", seconds=event.Expire),
            "ConnectFailure": self._connect_failed,
            "OfflineSyncPreview": lambda _: self._replaying(is_on=True),
            "OfflineSyncCompleted": lambda _: self._replaying(is_on=False),
            "UndecryptableMessage": self._not_decrypted,
            "Message": self._message,
        }
        for name, state in _STATES.items():
            listeners[name] = self._telling(state)
        for name, listener in listeners.items():
            self._library.on(name, self._guarded(listener))

    def _telling(self, state: str) -> Callable[[Any], None]:
        return lambda _: self._gateway.send("state", state=state)

    def _guarded(self, listener: Callable[[Any], None]) -> Callable[[Any], None]:
        def hear(event: Any) -> None:
            self.has_begun.set()
            try:
                listener(event)
            except Exception:  # noqa: BLE001  the top of a thread that is not ours
                self._gateway.send("unreadable")

        return hear

    def _connected(self) -> None:
        self._since_ms = self._clock.now_ms()
        self._unanswered = 0
        with contextlib.suppress(LibraryError):  # what we knew of ourselves is still true
            self.own = self._library.own() or self.own
        self._gateway.send("state", state="connected", own=own_to(self.own) if self.own is not None else None)

    def _keepalive_lost(self, event: Any) -> None:
        self._unanswered = max(self._unanswered + 1, event.ErrorCount)
        if self._unanswered >= _SILENT_AFTER:
            self._gateway.send("state", state="silent")

    def _keepalive_back(self) -> None:
        self._unanswered = 0
        self._gateway.send("state", state="connected", own=None)

    def _connect_failed(self, event: Any) -> None:
        self._gateway.send("state", state=_FAILURES.get(event.Reason, "unavailable"), seconds=None)

    def _replaying(self, *, is_on: bool) -> None:
        self._is_replaying = is_on

    def _not_decrypted(self, event: Any) -> None:
        """A person's message was lost on the way. In groups that is ordinary and nobody's concern here."""
        if self.own is None or read_chat(event.Info, self.own, lambda _: None).kind is not ChatKind.DIRECT:
            return
        self._undecryptable += 1
        self._gateway.send("undecryptable", count=self._undecryptable)

    def _is_backlog(self, sent_ms: int) -> bool:
        return self._is_replaying or sent_ms < self._since_ms - _OLD_MS

    def _message(self, event: Any) -> None:
        if self.own is None:
            self.own = self._library.own()  # just linked, and the first message is faster than the news of it
        if self.own is None:
            return
        message = read_message(event, self.own, self._library.other_address, self._clock.now_ms(), self._is_backlog)
        if message is None or (message["fromMe"] and self._is_echo(message)):
            return
        if parts := message.pop("announces"):
            self._albums.announce(message["contact"], message["id"], parts)
            return
        message["album"] = self._albums.album_of(message)
        self._offers.offer(message)

    def _is_echo(self, message: dict[str, Any]) -> bool:
        """True when this process sent it. Asked again after a send that is just under way has told us its id."""
        self._ledger.settle(frozenset({message["contact"], *message["aliases"]}), SETTLE_S)
        return self._ledger.is_ours(message["id"])
