"""Setting up Telegram: the steps of linking a bot, what is checked, and building the channel."""

from __future__ import annotations

import hmac
import json
import secrets
from typing import TYPE_CHECKING

from secondme.channels.telegram.manifest import CONNECT, ID
from secondme.channels.telegram.settings import checked_token, owner_id_of, read_options, wrong_owner_id
from secondme.core.channel_plugin import Ask, ChannelContext, Linked, LinkQuestion, Say, Step
from secondme.core.errors import CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.log import get_logger
from secondme.core.messages import ChatKind
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.channels.telegram.bot import TelegramBot
    from secondme.core.ports import Channel

log = get_logger(__name__)

_REFUSED = frozenset({401, 403, 404})
"""404: Telegram knows no bot whose token begins like this."""
_OK = 200
_MOST_BYTES = 64 * 1024
_PROOF_S = 300.0
"""How long the owner has to open the link."""
_LOOK_AGAIN_S = 1.0
"""With somebody else's message waiting, a poll returns at once."""
_WAIT_S = 10
_BATCH = 100
_NONCE_BYTES = 12
"""96 bits, 16 characters of those that a link may carry."""
QUESTIONS = {
    "token": LinkQuestion("token", "Token of your Telegram bot (make one with @BotFather)", secret=True),
    "owner_id": LinkQuestion("owner_id", "Your Telegram user id (leave empty to prove it with a message)", check=wrong_owner_id),
}


def is_set_up(context: ChannelContext) -> bool:
    """True when there is a token."""
    return bool(context.settings.get("token"))


def owner_chat(context: ChannelContext) -> ContactId | None:
    """The owner's private chat with the bot; None while nobody said who the owner is."""
    owner = context.settings.get("owner_id")
    return ContactId(f"{ID}:{int(owner)}") if owner else None


def build(context: ChannelContext) -> Channel:
    """The channel, not connected yet. Raises ConfigError when a setting cannot be used."""
    from secondme.channels.telegram.channel import TelegramChannel  # noqa: PLC0415  costs the vendor's library

    return TelegramChannel(context)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """Nothing is left here about the contact: Telegram's channel keeps no files."""


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """The steps to a bot that answers and an owner who is known.

    Raises CredentialsError when the token is refused, DataError for an owner's id that cannot be one, UnavailableError when Telegram
    does not answer or nobody opens the link in time.
    """
    from secondme.channels.telegram.bot import asked, close, make_bot  # noqa: PLC0415  as above
    from secondme.core.http import make_tls  # noqa: PLC0415  as above

    token = context.settings.get("token") or await ask(QUESTIONS["token"])
    options = read_options({**context.settings, "token": checked_token(str(token).strip()), "webhook_url": ""})
    bot = make_bot(options, await make_tls())
    try:
        await asked(bot.initialize())
        account = f"@{bot.username}"
        yield Say(f"The bot {account} answers.")
        owner = options.owner_id or await _typed_owner(ask, account)
        if owner is None:
            nonce = secrets.token_urlsafe(_NONCE_BYTES)
            yield Say(f"Open this link in your own Telegram and press Start: https://t.me/{bot.username}?start={nonce}")
            owner = await _proven_owner(bot, nonce, context)
            yield Say("Telegram says that this was you.")
        yield Linked(account, {"token": options.token, "owner_id": owner})
    finally:
        await close(bot)


async def unlink(context: ChannelContext) -> None:
    """Telegram calls us no more, if it could be told so. Never raises."""
    from secondme.channels.telegram.bot import asked, close, make_bot  # noqa: PLC0415  as above
    from secondme.core.http import make_tls  # noqa: PLC0415  as above

    try:
        bot = make_bot(read_options({**context.settings, "webhook_url": ""}), await make_tls())
        try:
            await asked(bot.initialize())
            await asked(bot.delete_webhook(drop_pending_updates=False))
        finally:
            await close(bot)
    except SecondmeError as error:
        log.info("telegram_not_released", code=error.code)


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The bot's name. Raises CredentialsError when the token is refused, ConfigError when a setting cannot work, UnavailableError."""
    import httpx  # noqa: PLC0415  only the doctor asks

    from secondme.core.http import open_client  # noqa: PLC0415  as above

    options = read_options(context.settings)
    body = b""
    try:
        address = f"{options.api_url}/bot{options.token}/getMe"
        async with await open_client(address, timeout=timeout_s) as client, client.stream("GET", address) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    break
        if answer.status_code in _REFUSED:
            raise CredentialsError("telegram_token_refused", "Telegram refuses the bot's token.", CONNECT)
        if answer.status_code != _OK:
            raise UnavailableError("telegram_unreachable", f"Telegram failed (status {answer.status_code}).")
        return f"@{safe_name(str(json.loads(body)['result']['username']))}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, KeyError, TypeError, RecursionError):
        # without its cause: the address, and so the token, is in its text
        raise UnavailableError("telegram_unreachable", "Telegram does not answer properly.") from None


async def _typed_owner(ask: Ask, account: str) -> int | None:
    """The id that was typed; None when nothing was."""
    typed = (await ask(QUESTIONS["owner_id"])).strip()
    if wrong := wrong_owner_id(typed):
        raise DataError(
            "telegram_owner_id_invalid",
            f"The token is right, {account} answers; the user id is not: {wrong}.",
            "Leave it empty to prove it with a message.",
        )
    return owner_id_of(typed)


async def _proven_owner(bot: TelegramBot, nonce: str, context: ChannelContext) -> int:
    """The id of who sent the bot `/start` with the nonce, from their own private chat."""
    from secondme.channels.telegram.bot import asked  # noqa: PLC0415  as above

    await asked(bot.delete_webhook(drop_pending_updates=False))
    deadline = context.clock.monotonic() + _PROOF_S
    while context.clock.monotonic() < deadline:
        updates = await asked(bot.raw_updates(None, _BATCH, _WAIT_S), _WAIT_S + 20.0)
        waiting = updates if isinstance(updates, list) else []
        for update in waiting:
            if (owner := _sender_of(update, f"/start {nonce}")) is not None:
                return owner
        if len(waiting) >= _BATCH:
            raise UnavailableError(
                "telegram_too_much_waiting",
                "So many messages wait for the bot that yours cannot be seen behind them.",
                f"Give your user id instead: {CONNECT} asks for it.",
            )
        await context.clock.sleep(_LOOK_AGAIN_S)
    raise UnavailableError("telegram_owner_not_seen", "Nobody opened the link in five minutes.", f"Try again: {CONNECT}")


def _sender_of(update: object, words: str) -> int | None:
    """Who wrote exactly `words` in a private chat with the bot; None when this update is something else."""
    from secondme.channels.telegram.updates import Skipped, native_id, understand  # noqa: PLC0415  as above

    message = understand(update, None)
    if isinstance(message, Skipped) or message.kind is not ChatKind.DIRECT or message.edit_of:
        return None
    return native_id(message.contact_id) if hmac.compare_digest(message.text.encode(), words.encode()) else None
