"""Does a text say the same again and again, the way spam does and laughter does not?"""

from __future__ import annotations

import zlib
from collections import Counter

READ = 4096
"""Characters looked at piece by piece; a pattern that starts later shows in the compressed size."""
_PIECE = 10
"""A repeated part is at least this long: `haha`, `!!!` and rows of emoji are shorter."""
_TIMES = 4
_SPAN = 80
"""Characters that a repetition covers before it counts: people do say a short thing five times."""
_LAUGHTER = 600
"""Even a short part, repeated over this many characters, is no laughter."""
_PRESSED = 65_536
"""Bytes that are compressed."""
_RATIO = 0.05
"""Measured: prose 0.3 and more, random letters 0.23, one sentence over and over 0.007 to 0.018."""


def repeated_at(text: str) -> int | None:
    """Where in `text` a part begins that is repeated over and over; None when there is none. Linear: one look per character."""
    head = text[:READ]
    last: dict[str, int] = {}
    distances: Counter[int] = Counter()
    first: dict[int, int] = {}
    for index in range(len(head) - _PIECE + 1):
        piece = head[index : index + _PIECE]
        before = last.get(piece)
        last[piece] = index
        if before is not None:
            distance = index - before
            distances[distance] += 1
            first.setdefault(distance, before)
    for distance, pieces in distances.items():
        covered = pieces + distance + _PIECE - 1
        if covered >= max(_SPAN, _TIMES * distance) if distance >= _PIECE else covered >= _LAUGHTER:
            return first[distance]
    if len(text) > READ:
        raw = text.encode("utf-8", "replace")[:_PRESSED]
        if len(zlib.compress(raw, 1)) < _RATIO * len(raw):
            return 0
    return None
