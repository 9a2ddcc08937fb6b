"""Inspection of admitted messages by the content analyser, beside their way and never on it.

Nothing here changes, delays or blocks a message: a suspicious one is a line in the security log, and the reply is composed as ever.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.core.log import Fact, get_logger
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity

if TYPE_CHECKING:
    from secondme.core.messages import InboundMessage

log = get_logger(__name__)

_WAITING = 1000
"""Messages that wait to be looked at: at 64 KB each this is 64 MB, and at 20 ms each 20 s."""


class Inspector:
    """Looks at one message after the other, in a thread."""

    def __init__(self, security: SecurityLog, *, max_length: int) -> None:
        self._security = security
        self._max_length = max_length
        self._waiting: asyncio.Queue[InboundMessage] = asyncio.Queue(_WAITING)
        self._passed_over = 0

    def offer(self, message: InboundMessage) -> None:
        """The message will be looked at soon; when too many wait already it is counted instead. Returns at once."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self._passed_over += 1

    async def run(self) -> None:
        """Look at what was offered, until cancelled."""
        while True:
            message = await self._waiting.get()
            try:
                findings = await asyncio.to_thread(_look_at, message.text, self._max_length)
            except Exception as error:  # noqa: BLE001  one message that breaks the analyser must not end it
                log.error("content_analysis_failed", error)
                continue
            if findings:
                channel = message.channel_id
                await self._security.record(
                    SecurityEvent.SUSPICIOUS_CONTENT, Severity.WARN, message.contact_id, channelId=channel, **findings
                )
            if self._passed_over and self._waiting.empty():
                count, self._passed_over = self._passed_over, 0
                await self._security.record(SecurityEvent.CONTENT_NOT_ANALYZED, Severity.WARN, count=count)


def _look_at(text: str, max_length: int) -> dict[str, Fact]:
    """What is suspicious about a text, without a word of it; empty when nothing is. The analyser and its lists come with the first message."""
    from secondme.core.admit.content import analyze_content, describe  # noqa: PLC0415  60 ms, in a thread

    analysis = analyze_content(text, max_length=max_length)
    return describe(analysis) if analysis.should_log else {}
