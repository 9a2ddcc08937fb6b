"""The Telegram channel: private chats with one bot, sending, and downloads, which are counted as they come.

Source of the limits: Bot API, sendMessage and getFile. Telegram gives bots files of up to 20 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from secondme.channels.telegram.bot import (
    CALL_S,
    FAILURES,
    RefusedError,
    TelegramBot,
    asked,
    close,
    make_bot,
    never_left,
    trouble,
)
from secondme.channels.telegram.manifest import ID
from secondme.channels.telegram.polling import Poller
from secondme.channels.telegram.settings import TelegramOptions, read_options
from secondme.channels.telegram.updates import Intake, count, name_of, native_id, table
from secondme.channels.telegram.webhook import Webhook, is_authentic
from secondme.core.errors import DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.http import make_client, make_tls
from secondme.core.ids import ChannelId, ContactId
from secondme.core.log import get_logger
from secondme.core.messages import (
    ChannelContact,
    ChannelState,
    MessageContent,
    NotSent,
    SendOutcome,
    Sent,
    Undeliverable,
    VoiceRefused,
    WebhookAnswer,
    WebhookRequest,
)

if TYPE_CHECKING:
    from telegram import Message

    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.ports import ChannelHost


DOWNLOAD_S = 60.0
"""A download in all, however slowly it drips."""
_TIMES = httpx.Timeout(10.0)
"""Seconds to connect, and between two pieces."""
_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[^/\\?#%:\x00-\x1f][^\\?#%:\x00-\x1f]{0,1023}")
"""A path below the bot's own files: relative, and nowhere upwards."""
_BAD_REQUEST, _GONE, _FILE_FLOOD, _OK = 400, {404, 410}, 429, 200


async def download(bot: TelegramBot, client: httpx.AsyncClient, file_id: str, limit_bytes: int) -> bytes:
    """The file. Raises NotFoundError when it is gone, DataError when it is over `limit_bytes`, UnavailableError to try again later."""
    try:
        async with asyncio.timeout(DOWNLOAD_S):
            return await _read(client, await _address(bot, file_id, limit_bytes), limit_bytes)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError):
        raise _unreachable() from None  # the library's error has the token in its address


async def _address(bot: TelegramBot, file_id: str, limit_bytes: int) -> str:
    try:
        async with asyncio.timeout(CALL_S):
            file = table(await bot.raw_file(file_id))
    except FAILURES as error:
        raise _refused(error) from None
    size, path = count(file.get("file_size")), file.get("file_path")
    if size is not None and size > limit_bytes:
        raise _too_large()
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise DataError("telegram_file_unreadable", "Telegram's server gives files in a way that is not understood.")
    return f"{bot.base_file_url}/{quote(path, errors='replace')}"


async def _read(client: httpx.AsyncClient, address: str, limit_bytes: int) -> bytes:
    async with client.stream("GET", address) as answer:
        if answer.status_code in _GONE:
            raise _not_found()
        if answer.status_code == _FILE_FLOOD:
            raise UnavailableError("telegram_flood_wait", "Telegram asks for a pause.")
        if answer.status_code != _OK:
            raise _unreachable()
        data = bytearray()
        async for piece in answer.aiter_raw():  # raw: nothing is unpacked, so nothing grows
            data += piece
            if len(data) > limit_bytes:
                raise _too_large()
        return bytes(data)


def _refused(error: Exception) -> SecondmeError:
    if isinstance(error, RefusedError) and error.status == _BAD_REQUEST:
        return _too_large() if "too big" in error.description.lower() else _not_found()
    return trouble(error)


def _not_found() -> NotFoundError:
    return NotFoundError("telegram_file_gone", "Telegram does not have this file any more.")


def _too_large() -> DataError:
    return DataError("telegram_file_too_large", "This file is larger than allowed.")


def _unreachable() -> UnavailableError:
    return UnavailableError("telegram_file_unreachable", "The file cannot be downloaded now.")


log = get_logger(__name__)

_TYPING_S = 4.0
"""Later than this nobody needs to be told any more that somebody typed."""
_FLOOD_WAIT_S = 5.0
"""When Telegram does not say how long."""
_REFUSED_TOKEN, _FORBIDDEN, _FLOOD, _SERVER_ERRORS = {401, 404}, 403, 429, 500
_NO_VOICE = {400, 403}
_VOICE_NAME = "voice.ogg"
_NEVER = {400: "telegram_refused", 413: "telegram_message_too_long"}
_REASONS = {
    "chat not found": "telegram_chat_not_found",
    "too long": "telegram_message_too_long",
    "is empty": "telegram_message_empty",
}
"""What Telegram's description says, and the reason in our words."""


def _topic(thread: str) -> int | None:
    return int(thread) if thread else None


async def _sent(bot: TelegramBot, user: int, content: MessageContent, topic: int | None) -> Message:
    """What Telegram made of the words, or of the voice that says them. A voice note has no caption: that would be the words twice."""
    if content.voice is None:
        return await bot.send_message(user, content.text, message_thread_id=topic)
    seconds = max(1, round(content.voice.seconds))
    return await bot.send_voice(user, content.voice.data, duration=seconds, message_thread_id=topic, filename=_VOICE_NAME)


def _voice_refusal(error: RefusedError) -> str:
    """Why the voice note was refused, where the words may still be taken; empty when it is something else. Premium users can forbid bots
    and strangers to send them any."""
    description = error.description.lower()
    if error.status in _NO_VOICE and "voice" in description:
        return "voice_forbidden"
    is_about_the_chat = any(words in description for words in ("chat not found", "thread not found"))
    return "telegram_refused" if error.status in _NEVER and not is_about_the_chat else ""


class TelegramChannel:
    """Private chats with one bot."""

    def __init__(self, context: ChannelContext) -> None:
        self._context = context
        self._clock = context.clock
        self._secret = str(context.settings.get("webhook_secret") or "")
        self._bot: TelegramBot | None = None
        self._client: httpx.AsyncClient | None = None
        self._webhook: Webhook | None = None
        self._flood_until = 0.0

    @property
    def id(self) -> ChannelId:
        """`telegram`."""
        return ChannelId(ID)

    @property
    def account(self) -> str:
        """The id of the bot, which every token begins with."""
        return str(self._context.settings.get("token") or "").partition(":")[0]

    @property
    def owner_chat(self) -> ContactId | None:
        """The owner's private chat with the bot; None while nobody said who the owner is."""
        owner = self._context.settings.get("owner_id")
        return ContactId(f"{ID}:{int(owner)}") if owner else None

    @property
    def invite_link(self) -> str:
        """What opens a chat with the bot; behind Start, Telegram sends `/start` and the code. Empty until Telegram said what the bot is called."""
        name = self._bot.called if self._bot is not None else ""
        return f"https://t.me/{name}?start=" if name else ""

    async def run(self, host: ChannelHost) -> None:
        """Receive until cancelled; then its connections are closed. What Telegram still has, it keeps for the next run."""
        host.report(ChannelState.CONNECTING)
        options = read_options(self._context.settings)
        tls = await make_tls()
        bot = make_bot(options, tls)
        try:
            await asked(bot.initialize())
            async with make_client(options.api_url, tls, timeout=_TIMES, headers={"Accept-Encoding": "identity"}) as client:
                self._bot, self._client = bot, client
                await self._receive(bot, host, options)
        finally:
            self._bot = self._client = self._webhook = None
            await close(bot)

    async def _receive(self, bot: TelegramBot, host: ChannelHost, options: TelegramOptions) -> None:
        intake = Intake(host, options.owner_id)
        if options.webhook_url:
            self._webhook = Webhook(bot, host, intake, options, self._clock)
            await self._webhook.watch()
        await asked(bot.delete_webhook(drop_pending_updates=False))
        await Poller(bot, host, intake, self._context, options.poll_s).run()

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:  # noqa: ARG002  the Bot API has no place for it
        """Send plain text or a voice note, once. Raises UnavailableError when nobody knows whether it went out."""
        user = native_id(contact_id)
        if user is None:
            return Undeliverable("not_a_telegram_contact")
        if self._bot is None:
            return NotSent("not_connected")
        if (rest := self._flood_until - self._clock.monotonic()) > 0:
            return NotSent("telegram_flood_wait", rest)
        try:
            async with asyncio.timeout(CALL_S):
                message = await self._said(self._bot, user, content)
        except FAILURES as error:
            return self._not_sent(error, is_voice=content.voice is not None)
        return Sent(str(message.message_id))

    async def _said(self, bot: TelegramBot, user: int, content: MessageContent) -> Message:
        """What Telegram made of it: in its topic, or, when that is gone, in the chat."""
        try:
            return await _sent(bot, user, content, _topic(content.thread))
        except RefusedError as error:
            if not content.thread or error.status != _BAD_REQUEST or "thread not found" not in error.description.lower():
                raise
        return await _sent(bot, user, content, None)

    async def typing(self, contact_id: ContactId, thread: str = "", *, recording: bool = False) -> None:
        """The contact sees for five seconds that an answer is typed, or recorded, if all is well."""
        user = native_id(contact_id)
        if user is None or self._bot is None or self._flood_until > self._clock.monotonic():
            return
        try:
            async with asyncio.timeout(_TYPING_S):
                await self._bot.send_chat_action(user, "record_voice" if recording else "typing", message_thread_id=_topic(thread))
        except FAILURES as error:
            with contextlib.suppress(UnavailableError):
                self._not_sent(error)  # Telegram may ask for a pause here too

    async def contacts(self) -> list[ChannelContact]:
        """Nobody: a bot has no address book."""
        return []

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        """Somebody who has written to the bot, under the name that they gave themselves; Telegram tells no bot their number."""
        user = native_id(contact_id)
        if user is None:
            return None
        if self._bot is None:
            raise UnavailableError("not_connected", "Telegram is not connected.")
        try:
            async with asyncio.timeout(CALL_S):
                chat = table(await self._bot.raw_chat(user))
        except FAILURES as error:
            if isinstance(error, RefusedError) and error.status == _BAD_REQUEST:
                return None
            raise trouble(error) from None
        return ChannelContact(contact_id, name_of(chat)) if chat.get("id") == user else None

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        """The file of an attachment."""
        if self._bot is None or self._client is None:
            raise UnavailableError("not_connected", "Telegram is not connected.")
        return await download(self._bot, self._client, handle, limit_bytes)

    def refusal_of(self, head: WebhookRequest) -> WebhookAnswer | None:
        """403 for everybody who does not know the secret."""
        if not is_authentic(head, self._secret):
            return WebhookAnswer(403)
        if head.method != "POST":
            return WebhookAnswer(405)
        return None if self._webhook is not None else WebhookAnswer(503)

    async def handle_webhook(self, request: WebhookRequest) -> WebhookAnswer:
        """The answer to a call in Telegram's name."""
        if (refused := self.refusal_of(request)) is not None:
            return refused
        assert self._webhook is not None
        try:
            return await self._webhook.handle_webhook(request)
        except Exception as error:  # noqa: BLE001  the top of a call: whoever passed it on has promised Telegram an answer
            log.error("telegram_webhook_failed", error)
            return WebhookAnswer(503)

    def _not_sent(self, error: Exception, *, is_voice: bool = False) -> SendOutcome:
        """What is known after a call that failed. Raises UnavailableError when that is nothing."""
        if is_voice and isinstance(error, RefusedError) and (reason := _voice_refusal(error)):
            return VoiceRefused(reason)
        if isinstance(error, RefusedError) and error.status < _SERVER_ERRORS:
            return self._refused(error)
        if never_left(error):
            return NotSent("telegram_unreachable")
        raise UnavailableError("telegram_send_unknown", "Nobody knows whether Telegram has the message.") from None

    def _refused(self, error: RefusedError) -> SendOutcome:
        if error.status == _FLOOD:
            wait_s = error.retry_after_s or _FLOOD_WAIT_S
            self._flood_until = max(self._flood_until, self._clock.monotonic() + wait_s)
            return NotSent("telegram_flood_wait", wait_s)
        if error.status in _REFUSED_TOKEN:
            return NotSent("telegram_token_refused")
        if error.status == _FORBIDDEN:
            return Undeliverable("telegram_blocked")
        if error.status in _NEVER:
            description = error.description.lower()
            reasons = [reason for words, reason in _REASONS.items() if words in description]
            return Undeliverable(reasons[0] if reasons else _NEVER[error.status])
        return NotSent("telegram_refused")
