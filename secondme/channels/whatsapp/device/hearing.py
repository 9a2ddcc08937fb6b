"""What happens on WhatsApp, and who is told? Every event of the library is turned into a frame, or into nothing.

These handlers run in the library's own thread, and it waits for each. Nothing may escape from them: ctypes would print it and go on.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.account import own_to
from secondme.channels.whatsapp.device.library import LibraryError
from secondme.channels.whatsapp.device.parse import read_chat, read_message
from secondme.core.messages import ChatKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.channels.whatsapp.device.ledger import Ledger
    from secondme.channels.whatsapp.device.library import Library
    from secondme.channels.whatsapp.device.offers import Offers
    from secondme.channels.whatsapp.device.wire import Wire
    from secondme.channels.whatsapp.jids import Own
    from secondme.core.ports import Clock

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


class Hearing:
    """Listens to the library for the length of one process."""

    def __init__(self, library: Library, offers: Offers, ledger: Ledger, wire: Wire, clock: Clock) -> None:
        self._library = library
        self._offers = offers
        self._ledger = ledger
        self._wire = wire
        self._clock = clock
        self._since_ms = clock.now_ms()
        self._is_replaying = False
        self._unanswered = 0
        self._undecryptable = 0
        self.own: Own | None = None
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
            "TemporaryBan": lambda event: self._wire.send("state", state="banned", seconds=event.Expire),
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
        return lambda _: self._wire.send("state", state=state)

    def _guarded(self, listener: Callable[[Any], None]) -> Callable[[Any], None]:
        def hear(event: Any) -> None:
            self.has_begun.set()
            try:
                listener(event)
            except Exception:  # noqa: BLE001  the top of a thread that is not ours
                self._wire.send("unreadable")

        return hear

    def _connected(self) -> None:
        self._since_ms = self._clock.now_ms()
        self._unanswered = 0
        with contextlib.suppress(LibraryError):  # what we knew of ourselves is still true
            self.own = self._library.own() or self.own
        self._wire.send("state", state="connected", own=own_to(self.own) if self.own is not None else None)

    def _keepalive_lost(self, event: Any) -> None:
        self._unanswered = max(self._unanswered + 1, event.ErrorCount)
        if self._unanswered >= _SILENT_AFTER:
            self._wire.send("state", state="silent")

    def _keepalive_back(self) -> None:
        self._unanswered = 0
        self._wire.send("state", state="connected", own=None)

    def _connect_failed(self, event: Any) -> None:
        self._wire.send("state", state=_FAILURES.get(event.Reason, "unavailable"), seconds=None)

    def _replaying(self, *, is_on: bool) -> None:
        self._is_replaying = is_on

    def _not_decrypted(self, event: Any) -> None:
        """A person's message was lost on the way. In groups that is ordinary and nobody's concern here."""
        if self.own is None or read_chat(event.Info, self.own, lambda _: None).kind is not ChatKind.DIRECT:
            return
        self._undecryptable += 1
        self._wire.send("undecryptable", count=self._undecryptable)

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
        self._offers.offer(message)

    def _is_echo(self, message: dict[str, Any]) -> bool:
        """True when this process sent it. Asked again after a send that is just under way has told us its id."""
        self._ledger.settle(frozenset({message["contact"], *message["aliases"]}), SETTLE_S)
        return self._ledger.is_ours(message["id"])
