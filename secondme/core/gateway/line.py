"""The line of one run of a channel. What a run says after its end does not count, but a message is safe whoever brings it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.messages import Admission, Challenge, ChannelState, InboundMessage
    from secondme.core.ports import Line


class RunLine:
    """Stands between one run and its connection, which outlives it."""

    def __init__(self, connection: Line) -> None:
        self._connection = connection
        self.is_over = False

    async def receive(self, message: InboundMessage) -> Admission | Challenge:
        """As the connection's."""
        return await self._connection.receive(message)

    def report(self, state: ChannelState, code: str = "") -> None:
        """As the connection's, while the run lasts."""
        if not self.is_over:
            self._connection.report(state, code)

    def alive(self) -> None:
        """As the connection's, while the run lasts."""
        if not self.is_over:
            self._connection.alive()
