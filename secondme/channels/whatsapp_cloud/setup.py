"""Setting up the WhatsApp Cloud API: the questions that are asked, what is checked, and building the channel."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from secondme.channels.whatsapp_cloud.manifest import CONNECT, ID
from secondme.channels.whatsapp_cloud.settings import account_of, is_token
from secondme.core.channel_plugin import Ask, ChannelContext, Linked, LinkQuestion, Say, Step
from secondme.core.errors import ConfigError
from secondme.core.ids import ContactId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.channels.whatsapp_cloud.channel import WhatsAppCloudChannel

_PATH = "/webhooks/whatsapp_cloud"
_TOKEN_BYTES = 24


def is_set_up(context: ChannelContext) -> bool:
    """True when there is a number and a token to speak for it."""
    account = account_of(context.settings)
    return bool(account.access_token and account.phone_number_id)


def owner_chat(context: ChannelContext) -> ContactId | None:
    """The owner's chat with the business number; None while nobody said what the owner's own number is."""
    number = account_of(context.settings).owner_number
    return ContactId(f"{ID}:{number}") if number else None


def build(context: ChannelContext) -> WhatsAppCloudChannel:
    """The channel, not connected yet."""
    from secondme.channels.whatsapp_cloud.channel import WhatsAppCloudChannel  # noqa: PLC0415  imports the HTTP library

    return WhatsAppCloudChannel(account_of(context.settings), context.clock)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """Nothing: this channel keeps no files."""
    del context, contact_id


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The number as Meta shows it. Raises as `display_number` of the channel, ConfigError when a setting is missing, TimeoutError."""
    import asyncio  # noqa: PLC0415  only the doctor asks

    account_of(context.settings).check()
    async with asyncio.timeout(timeout_s):
        return await build(context).display_number()


async def unlink(context: ChannelContext) -> None:
    """Nothing: a token is taken back in Meta's own settings."""
    del context


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """The steps until Meta took the token, and what remains to be done in Meta's settings. Raises when an answer cannot work."""
    yield Say(
        "You need an app with WhatsApp in Meta's developer settings (developers.facebook.com); API Setup shows what is asked here."
    )
    number_id = _digits("phone_number_id", await ask(_NUMBER_ID))
    token = (await ask(_TOKEN)).strip()
    secret = (await ask(_SECRET)).strip()
    chosen = (await ask(LinkQuestion("verify_token", "Verify token, a word of your own (empty: one is made)", secret=True))).strip()
    owner = _digits("owner_number", await ask(_OWNER))
    settings = {
        "phone_number_id": number_id,
        "access_token": token,
        "app_secret": secret,
        "verify_token": chosen or secrets.token_urlsafe(_TOKEN_BYTES),
        "owner_number": owner,
    }
    tried = replace(context, settings={**context.settings, **settings})
    account_of(tried.settings).check()
    number = await build(tried).display_number()
    yield Say(
        f"Meta knows the number {number}. In Meta's settings (WhatsApp > Configuration), set the callback URL to"
        f" <your https address>{_PATH} and enter the verify token, then subscribe to `messages` (and to `smb_message_echoes`"
        " if you also write in the Business app)."
    )
    if not chosen:
        yield Say(f"The verify token: {settings['verify_token']}")
    yield Linked(account=number, settings=settings)


def _plain(answer: str) -> str:
    plain = answer.strip().removeprefix("+")
    for ornament in " -()./":
        plain = plain.replace(ornament, "")
    return plain


def _wrong_number(answer: str) -> str:
    plain = _plain(answer)
    return "" if not plain or (plain.isascii() and plain.isdigit()) else "it is digits only"


def _wrong_id(answer: str) -> str:
    return _wrong_number(answer) if _plain(answer) else "Meta shows it, and it is needed"


def _wrong_token(answer: str) -> str:
    return "" if is_token(answer.strip()) else "a token has no blanks or quotes, and it is needed"


def _wrong_secret(answer: str) -> str:
    return "" if answer.strip() else "without it Meta's calls could be anybody's"


def _digits(name: str, answer: str) -> str:
    """The digits of a number as people write it. Raises ConfigError when there are letters in it, or for an id that is empty."""
    if _wrong_id(answer) if name == _NUMBER_ID.name else _wrong_number(answer):
        raise ConfigError(f"whatsapp_cloud_bad_{name}", f"whatsapp_cloud.{name} is digits only.", CONNECT)
    return _plain(answer)


_NUMBER_ID = LinkQuestion("phone_number_id", "Phone number ID", check=_wrong_id)
_TOKEN = LinkQuestion("access_token", "Access token (a system user's does not expire)", secret=True, check=_wrong_token)
_SECRET = LinkQuestion("app_secret", "App secret (App settings > Basic)", secret=True, check=_wrong_secret)
_OWNER = LinkQuestion("owner_number", "Your own number, with country code", check=_wrong_number)
