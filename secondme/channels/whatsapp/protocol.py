"""The protocol between the gateway and the device process: frames of JSON, each behind its length in four bytes.

    gateway -> start {mode: run|link|unlink, device, phone, own, pollS}    the first frame, once
    gateway -> done {seq}                                           the message is safe; the library may go on
    gateway -> piece {id, at, data}                                 of a voice note; all of them come before its `send`
    gateway -> send {call, id, to, text, expiresS, voice?: {sizeBytes, seconds, waveform}}
    gateway -> typing {call, to, recording} | contacts {call} | download {call, handle, limit}
    gateway -> ping | stop
    device  -> hello                                               the library is loaded
    device  -> state {state, ...} | alive | undecryptable {count}
    device  -> message {seq, message}                              waits for its `done`
    device  -> part {call, ...} | answer {call, ...}               parts of a large answer come before it
    device  -> qr {payload} | code {code} | linked {own} | gone    while linking and unlinking
    device  -> failed {code}                                       the last frame; then it ends
    device  -> pong

Neither side believes the other: a frame that is too long, no JSON object, or without a type ends the connection.
"""

from __future__ import annotations

import contextlib
import json
import struct
import threading
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

Frame = dict[str, Any]
"""A JSON object with a `type`; JSON has no closer type."""
FRAME_LIMIT = 1024 * 1024
"""Bytes of one frame. The longest is a message of 65,536 characters, at most 400 kB as JSON."""
PART_BYTES = 384 * 1024
"""How much of a download or a voice note goes into one frame, before base64 makes a third more of it."""
_LENGTH = struct.Struct(">I")
_CHUNK_BYTES = 65_536


def encode(frame: Frame) -> bytes:
    """The frame as bytes. Raises DataError when it is too long."""
    body = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(body) > FRAME_LIMIT:
        raise DataError("whatsapp_frame_too_long", "A message to the device process is too long.")
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Bytes in, frames out, however the bytes were cut."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises DataError at the first that is none; nothing after it can be trusted."""
        self._rest += data
        frames = []
        while len(self._rest) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._rest)
            if size > FRAME_LIMIT:
                raise DataError("whatsapp_bad_frame", "The device process sent a frame that is too long.")
            if len(self._rest) < _LENGTH.size + size:
                break
            frames.append(_decode(bytes(self._rest[_LENGTH.size : _LENGTH.size + size])))
            del self._rest[: _LENGTH.size + size]
        return frames


def _decode(body: bytes) -> Frame:
    try:
        frame = json.loads(body)
    except (ValueError, RecursionError):  # nested beyond reason
        frame = None
    if not isinstance(frame, dict) or not isinstance(frame.get("type"), str):
        raise DataError("whatsapp_bad_frame", "The device process does not speak the gateway's protocol.")
    return frame


class FrameSocket:
    """The device process's end: any thread may send, only the main one reads."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._sending = threading.Lock()
        self._frames = Frames()

    def send(self, kind: str, **fields: object) -> None:
        """The frame is on its way, or the gateway is gone: then reading ends, and that is where it is noticed."""
        data = encode({"type": kind, **fields})
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(data)

    def receive(self) -> Iterator[Frame]:
        """Frames, until the gateway is gone. Raises DataError when it does not speak the protocol."""
        while True:
            try:
                data = self._socket.recv(_CHUNK_BYTES)
            except OSError:
                return
            if not data:
                return
            yield from self._frames.feed(data)
