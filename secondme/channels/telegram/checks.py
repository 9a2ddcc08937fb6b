"""Does Telegram take the bot's token? Asked over plain HTTP: the vendor's library costs half a second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from secondme.channels.telegram.options import CONNECT, read
from secondme.core.errors import CredentialsError, UnavailableError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from secondme.core.manifest import ChannelContext

_REFUSED = frozenset({401, 403, 404})
"""404: Telegram knows no bot whose token begins like this."""
_OK = 200
_MOST_BYTES = 64 * 1024


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The bot's name. Raises CredentialsError when the token is refused, ConfigError when a setting cannot work, UnavailableError."""
    import httpx  # noqa: PLC0415  only the doctor asks

    options = read(context.settings)
    body = b""
    try:
        address = f"{options.api_url}/bot{options.token}/getMe"
        async with httpx.AsyncClient(timeout=timeout_s) as client, client.stream("GET", address) as answer:
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
