"""The life of the device process: it does what its gateway says until that goes away, writes down what is not safe, and ends.

The main thread only reads frames, so a ping is answered as long as this process runs at all. The library's threads and the threads
that call it may hang: the process still ends in time.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.account import Message, own_from, own_to, read_spool, write_spool
from secondme.channels.whatsapp.device.library import LibraryError, MissingLibraryError, WhatsAppLibrary
from secondme.channels.whatsapp.device.receiver import EventReceiver, Offers, SendLedger
from secondme.channels.whatsapp.device.requests import DeviceRequests
from secondme.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from secondme.channels.whatsapp.protocol import Frame, FrameSocket
    from secondme.core.ports import Clock

_DISCONNECT_S = 0.5
_QUIET_S = 0.2
"""Nothing came from the library for this long after it was disconnected: its channel of events is empty."""
_DRAIN_S = 1.0
"""Together less than the two seconds after which the gateway sends SIGTERM."""
_CALLS = frozenset({"send", "typing", "contacts", "download"})


class Session:
    """One process's worth of being a linked device."""

    def __init__(
        self, gateway: FrameSocket, directory: Path, clock: Clock, load: Callable[[str], WhatsAppLibrary] = WhatsAppLibrary
    ) -> None:
        self._gateway = gateway
        self._directory = directory
        self._clock = clock
        self._load = load
        self._offers = Offers(self._hand_over, read_spool(directory))
        self._ledger = SendLedger()
        self._library: WhatsAppLibrary | None = None
        self._hearing: EventReceiver | None = None
        self._answering: DeviceRequests | None = None
        self._is_ending = threading.Event()

    def run(self) -> None:
        """Do as the frames say until there are no more, or `stop` is among them. Raises DataError for a gateway that talks nonsense."""
        for frame in self._gateway.receive():
            kind = frame["type"]
            if kind == "ping":
                self._gateway.send("pong")
            elif kind == "done":
                self._offers.done(frame["seq"])
            elif kind == "stop":
                return
            elif kind == "start" and self._library is None:
                self._start(frame)
            elif kind in _CALLS and self._answering is not None:
                self._answering.ask(frame)
            elif kind == "piece" and self._answering is not None:
                self._answering.keep(frame)

    def end(self) -> None:
        """Nothing is offered any more, WhatsApp sends nothing more, and what the gateway does not have is in the spool. Within 1.7 s."""
        self._is_ending.set()
        self._offers.close()
        self._ledger.close()
        if self._library is not None and self._hearing is not None and self._hearing.has_begun.is_set():
            disconnecting = _thread(_quietly, self._library.disconnect)
            disconnecting.join(_DISCONNECT_S)
            self._drain()
        write_spool(self._directory, self._offers.left())

    def _drain(self) -> None:
        """The library has delivered what it had already told WhatsApp to have arrived."""
        deadline = self._clock.monotonic() + _DRAIN_S
        count = -1
        while count != self._offers.offered and self._clock.monotonic() < deadline:
            count = self._offers.offered
            threading.Event().wait(_QUIET_S)

    def _start(self, frame: Frame) -> None:
        try:
            library = self._load(frame["device"])
        except MissingLibraryError:
            self._gateway.send("failed", code="whatsapp_library_missing")
            return
        self._gateway.send("hello")
        hearing = EventReceiver(library, self._offers, self._ledger, self._gateway, self._clock)
        hearing.own = _own_of(frame.get("own"))
        self._library, self._hearing = library, hearing
        self._answering = DeviceRequests(library, self._ledger, self._gateway, hearing.has_begun.is_set)
        hearing.attach()
        mode = frame["mode"]
        if mode != "run":
            self._offers.close()  # messages that arrive meanwhile are for the gateway's own start
        if mode == "link":
            self._prepare_linking(library, hearing, frame.get("phone") or "")
        elif mode == "unlink":
            library.on("Connected", lambda _: _thread(self._unlink, library))
        else:
            library.on_qr(
                lambda _: self._gateway.send("state", state="logged_out")
            )  # a session without keys asks to be linked anew
            _thread(self._watch, library, hearing, float(frame["pollS"]))
        _thread(self._connect, library, offering=mode == "run")

    def _connect(self, library: WhatsAppLibrary, *, offering: bool) -> None:
        if offering and self._offers.offer_left():
            with contextlib.suppress(OSError):  # what could not be read cannot be erased either
                write_spool(self._directory, [])
        if self._is_ending.is_set():
            return
        try:
            library.connect()
        except Exception:  # noqa: BLE001  the top of a thread
            self._gateway.send("failed", code="whatsapp_unreachable")
        else:
            self._gateway.send("failed", code="whatsapp_ended")

    def _watch(self, library: WhatsAppLibrary, hearing: EventReceiver, poll_s: float) -> None:
        """Tell the gateway now and then that WhatsApp is there. A call that does not return tells nothing."""
        while not self._is_ending.wait(poll_s):
            if hearing.has_begun.is_set() and library.is_alive() and hearing.is_answering:
                self._gateway.send("alive")

    def _prepare_linking(self, library: WhatsAppLibrary, hearing: EventReceiver, phone: str) -> None:
        is_pairing = threading.Event()

        def show(payload: str) -> None:
            hearing.has_begun.set()
            if not phone:
                self._gateway.send("qr", payload=payload)
            elif not is_pairing.is_set():
                is_pairing.set()
                _thread(self._pair, library, phone)

        def paired(event: Any) -> None:
            if event.Status != event.SUCCESS:
                self._gateway.send("failed", code="whatsapp_pairing_refused")

        def connected(_: Any) -> None:
            hearing.has_begun.set()
            _thread(self._linked, library)

        library.on_qr(show)
        library.on("PairStatus", paired)
        library.on("Connected", connected)

    def _pair(self, library: WhatsAppLibrary, phone: str) -> None:
        try:
            self._gateway.send("code", code=library.pair(phone))
        except LibraryError:
            self._gateway.send("failed", code="whatsapp_pairing_refused")

    def _linked(self, library: WhatsAppLibrary) -> None:
        own = library.own()
        self._gateway.send("linked", own=own_to(own)) if own is not None else self._gateway.send(
            "failed", code="whatsapp_no_account"
        )

    def _unlink(self, library: WhatsAppLibrary) -> None:
        try:
            library.logout()
        except LibraryError:
            self._gateway.send("failed", code="whatsapp_unreachable")
        else:
            self._gateway.send("gone")

    def _hand_over(self, number: int, message: Message) -> None:
        self._gateway.send("message", seq=number, message=message)


def _own_of(record: Any) -> Any:
    try:
        return own_from(record)
    except DataError:
        return None


def _thread(work: Callable[..., None], *arguments: Any, **named: Any) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, kwargs=named, daemon=True)
    thread.start()
    return thread


def _quietly(work: Callable[[], None]) -> None:
    with contextlib.suppress(LibraryError):  # it was not connected
        work()
