"""Which messages has the gateway not yet? They are offered one at a time, and what is left at the end is written to the spool."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from secondme.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondme.channels.whatsapp.spool import Message


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
