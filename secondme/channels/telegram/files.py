"""What does a file id stand for? The bytes themselves, counted as they come, from the configured server only.

Source: Bot API, getFile. Telegram gives bots files of up to 20 MB.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from secondme.channels.telegram.bot import CALL_S, FAILURES, RefusedError, trouble
from secondme.channels.telegram.values import count, table
from secondme.core.errors import DataError, NotFoundError, SecondmeError, UnavailableError

if TYPE_CHECKING:
    import ssl

    from secondme.channels.telegram.bot import TelegramBot

DOWNLOAD_S = 60.0
"""A download in all, however slowly it drips."""
_TIMES = httpx.Timeout(10.0)
"""Seconds to connect, and between two pieces."""
_PATH = re.compile(r"(?!.*(?:^|/)\.\.?(?:/|$))[^/\\?#%:\x00-\x1f][^\\?#%:\x00-\x1f]{0,1023}")
"""A path below the bot's own files: relative, and nowhere upwards."""
_BAD_REQUEST, _GONE, _FLOOD, _OK = 400, {404, 410}, 429, 200


def make_client(tls: ssl.SSLContext) -> httpx.AsyncClient:
    """A client for downloads. It follows no redirect."""
    return httpx.AsyncClient(verify=tls, timeout=_TIMES, follow_redirects=False, headers={"Accept-Encoding": "identity"})


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
        if answer.status_code == _FLOOD:
            raise UnavailableError("telegram_flood_wait", "Telegram asks for a pause.")
        if answer.status_code != _OK:
            raise _unreachable()
        found = bytearray()
        async for piece in answer.aiter_raw():  # raw: nothing is unpacked, so nothing grows
            found += piece
            if len(found) > limit_bytes:
                raise _too_large()
        return bytes(found)


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
