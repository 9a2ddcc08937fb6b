"""Are the session's files whole, and could the library be loaded? Nothing is connected: a second connection would end the first."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
from importlib.util import find_spec
from typing import TYPE_CHECKING

from secondme.channels.whatsapp.account import DATABASE, load_account
from secondme.channels.whatsapp.failures import failure
from secondme.core.errors import CredentialsError, DataError
from secondme.core.ids import mask_contact_id

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.manifest import ChannelContext

_SQLITE = b"SQLite format 3\x00"
_LIBMAGIC = ("libmagic.so.1", "libmagic.dylib")
_CONNECT = "secondme channels connect whatsapp"


async def look(context: ChannelContext, timeout_s: float) -> str:
    """The linked number, masked. Raises CredentialsError when the phone threw this device out, DataError when a file cannot be read,
    ConfigError without the library."""
    async with asyncio.timeout(timeout_s):
        return await asyncio.to_thread(_look, context.directory)


def _look(directory: Path) -> str:
    account = load_account(directory)
    if account is None:
        raise failure("not_linked")
    if account.is_logged_out:
        raise CredentialsError("whatsapp_logged_out", "The phone has logged this device out.", _CONNECT)
    if not _is_database(directory / DATABASE):
        raise DataError("whatsapp_bad_session", "The keys of the WhatsApp session are gone or damaged.", _CONNECT)
    if find_spec("neonize") is None or not _has_libmagic():
        raise failure("library_missing")
    return mask_contact_id(f"{account.own.phone}@c.us").partition("@")[0]


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _has_libmagic() -> bool:
    """True when the library that neonize needs for types of files can be loaded."""
    for name in _LIBMAGIC:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return ctypes.util.find_library("magic") is not None
