"""Telegram's webhook: every call must know the secret; 200 says that what was in it is safe.

Telegram repeats a call until it is answered with 200, one at a time as we ask it to. Source: Bot API, setWebhook and getWebhookInfo.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import TYPE_CHECKING, Never

from secondme.channels.telegram.bot import ALLOWED_UPDATES, CALL_S, FAILURES, RefusedError, TelegramBot, asked, trouble
from secondme.core.clock import to_ms
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ChannelState, WebhookAnswer, WebhookRequest

if TYPE_CHECKING:
    from telegram import WebhookInfo

    from secondme.channels.telegram.settings import TelegramOptions
    from secondme.channels.telegram.updates import Intake
    from secondme.core.ports import ChannelHost, Clock

log = get_logger(__name__)

_SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105  the header's name
_HEAR_S = 25.0
"""Telegram waits longer; an answer that comes too late is repeated anyway."""
_LOOK_S = 60.0
_RECENT_MS = 120_000
_FAILURES_IN_A_ROW = 5
_BAD_REQUEST = 400


def is_authentic(request: WebhookRequest, secret: str) -> bool:
    """True when the request knows the secret. Nothing else of it was looked at."""
    claimed = request.header(_SECRET_HEADER)
    if not secret or claimed is None:
        return False
    return hmac.compare_digest(claimed.encode("utf-8", "surrogatepass"), secret.encode())


class Webhook:
    """Telegram's calls while the channel runs."""

    def __init__(self, bot: TelegramBot, host: ChannelHost, intake: Intake, options: TelegramOptions, clock: Clock) -> None:
        self._bot = bot
        self._host = host
        self._intake = intake
        self._options = options
        self._clock = clock
        self._turn = asyncio.Lock()
        self._is_stalled = False

    async def handle_webhook(self, request: WebhookRequest) -> WebhookAnswer:
        """The answer to an authentic call: 200 when it is safe or nobody will ever be able to read it, 503 to be called again."""
        try:
            update = json.loads(request.body)
        except (ValueError, RecursionError):
            update = None
        if not isinstance(update, dict):  # how deep it is, the reader asks
            log.warning("telegram_update_skipped", reason="unreadable")
            return WebhookAnswer(200)
        try:
            async with asyncio.timeout(_HEAR_S), self._turn:
                return WebhookAnswer(200 if await self._intake.take(update) else 503)
        except TimeoutError:
            log.warning("telegram_webhook_slow")
            return WebhookAnswer(503)

    async def watch(self) -> Never:
        """Telegram calls us, and once a minute we look whether it can. Raises ConfigError when it refuses the address, UnavailableError
        when it does not answer, or calls somebody else."""
        await self._set()
        self._host.report(ChannelState.CONNECTED)
        failures = 0
        while True:
            try:
                self._look(await asked(self._bot.get_webhook_info()))
                failures = 0
            except UnavailableError as error:
                failures += 1
                if failures >= _FAILURES_IN_A_ROW or error.code == "telegram_webhook_lost":
                    raise
            await self._clock.sleep(_LOOK_S)

    async def _set(self) -> None:
        try:
            async with asyncio.timeout(CALL_S):
                await self._bot.set_webhook(
                    self._options.webhook_url,
                    secret_token=self._options.webhook_secret,
                    allowed_updates=ALLOWED_UPDATES,
                    max_connections=1,  # more would overtake each other
                    drop_pending_updates=False,
                )
        except FAILURES as error:
            if isinstance(error, RefusedError) and error.status == _BAD_REQUEST:
                raise ConfigError(
                    "telegram_webhook_refused",
                    "Telegram does not accept telegram.webhook_url.",
                    "It must be an https address that Telegram can reach; or leave it out, and we poll.",
                ) from None
            raise trouble(error) from None

    def _look(self, info: WebhookInfo) -> None:
        if info.url != self._options.webhook_url:
            raise UnavailableError(
                "telegram_webhook_lost", "Another program changed this bot's webhook.", "Stop the other program."
            )
        self._host.alive()
        error_at = info.last_error_date
        recent = error_at is not None and self._clock.now_ms() - to_ms(error_at) < _RECENT_MS
        stalled = recent and info.pending_update_count > 0
        if stalled:
            self._host.report(ChannelState.STALLED, "telegram_webhook_failing")
        elif self._is_stalled:
            self._host.report(ChannelState.CONNECTED)
        self._is_stalled = stalled
