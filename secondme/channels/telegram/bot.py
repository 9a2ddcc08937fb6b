"""A client of the Bot API that puts neither a token nor a message into a log, and gives every failure a known cause.

python-telegram-bot carries the calls. Three things of it are not left to it: it writes answers that it cannot read into the log, with
whatever somebody wrote; it names the token in an exception; and it reads updates all together, so that one it does not understand hides
the others. Source: Bot API, "Making requests" and "ResponseParameters".
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from telegram import Bot
from telegram.error import TelegramError
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from secondme.channels.telegram.manifest import CONNECT
from secondme.core.errors import CredentialsError, SecondmeError, UnavailableError
from secondme.core.http import make_transport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable

    from secondme.channels.telegram.settings import TelegramOptions

ALLOWED_UPDATES = ("message", "edited_message")
CALL_S = 20.0
"""A call in all, a poll's waiting not counted."""
SHUTDOWN_S = 5.0
_CONNECT_S, _READ_S, _WRITE_S, _POOL_S = 8.0, 10.0, 10.0, 3.0
"""Each less than CALL_S: the library's own time-out says more about where it happened."""
_CONNECTIONS = 16
_MAX_RETRY_AFTER_S = 86_400
_OK_BELOW = 300
_REFUSED_TOKEN = {401, 404}
"""404 is what Telegram says to a malformed token; none of our calls has a wrong name."""
_CONFLICT, _FLOOD = 409, 429
_QUIET = ("httpx", "httpcore", "telegram")
"""Their loggers put addresses with the token, or whole messages, into lines below WARNING."""
_FIRST_UPDATE = re.compile(rb'"update_id"\s*:\s*([0-9]{1,18})\b')

_USER_NAME = re.compile(r"[A-Za-z0-9_]{3,64}", re.ASCII)

T = TypeVar("T")


class RefusedError(TelegramError):
    """The Bot API answered, and the answer is no. `description` is Telegram's; it is matched, never shown or written down."""

    def __init__(self, status: int, description: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.description = description
        self.retry_after_s = retry_after_s


class UnreadableAnswerError(TelegramError):
    """The answer is not what the Bot API promises. `first_update` is the id of the first update in it, if that much can be seen."""

    def __init__(self, first_update: int | None = None) -> None:
        super().__init__("unreadable answer")
        self.first_update = first_update


FAILURES = (TelegramError, TimeoutError, KeyError, TypeError, ValueError, AttributeError)
"""What a call may raise. The last four are the library's, for an answer of another shape than it expects."""


class BotRequest(HTTPXRequest):
    """The library's HTTP, with failures of ours."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,  # the library's private "not given"; here and below
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Status and body of an answer that is a yes. Raises RefusedError for a no."""
        status, body = await super().do_request(
            url, method, request_data, read_timeout, write_timeout, connect_timeout, pool_timeout
        )
        if status >= _OK_BELOW:
            raise _refusal(status, body)
        return status, body

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer's object. Raises UnreadableError, and writes nothing into any log, unlike the library's own."""
        try:
            answer = json.loads(payload)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("ok") is not True or "result" not in answer:
            first = _FIRST_UPDATE.search(payload)
            raise UnreadableAnswerError(int(first[1]) if first else None) from None
        return answer


class TelegramBot(Bot):
    """The library's bot, with the answers that must be read one by one left as they came."""

    @property
    def called(self) -> str:
        """The bot's user name without the `@`; empty until Telegram said it, or when it is none."""
        try:
            name = self.username
        except (*FAILURES, RuntimeError):
            return ""
        return name if _USER_NAME.fullmatch(name) else ""

    async def raw_updates(self, offset: int | None, limit: int, wait_s: int) -> object:
        """What getUpdates answers, unread."""
        parameters = {"offset": offset, "limit": limit, "timeout": wait_s, "allowed_updates": list(ALLOWED_UPDATES)}
        return await self._post("getUpdates", parameters, read_timeout=wait_s + _READ_S)

    async def raw_chat(self, user: int) -> object:
        """What getChat answers, unread."""
        return await self._post("getChat", {"chat_id": user})

    async def raw_file(self, file_id: str) -> object:
        """What getFile answers, unread: the library would take a path on this machine for a local server's answer."""
        return await self._post("getFile", {"file_id": file_id})


def make_bot(options: TelegramOptions, tls: ssl.SSLContext) -> TelegramBot:
    """A bot that is not connected yet; `initialize` connects, `shutdown` must follow. Raises NetworkConfigError."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return TelegramBot(
        options.token,
        base_url=f"{options.api_url}/bot",
        base_file_url=f"{options.api_url}/file/bot",
        request=_wire(options.api_url, _CONNECTIONS, tls),
        get_updates_request=_wire(options.api_url, 1, tls),
    )


async def asked(call: Awaitable[T], seconds: float = CALL_S) -> T:
    """What the call answers. Raises CredentialsError or UnavailableError in our words, without what the library said: it has the token."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except FAILURES as error:
        raise trouble(error) from None


async def close(bot: TelegramBot) -> None:
    """Its connections are closed, or given up after SHUTDOWN_S."""
    try:
        async with asyncio.timeout(SHUTDOWN_S):
            await bot.shutdown()
    except FAILURES:
        pass  # there is nothing left to do with it


def trouble(error: Exception) -> SecondmeError:
    """The cause of a failed call, in our words."""
    status = error.status if isinstance(error, RefusedError) else None
    if status in _REFUSED_TOKEN:
        return CredentialsError("telegram_token_refused", "Telegram refused the bot's token.", CONNECT)
    if status == _CONFLICT:
        return UnavailableError(
            "telegram_conflict",
            "Another program receives this bot's messages.",
            "Stop the other program, or make another bot for it with BotFather.",
        )
    if status == _FLOOD:
        assert isinstance(error, RefusedError)
        return UnavailableError(
            "telegram_flood_wait", "Telegram asks for a pause.", "It goes on by itself.", retry_after_s=error.retry_after_s
        )
    return UnavailableError("telegram_unreachable", "Telegram does not answer properly.", "Check the network and telegram.api_url.")


def never_left(error: BaseException) -> bool:
    """True when the request certainly did not reach Telegram: no connection was made, the proxy's included, or none was free."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError):
            return True
        cause = cause.__cause__
    return False


def _wire(base: str, connections: int, tls: ssl.SSLContext) -> BotRequest:
    return BotRequest(
        connections,
        read_timeout=_READ_S,
        write_timeout=_WRITE_S,
        media_write_timeout=_WRITE_S,
        connect_timeout=_CONNECT_S,
        pool_timeout=_POOL_S,
        httpx_kwargs={"transport": make_transport(base, tls, limits=httpx.Limits(max_connections=connections)), "trust_env": False},
    )


def _refusal(status: int, body: bytes) -> RefusedError:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        answer = {}
    description, parameters = answer.get("description"), answer.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return RefusedError(
        status,
        description if isinstance(description, str) else "",
        float(min(max(wait, 1), _MAX_RETRY_AFTER_S)) if type(wait) is int else None,
    )
