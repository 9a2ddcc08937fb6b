"""An obedient writer: it knows nothing of an owner but what a description says in words, and bends neutral text to exactly that.

What the description does not say stays as it was. So whatever a judge finds less often afterwards was told in the prompt.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from secondme.core.remember.style.measure import emoji_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_MARK = re.compile(r"[.!?]+$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")  # noqa: RUF001  the curly one
_LAUGH = re.compile(r"\b(?:(?:ha){2,}h?|(?:he){2,}|lol|lmao)\b[,.!]?\s*", re.IGNORECASE)
_WRITTEN_OUT = (
    ("won't", "will not"),
    ("can't", "cannot"),
    ("n't", " not"),
    ("'re", " are"),
    ("'m", " am"),
    ("'ll", " will"),
    ("'ve", " have"),
)
_BANDS = {"rarely": 0.05, "occasionally": 0.4, "often": 0.9}


def obey(description: str, texts: Sequence[str], rng: Random) -> list[str]:
    """`texts` as somebody would write them who does what `description` says, and nothing else."""
    found = [_cut(text, wanted) for text, wanted in zip(texts, _lengths(description, len(texts), rng), strict=True)]
    for pattern, has, take, give in _HABITS:
        if said := re.search(pattern, description):
            found = _at_rate(found, _rate(said), rng, has, take, give)
    found = _punctuate(description, found, rng)
    found = _apostrophes(description, found, rng)
    found = _cases(description, found, rng)
    found = _laughter(description, found, rng)
    return _emoji(description, found, rng)


def _rate(said: re.Match[str]) -> float:
    return int(said["part"]) / int(said["whole"])


def _share(pattern: str, description: str) -> float | None:
    said = re.search(pattern.replace("#", r"(?P<part>\d+) (?:in|of) (?P<whole>\d+)"), description)
    return _rate(said) if said else None


def _at_rate(
    texts: list[str],
    rate: float,
    rng: Random,
    has: Callable[[str], bool],
    take: Callable[[str], str],
    give: Callable[[str], str],
) -> list[str]:
    """So many of `texts` have it as `rate` says, as far as it can be given and taken."""
    found, wanted = [*texts], round(rate * len(texts))
    order = list(range(len(texts)))
    rng.shuffle(order)
    having = [at for at in order if has(found[at])]
    for at in having[wanted:]:
        found[at] = take(found[at])
    missing = wanted - len(having)
    for at in order:
        if missing <= 0:
            break
        if not has(found[at]) and has(given := give(found[at])):
            found[at], missing = given, missing - 1
    return found


def _lengths(description: str, count: int, rng: Random) -> list[float | None]:
    numbers = (
        r"half have at most (\d+) characters, a quarter at most (\d+), one in ten at most (\d+);"
        r" a quarter have more than (\d+), one in ten more than (\d+)"
    )
    if said := re.search(numbers, description):
        half, quarter, tenth, most, longest = map(int, said.groups())
        places = [
            (0.0, max(1.0, tenth / 2)),
            (0.1, tenth),
            (0.25, quarter),
            (0.5, half),
            (0.75, most),
            (0.9, longest),
            (1.0, longest * 1.5),
        ]
        wanted = [_between(places, (at + 0.5) / count) for at in range(count)]
        rng.shuffle(wanted)
        return [*wanted]
    if said := re.search(r"(?:typically|nearly all have about) (\d+) characters", description):
        return [int(said[1]) * rng.uniform(0.75, 1.25) for _ in range(count)]
    return [None] * count


def _between(places: Sequence[tuple[float, float]], at: float) -> float:
    for (left, low), (right, high) in pairwise(places):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return places[-1][1]


def _cut(text: str, wanted: float | None) -> str:
    """As many whole sentences, or words of the first, as come nearest to so many characters."""
    if wanted is None or len(text) <= wanted:
        return text
    sentences = _SENTENCE.split(text)
    words = sentences[0].split()
    ends = [" ".join(sentences[: at + 1]) for at in range(len(sentences))] + [" ".join(words[: at + 1]) for at in range(len(words))]
    return min(ends, key=lambda each: abs(len(each) - wanted)).rstrip(",;:")


def _with_comma(text: str) -> str:
    return re.sub(r"(?<=\w) (and|but|so|because|then|if) ", r", \1 ", text, count=1)


_OF = r"(?P<part>\d+) (?:in|of) (?P<whole>\d+)"
_HABITS: tuple[tuple[str, Callable[[str], bool], Callable[[str], str], Callable[[str], str]], ...] = (
    (
        rf"(?:no exclamation marks \(|exclamation marks in ){_OF}",
        lambda text: "!" in text,
        lambda text: text.replace("!", "."),
        lambda text: _MARK.sub("", text) + "!" if not text.endswith("?") else text,
    ),
    (rf"(?:no commas \(|commas in ){_OF}", lambda text: "," in text, lambda text: text.replace(",", ""), _with_comma),
    (
        rf"(?:no question marks \(|question marks in ){_OF}",
        lambda text: "?" in text,
        lambda text: text.replace("?", ""),
        lambda text: text,
    ),
)


def _punctuate(description: str, texts: list[str], rng: Random) -> list[str]:
    rate = _share(r"full stop at the end(?: of| \()? ?#", description)
    if rate is None:  # the words of before: more than half do, or hardly any does
        if "messages do not end with a full stop" in description:
            return [text.rstrip(".") for text in texts]
        ends = "messages end with a full stop" in description
        return [text + "." if ends and text[-1:].isalnum() else text for text in texts]
    return _at_rate(
        texts,
        rate,
        rng,
        lambda text: text.endswith("."),
        lambda text: text.rstrip("."),
        lambda text: text + "." if text[-1:].isalnum() else text,
    )


def _apostrophes(description: str, texts: list[str], rng: Random) -> list[str]:
    if "Apostrophes are left out" in description:
        return [_APOSTROPHE.sub("", text) for text in texts]
    bare = _share(r"they are left out \(\w+\) in #", description)
    if bare is not None:
        texts = [_APOSTROPHE.sub("", text) if rng.random() < bare else text for text in texts]
    rate = _share(r"Apostrophes are [^,]*, in #", description)
    if rate is not None:
        texts = _at_rate(texts, rate, rng, lambda text: bool(_APOSTROPHE.search(text)), _written_out, lambda text: text)
    if "curly" in description or "straight" in description:
        mark = "’" if "curly" in description else "'"  # noqa: RUF001  the curly one
        texts = [_APOSTROPHE.sub(mark, text) for text in texts]
    return texts


def _written_out(text: str) -> str:
    for short, long in _WRITTEN_OUT:
        text = text.replace(short, long)
    return _APOSTROPHE.sub("", text)


def _cases(description: str, texts: list[str], rng: Random) -> list[str]:
    if "Everything is written in lower case" in description:
        return [text.lower() for text in texts]
    small = _share(r"(?:A small letter begins|with a small one) #", description)
    lower = _share(r"no capital letter at all is in #", description) or 0.0
    if small is None:
        return texts
    count = len(texts)
    order = list(range(count))
    rng.shuffle(order)
    order.sort(key=lambda at: not texts[at][1:].islower())  # what begins small and has no capital inside is small altogether
    whole = round(lower * count)
    all_small, first_small = {*order[:whole]}, {*order[::-1][: max(0, round(small * count) - whole)]}
    return [
        text.lower() if at in all_small else (text[:1].lower() if at in first_small else text[:1].upper()) + text[1:]
        for at, text in enumerate(texts)
    ]


def _laughter(description: str, texts: list[str], rng: Random) -> list[str]:
    def without(text: str) -> str:
        return _LAUGH.sub("", text) or text

    if "Laughter is not written out" in description:
        return [without(text) for text in texts]
    said = re.search(rf"Laughter is written (?P<how>[^,]+), in {_OF}", description)
    if not said:
        return texts
    spellings = said["how"].split(" or ")

    def laughing(text: str) -> str:
        how = rng.choice(spellings)
        return rng.choice([f"{how} {text}", f"{text} {how}"])

    def laughs(text: str) -> bool:
        return any(each in text.split() for each in spellings)

    return _at_rate([without(text) for text in texts], _rate(said), rng, laughs, without, laughing)


def _emoji(description: str, texts: list[str], rng: Random) -> list[str]:
    rate = _share(r"(?:No emoji \(|Emoji are in )#", description)
    if rate is None and (said := re.search(r"Emoji are used (\w+)", description)):
        rate = _BANDS[said[1]]
    if rate is None:
        return texts
    mostly = re.search(r"mostly ([^.\n]+)", description)
    known = mostly[1].split(" ") if mostly else []
    several = re.search(r", (\d+) at a time", description)

    def without(text: str) -> str:
        for emoji in emoji_in(text):
            text = text.replace(emoji, "")
        return text.strip()

    def smiling(text: str) -> str:
        return f"{text} {rng.choice(known) * (int(several[1]) if several else 1)}" if known else text

    return _at_rate([without(text) for text in texts], rate, rng, lambda text: bool(emoji_in(text)), without, smiling)
