"""The gateway's requests to WhatsApp: each is answered once, by a thread of its own kind, so that none waits behind another."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.device.library import LibraryError, WhatsAppLibrary
from secondme.channels.whatsapp.jids import jid_of
from secondme.channels.whatsapp.protocol import PART_BYTES, Frame, FrameSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.channels.whatsapp.device.receiver import Outcome, SendLedger

CONTACTS = 20_000
DOWNLOAD_S = 60.0
_PER_PART = 500
_AWAY_AFTER_S = 15.0
"""After the last sign of typing. While we are there, the owner's phone does not ring."""

_CERTAINLY_NOT = re.compile(
    r"^websocket not connected|^the store doesn't contain a device JID|^client is nil|^can't send presence"
    r"|^failed to get device list|^failed to send message node: websocket not connected"
)
"""What whatsmeow says before anything of the message has left. `websocket disconnected before ...` is not among it."""
_NEVER = re.compile(
    r"^can't send message to unknown server|^message recipient must be|^invalid jid|not on whatsapp|^no LID found", re.IGNORECASE
)
_REFUSED = re.compile(r"server returned error ([0-9]{3,4})")
_AGAIN = range(500, 600)
_TOO_MANY = 429
_GONE = re.compile(r"status code (403|404|410)")
_BAD = re.compile(r"hash of media|invalid media hmac|file length does not match|no url present|no downloadable|too short")


class DeviceRequests:
    """Answers the gateway's calls. `is_ready` says whether the library may be called at all."""

    def __init__(self, library: WhatsAppLibrary, ledger: SendLedger, gateway: FrameSocket, is_ready: Callable[[], bool]) -> None:
        self._library = library
        self._ledger = ledger
        self._gateway = gateway
        self._is_ready = is_ready
        self._threads = {kind: ThreadPoolExecutor(1, kind) for kind in ("send", "typing", "contacts")}
        self._threads["download"] = ThreadPoolExecutor(2, "download")
        self._away: threading.Timer | None = None

    def ask(self, frame: Frame) -> None:
        """The call is under way; its answer comes by itself. At once when a send was answered before."""
        kind, call = frame["type"], frame["call"]
        if not self._is_ready():
            self._gateway.send("answer", call=call, outcome="not_sent" if kind == "send" else "unavailable", reason="not_connected")
            return
        if kind == "send":
            begun = self._ledger.begin(frame["id"], frame["to"], call)
            if begun is False:
                return
            if begun is not True:
                self._gateway.send("answer", call=call, **begun)
                return
        self._threads[kind].submit(getattr(self, f"_{kind}"), frame)

    def _send(self, frame: Frame) -> None:
        outcome = self._sent(frame)
        for call in self._ledger.finish(frame["id"], outcome):
            self._gateway.send("answer", call=call, **outcome)
        self._be_away()

    def _sent(self, frame: Frame) -> Outcome:
        to = jid_of(frame["to"])
        if to is None:
            return {"outcome": "undeliverable", "reason": "not_a_whatsapp_id"}
        try:
            return {"outcome": "sent", "id": self._library.send(to, frame["text"], frame["expiresS"])}
        except LibraryError as error:
            return judge(error.text)
        except Exception:  # noqa: BLE001  the top of a thread: whatever it was, the message may have gone out
            return {"outcome": "unknown", "reason": "crashed"}

    def _typing(self, frame: Frame) -> None:
        to = jid_of(frame["to"])
        with contextlib.suppress(LibraryError):
            if to is not None:
                self._library.show_typing(to)
        self._gateway.send("answer", call=frame["call"])
        if self._away is not None:
            self._away.cancel()
        self._away = threading.Timer(_AWAY_AFTER_S, self._be_away)
        self._away.daemon = True
        self._away.start()

    def _be_away(self) -> None:
        with contextlib.suppress(LibraryError):  # the connection is gone, and with it our being there
            self._library.be_away()

    def _contacts(self, frame: Frame) -> None:
        try:
            people = islice(self._library.contacts(), CONTACTS)
            while some := list(islice(people, _PER_PART)):  # not the whole book in one frame
                self._gateway.send("part", call=frame["call"], contacts=some)
        except Exception:  # noqa: BLE001  as in `_sent`
            self._gateway.send("answer", call=frame["call"], outcome="unavailable")
            return
        self._gateway.send("answer", call=frame["call"], outcome="ok")

    def _download(self, frame: Frame) -> None:
        outcome, data = self._downloaded(frame["handle"], frame["limit"])
        for at in range(0, len(data), PART_BYTES):
            self._gateway.send("part", call=frame["call"], data=base64.b64encode(data[at : at + PART_BYTES]).decode())
        self._gateway.send("answer", call=frame["call"], outcome=outcome)

    def _downloaded(self, handle: str, limit: int) -> tuple[str, bytes]:
        try:
            media = base64.b64decode(handle, validate=True)
        except ValueError:
            return "bad", b""
        size = self._library.claimed_size(media)
        if size is None:
            return "bad", b""
        if size > limit:
            return "too_large", b""
        results: list[bytes | Exception] = []
        fetching = threading.Thread(target=_fetch, args=(self._library, media, results), daemon=True)
        fetching.start()
        fetching.join(DOWNLOAD_S)
        result = results[0] if results else LibraryError("timed out")
        if isinstance(result, Exception):
            text = result.text if isinstance(result, LibraryError) else ""
            return ("gone" if _GONE.search(text) else "bad" if _BAD.search(text) else "unavailable"), b""
        return ("ok", result) if len(result) <= limit else ("too_large", b"")


def judge(text: str) -> Outcome:
    """What a failed send means, by the library's words. Unless they are known, the message may have gone out."""
    if _CERTAINLY_NOT.search(text):
        return {"outcome": "not_sent", "reason": "not_connected"}
    refused = _REFUSED.search(text)
    if refused is not None:
        code = int(refused[1])
        passing = code in _AGAIN or code == _TOO_MANY
        return {"outcome": "not_sent" if passing else "undeliverable", "reason": f"refused_{code}"}
    if _NEVER.search(text):
        return {"outcome": "undeliverable", "reason": "not_reachable"}
    return {"outcome": "unknown", "reason": "no_answer"}


def _fetch(library: WhatsAppLibrary, media: bytes, results: list[bytes | Exception]) -> None:
    try:
        results.append(library.download(media))
    except Exception as error:  # noqa: BLE001  carried to the thread that waits
        results.append(error)
