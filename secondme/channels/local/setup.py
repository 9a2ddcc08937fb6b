"""Setting up the local channel, which is always there: nothing has to be linked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.core.channel_plugin import Linked
from secondme.core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.core.channel_plugin import Ask, ChannelContext, Step
    from secondme.core.ids import ContactId
    from secondme.core.ports import Channel


def is_set_up(context: ChannelContext) -> bool:
    """True."""
    del context
    return True


def owner_chat(context: ChannelContext) -> ContactId | None:
    """The owner's own chat, once they have opened it; None before."""
    from secondme.channels.local.channel import mail_path  # noqa: PLC0415  as below
    from secondme.channels.local.protocol import OWNER  # noqa: PLC0415  as below

    return OWNER if mail_path(context.directory, OWNER).exists() else None


def build(context: ChannelContext) -> Channel:
    """The channel, not yet running."""
    from secondme.channels.local.channel import LocalChannel  # noqa: PLC0415  only a gateway needs it

    return LocalChannel(context.socket, context.directory, context.clock)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """Nothing of the contact waits on disk any more, and no name has its id. Repeatable."""
    from secondme.channels.local.channel import mail_path, voice_path  # noqa: PLC0415  as above
    from secondme.channels.local.names import LocalNames  # noqa: PLC0415  as above

    LocalNames(context.directory, lambda _: False).forget(contact_id)

    for path in (mail_path, voice_path):
        path(context.directory, contact_id).unlink(missing_ok=True)


async def connect(context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
    """It is linked at once: there is nothing to ask."""
    del context, ask
    yield Linked("this machine")


async def look(context: ChannelContext, timeout_s: float) -> str:
    """Where it answers. Raises UnavailableError when it does not."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_unix_connection(context.socket)
    except (OSError, TimeoutError) as error:
        raise UnavailableError("local_not_answering", "The local channel does not answer.", "secondme doctor gateway") from error
    writer.close()
    return str(context.socket)


async def unlink(context: ChannelContext) -> None:
    """Nothing: there is no link."""
    del context
