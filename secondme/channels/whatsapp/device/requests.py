"""The gateway's requests to WhatsApp: each is answered once, by a thread of its own kind, so that none waits behind another."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from secondme.channels.whatsapp.device.library import LibraryError, WhatsAppLibrary
from secondme.channels.whatsapp.jids import jid_of
from secondme.channels.whatsapp.protocol import PART_BYTES, Frame, FrameSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from secondme.channels.whatsapp.device.receiver import Outcome, SendLedger

CONTACTS = 20_000
DOWNLOAD_S = 60.0
UPLOAD_S = 12.0
"""Less than the gateway waits for a send: a voice note that is not there by then is sent as text."""
_KEPT_BYTES = 32 << 20
"""Of voice notes whose `send` did not come yet. The longest is a few hundred kB."""
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


_Result = TypeVar("_Result")


class DeviceRequests:
    """Answers the gateway's calls. `is_ready` says whether the library may be called at all."""

    def __init__(self, library: WhatsAppLibrary, ledger: SendLedger, gateway: FrameSocket, is_ready: Callable[[], bool]) -> None:
        self._library = library
        self._ledger = ledger
        self._gateway = gateway
        self._is_ready = is_ready
        self._threads = {kind: ThreadPoolExecutor(1, kind) for kind in ("send", "typing", "contacts")}
        self._threads |= {kind: ThreadPoolExecutor(2, kind) for kind in ("download", "upload")}
        self._voices: OrderedDict[str, bytearray] = OrderedDict()
        """Voice notes as far as they came, by the id of their send. The main thread's alone."""
        self._away: threading.Timer | None = None

    def keep(self, frame: Frame) -> None:
        """A piece of a voice note is kept for its `send`. One that does not fit to what came before makes the note incomplete."""
        name, at = str(frame.get("id")), frame.get("at")
        kept = bytearray() if at == 0 else self._voices.pop(name, bytearray())
        with contextlib.suppress(ValueError, TypeError):
            kept += base64.b64decode(frame["data"], validate=True) if at == len(kept) else b""
        self._voices[name] = kept
        while sum(map(len, self._voices.values())) > _KEPT_BYTES:
            self._voices.popitem(last=False)

    def ask(self, frame: Frame) -> None:
        """The call is under way; its answer comes by itself. At once when a send was answered before."""
        kind, call = frame["type"], frame["call"]
        voice = bytes(self._voices.pop(frame["id"], b"")) if kind == "send" else b""
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
            if frame.get("voice"):
                self._threads["upload"].submit(self._upload, frame, voice)
                return
        self._threads[kind].submit(getattr(self, f"_{kind}"), frame)

    def _upload(self, frame: Frame, data: bytes) -> None:
        """What is uploaded goes on to the thread that sends: it holds up nobody's message."""
        facts = frame["voice"]
        if len(data) != facts["sizeBytes"]:
            self._finish(frame, {"outcome": "voice_refused", "reason": "incomplete"})
            return
        message = _attempted(
            lambda: self._library.upload_voice(data, facts["seconds"], base64.b64decode(facts["waveform"])), UPLOAD_S
        )
        if isinstance(message, Exception):
            self._finish(frame, judge_upload(message))
        else:
            self._threads["send"].submit(self._send, frame, message)

    def _send(self, frame: Frame, voice: Any = None) -> None:  # a generated protobuf class
        self._finish(frame, self._sent(frame, voice))

    def _finish(self, frame: Frame, outcome: Outcome) -> None:
        for call in self._ledger.finish(frame["id"], outcome):
            self._gateway.send("answer", call=call, **outcome)
        self._be_away()

    def _sent(self, frame: Frame, voice: Any) -> Outcome:  # as above
        to = jid_of(frame["to"])
        if to is None:
            return {"outcome": "undeliverable", "reason": "not_a_whatsapp_id"}
        try:
            if voice is not None:
                return {"outcome": "sent", "id": self._library.send_voice(to, voice, frame["expiresS"])}
            return {"outcome": "sent", "id": self._library.send(to, frame["text"], frame["expiresS"])}
        except LibraryError as error:
            return judge(error.text)
        except Exception:  # noqa: BLE001  the top of a thread: whatever it was, the message may have gone out
            return {"outcome": "unknown", "reason": "crashed"}

    def _typing(self, frame: Frame) -> None:
        to = jid_of(frame["to"])
        with contextlib.suppress(LibraryError):
            if to is not None:
                self._library.show_typing(to, recording=frame["recording"])
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
        result = _attempted(lambda: self._library.download(media), DOWNLOAD_S)
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


def judge_upload(error: Exception) -> Outcome:
    """What a failed upload means: nobody has a message. Without a connection words would not leave either."""
    if isinstance(error, LibraryError) and "not connected" in error.text:
        return {"outcome": "not_sent", "reason": "not_connected"}
    return {"outcome": "voice_refused", "reason": "upload_timed_out" if isinstance(error, TimeoutError) else "upload_failed"}


def _attempted(work: Callable[[], _Result], seconds: float) -> _Result | Exception:
    """What it returned or raised; TimeoutError after `seconds`, and then it is left to itself: the library cannot be interrupted."""
    results: list[_Result | Exception] = []

    def attempt() -> None:
        try:
            results.append(work())
        except Exception as error:  # noqa: BLE001  carried to the thread that waits
            results.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(seconds)
    return results[0] if results else TimeoutError()
