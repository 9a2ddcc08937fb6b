"""The pictures that a reply is written from: of the burst, of what it quotes, and of a moment ago."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from secondme.core.media.pictures import jpeg_size
from secondme.core.messages import Picture, ShownPictures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secondme.core.ids import ContactId
    from secondme.core.media.shelf import Shelf


class Album:
    """The pictures on the shelf, as models are shown them."""

    def __init__(self, shelf: Shelf, most: int) -> None:
        self._shelf = shelf
        self._most = most

    async def look(self, contact: ContactId, messages: Sequence[str]) -> ShownPictures:
        """As the port says."""
        return await asyncio.to_thread(self._look, contact, messages)

    async def refuse(self, contact: ContactId, shown: ShownPictures) -> None:
        """As the port says: no copy of them is left."""

        def drop() -> None:
            for message in shown.numbers:
                with contextlib.suppress(OSError):
                    self._shelf.drop(contact, message)

        await asyncio.to_thread(drop)

    def _look(self, contact: ContactId, messages: Sequence[str]) -> ShownPictures:
        pictures: list[Picture] = []
        numbers: dict[str, dict[int, int]] = {}
        for message in messages:
            for at, picture in self._of(contact, message):
                if len(pictures) == self._most:
                    return ShownPictures(tuple(pictures), numbers)
                pictures.append(picture)
                numbers.setdefault(message, {})[at] = len(pictures)
        return ShownPictures(tuple(pictures), numbers)

    def _of(self, contact: ContactId, message: str) -> Iterator[tuple[int, Picture]]:
        for at, path in sorted(self._shelf.find(contact, message).items()):
            if path.suffix == ".jpg":
                with contextlib.suppress(OSError):
                    data = path.read_bytes()
                    width, height = jpeg_size(data)
                    if width and height:
                        yield at, Picture(data, width, height)
