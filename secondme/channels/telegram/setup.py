"""Is Telegram set up, and how is it built, linked and unlinked? The vendor's library is imported only when something is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.core.connecting import Ask, Step
    from secondme.core.ids import ContactId
    from secondme.core.manifest import ChannelContext
    from secondme.core.ports import Channel


def is_set_up(context: ChannelContext) -> bool:
    """True when there is a token."""
    return bool(context.settings.get("token"))


def build(context: ChannelContext) -> Channel:
    """The channel, not connected yet. Raises ConfigError when a setting cannot be used."""
    from secondme.channels.telegram.channel import TelegramChannel  # noqa: PLC0415  costs the vendor's library

    return TelegramChannel(context)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """Nothing is left here about the contact: Telegram's channel keeps no files."""


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """The steps that end with a bot that answers and an owner who is known."""
    from secondme.channels.telegram.linking import link  # noqa: PLC0415  costs the vendor's library

    async for step in link(context, ask):
        yield step


async def unlink(context: ChannelContext) -> None:
    """Telegram calls us no more, if it could be told. Never raises."""
    from secondme.channels.telegram.linking import release  # noqa: PLC0415  costs the vendor's library

    await release(context)
