"""Long polling: nothing is confirmed before it is safe, and no update stops those behind it.

Telegram keeps an update until a poll asks for a later one. We ask for it only after every update before it was handed over. Source: Bot
API, getUpdates.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Never

from secondme.channels.telegram.bot import CALL_S, FAILURES, RefusedError, TelegramBot, UnreadableAnswerError, trouble
from secondme.channels.telegram.updates import Intake, Json, count
from secondme.core.errors import UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ChannelState
from secondme.core.retry import backoff_s

if TYPE_CHECKING:
    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.ports import ChannelHost

log = get_logger(__name__)

_BATCH = 100
_FAILURES_IN_A_ROW = 5
"""After so many the manager decides when it is tried again."""
_UNREADABLE_TRIES = 3
"""An update that hides itself and all behind it is stepped over, unless it was only a bad answer."""
_AGAIN_S, _AGAIN_LIMIT_S = 0.5, 8.0
_OFFER_AGAIN_S, _OFFER_AGAIN_LIMIT_S = 0.2, 5.0
_FLOOD_WAIT_S = 5.0
"""When Telegram does not say how long."""
_SLICE_S = 30.0
_FLOOD = 429
_REFUSED_FOR_GOOD = {401, 404, 409}


class Poller:
    """One loop of polls over a connected bot."""

    def __init__(self, bot: TelegramBot, host: ChannelHost, intake: Intake, context: ChannelContext, poll_s: int) -> None:
        self._bot = bot
        self._host = host
        self._intake = intake
        self._clock = context.clock
        self._rng = context.rng
        self._poll_s = poll_s
        self._offset: int | None = None
        self._singles = 0
        """Polls for one update each that are still to come."""
        self._connected = False
        self._failures = 0
        self._unreadable = 0
        self._refusals = 0

    async def run(self) -> Never:
        """Receive until cancelled. Raises CredentialsError when the token is refused, UnavailableError for what the next start may cure."""
        while True:
            try:
                async with asyncio.timeout(self._poll_s + CALL_S):
                    updates = _identified(await self._bot.raw_updates(self._offset, 1 if self._singles else _BATCH, self._wait_s()))
            except FAILURES as error:
                await self._after_failure(error)
                continue
            self._after_answer()
            await self._hand_over(updates)

    def _wait_s(self) -> int:
        """Not at all until we know that we are heard: the state is known at once and not after half a minute."""
        return self._poll_s if self._connected else 0

    def _after_answer(self) -> None:
        self._failures = self._unreadable = 0
        self._singles = max(0, self._singles - 1)
        if not self._connected:
            self._connected = True
            self._host.report(ChannelState.CONNECTED)
        self._host.alive()

    async def _hand_over(self, updates: list[tuple[int, Json]]) -> None:
        """The next poll confirms what is safe by then, and brings the rest again: that is also the platform's sign of life meanwhile."""
        if not updates:
            # Everything before the offset is forgotten by now. Without one, a bot that nobody wrote to for a week is not deaf to what
            # comes then under a lower id (go-telegram-bot-api, issue 156).
            self._offset = None
            self._singles = 0
        safe = 0
        for identity, update in updates:
            if not await self._intake.take(update):
                self._refusals += 1
                await self._clock.sleep(backoff_s(self._refusals - 1, _OFFER_AGAIN_S, _OFFER_AGAIN_LIMIT_S, self._rng))
                return
            self._refusals = 0
            self._offset = safe = max(safe, identity + 1)

    async def _after_failure(self, error: Exception) -> None:
        if isinstance(error, RefusedError):
            if error.status in _REFUSED_FOR_GOOD:
                raise trouble(error) from None
            if error.status == _FLOOD:
                self._report_down("telegram_flood_wait")
                await self._wait_out(error.retry_after_s or _FLOOD_WAIT_S)
                return
        if isinstance(error, UnreadableAnswerError) and error.first_update is not None:
            self._step_over(error.first_update)
        self._failures += 1
        self._report_down("telegram_unreachable")
        if self._failures > _FAILURES_IN_A_ROW:
            raise UnavailableError("telegram_unreachable", "Telegram does not answer.", "Check the network and telegram.api_url.")
        await self._clock.sleep(backoff_s(self._failures - 1, _AGAIN_S, _AGAIN_LIMIT_S, self._rng))

    async def _wait_out(self, seconds: float) -> None:
        """`seconds` have passed, and nobody took the wait for silence: Telegram does answer."""
        until = self._clock.monotonic() + seconds
        while (rest := until - self._clock.monotonic()) > 0:
            self._host.alive()
            await self._clock.sleep(min(rest, _SLICE_S))

    def _step_over(self, first: int) -> None:
        """The next polls are for one update each; when one is the unreadable one, and stays so, the poll after it goes past it."""
        if not self._singles:
            self._singles = _BATCH
            return
        self._unreadable += 1
        if self._unreadable >= _UNREADABLE_TRIES:
            log.warning("telegram_update_skipped", reason="unreadable_answer")
            self._offset, self._unreadable, self._failures = first + 1, 0, 0

    def _report_down(self, code: str) -> None:
        self._connected = False
        self._host.report(ChannelState.CONNECTING, code)


def _identified(answer: object) -> list[tuple[int, Json]]:
    """The updates with their ids, as they came; what has no id is left out, as Telegram forgets it with those behind it.

    Raises UnreadableError when it is no list, or nothing in it has an id.
    """
    if not isinstance(answer, list):
        raise UnreadableAnswerError
    identified = [
        (identity, update)
        for update in answer
        if isinstance(update, dict) and (identity := count(update.get("update_id"))) is not None
    ]
    if len(identified) < len(answer):
        log.warning("telegram_update_skipped", reason="no_id", count=len(answer) - len(identified))
        if not identified:
            raise UnreadableAnswerError
    return identified
