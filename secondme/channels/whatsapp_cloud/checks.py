"""Does Meta know our number and take the token?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.channels.whatsapp_cloud.account import account_of
from secondme.channels.whatsapp_cloud.setup import build

if TYPE_CHECKING:
    from secondme.core.manifest import ChannelContext


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The number as Meta shows it. Raises as `display_number` of the channel, ConfigError when a setting is missing, TimeoutError."""
    account_of(context.settings).check()
    async with asyncio.timeout(timeout_s):
        return await build(context).display_number()
