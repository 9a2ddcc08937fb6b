"""How does an owner link a bot? Its token is tried, and the owner proves who they are by a message that only they can have written.

Nothing is confirmed meanwhile: what other people wrote to the bot waits for the gateway. Source: Bot API, "Deep linking" and getUpdates.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from secondme.channels.telegram.bot import asked, close, make_bot, make_tls
from secondme.channels.telegram.options import CONNECT, Options, checked_token, owner_id_of, read, wrong_owner_id
from secondme.channels.telegram.reading import Skipped, native_id, understand
from secondme.core.connecting import Linked, Question, Say
from secondme.core.errors import DataError, SecondmeError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.messages import ChatKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.channels.telegram.bot import TelegramBot
    from secondme.core.connecting import Ask, Step
    from secondme.core.manifest import ChannelContext

log = get_logger(__name__)

_PROOF_S = 300.0
"""How long the owner has to open the link."""
_LOOK_AGAIN_S = 1.0
"""With somebody else's message waiting, a poll returns at once."""
_WAIT_S = 10
_BATCH = 100
_NONCE_BYTES = 12
"""96 bits, 16 characters of those that a link may carry."""
_OWNER = Question("owner_id", "Your Telegram user id (leave empty to prove it with a message)", check=wrong_owner_id)


async def link(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """The steps to a bot that answers and an owner who is known.

    Raises CredentialsError when the token is refused, DataError for an owner's id that cannot be one, UnavailableError when Telegram
    does not answer or nobody opens the link in time.
    """
    options = await _options(context, ask)
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


async def release(context: ChannelContext) -> None:
    """Telegram calls us no more, if it could be told so. Never raises."""
    try:
        bot = make_bot(read({**context.settings, "webhook_url": ""}), await make_tls())
        try:
            await asked(bot.initialize())
            await asked(bot.delete_webhook(drop_pending_updates=False))
        finally:
            await close(bot)
    except SecondmeError as error:
        log.info("telegram_not_released", code=error.code)


async def _options(context: ChannelContext, ask: Ask) -> Options:
    token = context.settings.get("token") or await ask(
        Question("token", "Token of your Telegram bot (make one with @BotFather)", secret=True)
    )
    return read({**context.settings, "token": checked_token(str(token).strip()), "webhook_url": ""})


async def _typed_owner(ask: Ask, account: str) -> int | None:
    """The id that was typed; None when nothing was."""
    typed = (await ask(_OWNER)).strip()
    if wrong := wrong_owner_id(typed):
        raise DataError(
            "telegram_owner_id_invalid",
            f"The token is right, {account} answers; the user id is not: {wrong}.",
            "Leave it empty to prove it with a message.",
        )
    return owner_id_of(typed)


async def _proven_owner(bot: TelegramBot, nonce: str, context: ChannelContext) -> int:
    """The id of who sent the bot `/start` with the nonce, from their own private chat."""
    await asked(bot.delete_webhook(drop_pending_updates=False))
    deadline = context.clock.monotonic() + _PROOF_S
    while context.clock.monotonic() < deadline:
        updates = await asked(bot.raw_updates(None, _BATCH, _WAIT_S), _WAIT_S + 20.0)
        waiting = updates if isinstance(updates, list) else []
        for update in waiting:
            if (owner := _said(update, f"/start {nonce}")) is not None:
                return owner
        if len(waiting) >= _BATCH:
            raise UnavailableError(
                "telegram_too_much_waiting",
                "So many messages wait for the bot that yours cannot be seen behind them.",
                f"Give your user id instead: {CONNECT} asks for it.",
            )
        await context.clock.sleep(_LOOK_AGAIN_S)
    raise UnavailableError("telegram_owner_not_seen", "Nobody opened the link in five minutes.", f"Try again: {CONNECT}")


def _said(update: object, words: str) -> int | None:
    message = understand(update, None)
    if isinstance(message, Skipped) or message.kind is not ChatKind.DIRECT or message.edit_of:
        return None
    return native_id(message.contact_id) if hmac.compare_digest(message.text.encode(), words.encode()) else None
