"""The device process's end of the socket to the gateway: any thread may send, only the main one reads."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.protocol import Frame, Frames, encode

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

_CHUNK = 65_536


class Wire:
    """Frames to and from the gateway."""

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
                data = self._socket.recv(_CHUNK)
            except OSError:
                return
            if not data:
                return
            yield from self._frames.feed(data)
