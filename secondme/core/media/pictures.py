"""Pictures as a model may be shown them: copied by a child of this process, and the copy read once more before it is believed."""

from __future__ import annotations

import asyncio
import re

from secondme.core.errors import DataError
from secondme.core.media.child import ChildProgram, run_child
from secondme.core.media.confinement import DONE
from secondme.core.messages import Picture

_MOST_BYTES = 32 * 1024 * 1024
"""Of a file that is looked at: a photo of 48 megapixels has 20 MB, a screenshot of 12 as PNG 25."""
_MOST_CHILDREN = 2
CLEAN_COPY = ChildProgram("secondme.core.media.clean_copy", ("PIL", "pillow_heif"), timeout_s=30, most_bytes=3_000_000)
"""It takes half a second of CPU at most; a machine that is busy with other things may take long to give it that."""
_REFUSALS = {
    "picture_unreadable": ("The picture is damaged and cannot be read.", "Ask for it to be sent again."),
    "picture_too_large": ("The picture is larger than what is looked at.", "Ask for a smaller one."),
    "picture_needs_heic": (
        "The picture is a HEIC file, which needs a reader that is not installed.",
        'Run: pip install "secondme[heic]"',
    ),
    "picture_not_supported": (
        "The file is no picture of a kind that is read: JPEG, PNG, GIF, WebP, AVIF or HEIC.",
        "Ask for a photo or a screenshot.",
    ),
}
_HEADERS = re.compile(rb"\xff(?:[\xc0\xc4\xdb\xdd\xe0])(..)", re.DOTALL)
"""What our JPEGs have before the pixels: a frame, tables, and the header that says JFIF. No application's data, no comment."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)
"""What ends the pixels of a JPEG (ITU T.81, B.1.1.2)."""
_APP0, _JFIF_BYTES = 0xE0, 16
_SOF, _SOF_BYTES = 0xC0, 17


class PictureCleaner:
    """Makes clean copies, two at a time at most."""

    def __init__(self, max_edge: int, program: ChildProgram = CLEAN_COPY) -> None:
        self._max_edge = max_edge
        self._program = program
        self._turns = asyncio.Semaphore(_MOST_CHILDREN)

    async def clean(self, data: bytes) -> Picture:
        """What `data` shows: one frame of it, upright, on white, its longest edge at most `max_edge`, without metadata.

        Raises DataError (`picture_unreadable`, `picture_too_large`, `picture_needs_heic`, `picture_not_supported`) when this file never will
        be shown, UnavailableError when the machine cannot start a child. Cancelled, no child is left.
        """
        if len(data) > _MOST_BYTES:
            raise _refusal("picture_too_large")
        async with self._turns:
            answer = await run_child(self._program, data, str(self._max_edge))
        if answer is None:
            raise _refusal("picture_unreadable")
        if answer.outcome != DONE:
            raise _refusal(answer.outcome)
        width, height = jpeg_size(answer.payload)
        if not 0 < max(width, height) <= self._max_edge or not width or not height:
            raise _refusal("picture_unreadable")
        return Picture(answer.payload, width, height)


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height of a plain JPEG, read from its first byte to its last; zeros when it is anything else, or has a word of metadata."""
    place, size = 2, (0, 0)
    while header := _HEADERS.match(jpeg, place):
        kind, length = jpeg[place + 1], int.from_bytes(header[1])
        if kind == _SOF:
            if length != _SOF_BYTES or size != (0, 0):
                return 0, 0
            size = int.from_bytes(jpeg[place + 7 : place + 9]), int.from_bytes(jpeg[place + 5 : place + 7])
        if kind == _APP0 and (length != _JFIF_BYTES or not jpeg.startswith(b"JFIF\0", place + 4)):
            return 0, 0
        place += 2 + length
    end = _MARKER.search(jpeg, place + 2)
    is_whole = end is not None and end[0] == b"\xff\xd9" and end.end() == len(jpeg)
    return size if is_whole and jpeg.startswith(b"\xff\xd8") and jpeg.startswith(b"\xff\xda", place) else (0, 0)


def _refusal(code: str) -> DataError:
    """A child's word for it counts only if it is one of ours."""
    code = code if code in _REFUSALS else "picture_unreadable"
    return DataError(code, *_REFUSALS[code])
