"""Which emoji are in a text? Whole ones as a person sees them: with skin tone, joined into families, flags, keycaps. Digits are none."""

from __future__ import annotations

import re
from functools import cache

from secondme.core.remember.style.words import table

_MOST_JOINED = 8
"""Pictures in one joined emoji; the longest that is drawn anywhere has four."""


def emoji_in(text: str) -> list[str]:
    """The emoji in `text`, in order; one that can also be a sign of text is told as a picture, however it was typed."""
    if text.isascii():
        return []
    return [emoji + "\ufe0f" if len(emoji) == 1 and _pictures().match(emoji) else emoji for emoji in _pattern().findall(text)]


@cache
def _pictures() -> re.Pattern[str]:
    return re.compile(f"[{_class(table('emoji')['pictures'])}]")


@cache
def _pattern() -> re.Pattern[str]:
    lists = table("emoji")
    shown, pictures, signs = (_class(lists[kind]) for kind in ("shown", "pictures", "signs"))
    one = f"(?:[{shown}{pictures}](?!\ufe0e)(?:\ufe0f|[\U0001f3fb-\U0001f3ff]|)|[{signs}]\ufe0f)"
    tags = "|".join("".join(chr(0xE0000 + ord(letter)) for letter in region) for region in lists["subregion"])
    return re.compile(
        f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9#*]\ufe0f?\u20e3|\U0001f3f4(?:{tags})\U000e007f|{one}(?:\u200d{one}){{0,{_MOST_JOINED - 1}}}"
    )


def _class(ranges: str) -> str:
    return "".join("-".join(chr(int(end, 16)) for end in span.split("-")) for span in ranges.split())
