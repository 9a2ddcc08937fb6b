"""What came with a message, fetched and found harmless to look at? Claims are refused early and believed never.

Only pictures, sounds and videos of known formats are fetched at all. Archives are never unpacked, documents never opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.errors import DataError, NotFoundError, UnavailableError
from secondme.core.media.shape import MISMATCH, UNREADABLE, Shape
from secondme.core.messages import Attachment, AttachmentKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.media.shape import Family

    Download = Callable[[str, int], Awaitable[bytes]]
    """A channel's `download`: the handle, and how many bytes at most."""

_PIECE_BYTES = 64 * 1024
_LINE_BYTES = 4096
_GOODBYE_S = 5.0
"""A killed child is gone at once; this only ends a wait that should not be."""
_PROBE = "secondme.core.media.probe"
_MIMES = {
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "image/webp": "image",
    "audio/ogg": "audio",
    "audio/mpeg": "audio",
    "audio/aac": "audio",
    "audio/amr": "audio",
    "audio/mp4": "audio",
    "video/mp4": "video",
}
_FAMILIES: dict[AttachmentKind, Family] = {
    AttachmentKind.PHOTO: "image",
    AttachmentKind.STICKER: "image",
    AttachmentKind.VOICE: "audio",
    AttachmentKind.AUDIO: "audio",
    AttachmentKind.VIDEO: "video",
}
_MESSAGES = {
    "media_too_large": "The attachment is larger than what is looked at.",
    "media_too_many_pixels": "The attachment has more pixels than what is looked at.",
    "media_too_long": "The attachment lasts longer than what is listened to.",
    UNREADABLE: "The attachment cannot be read.",
    MISMATCH: "The attachment is not what it says it is.",
}


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """How much of a stranger's file is taken."""

    size_bytes: int = 20 * 1024 * 1024
    download_s: float = 30.0
    pixels: int = 40_000_000
    """Width times height times frames. A phone's picture has 12 to 50 million, as sent 2 to 12."""
    duration_s: float = 600.0
    probe_s: float = 1.8
    """How long the child may take, so that everything is decided within 2 s; its processor time has a limit of its own."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file that may be looked at, with what it really is."""

    data: bytes
    shape: Shape


async def fetch(download: Download, attachment: Attachment, limits: MediaLimits) -> Media:
    """The attachment's bytes, downloaded, counted and found to be what they claim.

    Raises DataError (`media_too_large`, `media_too_many_pixels`, `media_too_long`, `media_unreadable`, `media_mismatch`), NotFoundError
    when it is gone, UnavailableError to try again later.
    """
    family = family_of(attachment)
    if family is None:
        raise _refusal(UNREADABLE)
    if (attachment.size_bytes or 0) > limits.size_bytes:
        raise _refusal("media_too_large")
    if (attachment.duration_s or 0) > limits.duration_s:
        raise _refusal("media_too_long")
    if not attachment.handle:
        raise NotFoundError("media_gone", "There is nothing to download.")
    try:
        async with asyncio.timeout(limits.download_s):
            data = await download(attachment.handle, limits.size_bytes)
    except TimeoutError as error:
        raise UnavailableError("media_too_slow", "The attachment did not arrive in time.") from error
    if len(data) > limits.size_bytes:
        raise _refusal("media_too_large")
    return Media(data, await inspect(data, family, limits))


async def inspect(data: bytes, family: Family, limits: MediaLimits) -> Shape:
    """What `data` really is, read by a child process. Raises DataError unless it is of `family` and within the limits."""
    shape = _understood(await _asked(data, limits))
    if shape.family != family:
        raise _refusal(MISMATCH)
    if shape.pixels > limits.pixels:
        raise _refusal("media_too_many_pixels")
    if shape.duration_s > limits.duration_s:
        raise _refusal("media_too_long")
    return shape


def family_of(attachment: Attachment) -> Family | None:
    """What an attachment claims to be; None for everything that nobody looks at. A document may be a picture sent as a file."""
    if attachment.kind is not AttachmentKind.DOCUMENT:
        return _FAMILIES.get(attachment.kind)
    kind = attachment.mime.partition("/")[0]
    return kind if kind in {"image", "audio", "video"} else None  # type: ignore[return-value]  # the three names themselves


async def _asked(data: bytes, limits: MediaLimits) -> bytes:
    """The child's line; empty when it was killed, or had too much to say."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        _PROBE,
        str(limits.duration_s),
        str(limits.pixels),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        async with asyncio.timeout(limits.probe_s):
            await _feed(child.stdin, data)
            line = await child.stdout.read(_LINE_BYTES + 1)
            return line if await child.wait() == 0 and len(line) <= _LINE_BYTES else b""
    except TimeoutError:
        return b""
    finally:
        if child.returncode is None:
            child.kill()
            async with asyncio.timeout(_GOODBYE_S):
                await child.wait()


async def _feed(stdin: asyncio.StreamWriter, data: bytes) -> None:
    """The child has everything, or wants no more. Piece by piece: the transport copies what it cannot write at once."""
    view = memoryview(data)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for start in range(0, len(view), _PIECE_BYTES):
            stdin.write(view[start : start + _PIECE_BYTES])
            await stdin.drain()
    stdin.close()


def _understood(line: bytes) -> Shape:
    """The shape that the child names. It has read a stranger's file, so its word is checked like a stranger's. Raises DataError."""
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _refusal(UNREADABLE)
    if "code" in said:
        raise _refusal(said["code"] if said["code"] in {UNREADABLE, MISMATCH} else UNREADABLE)
    mime, numbers = said.get("mime"), [said.get(name) for name in ("width", "height", "frames", "duration_s")]
    if mime not in _MIMES or said.get("family") != _MIMES[mime] or not all(_is_size(number) for number in numbers):
        raise _refusal(UNREADABLE)
    return Shape(_MIMES[mime], mime, int(numbers[0]), int(numbers[1]), int(numbers[2]), float(numbers[3]))  # type: ignore[arg-type]  # checked above


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


def _refusal(code: str) -> DataError:
    return DataError(code, _MESSAGES[code])
