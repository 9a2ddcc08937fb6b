"""Look-alike host names: made to be taken for a well-known one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from secondme.core.admit.content.skeleton import skeleton
from secondme.core.files import table

_STROKES = str.maketrans("013457i", "oleastl")
"""Digits for letters, and one upright stroke for another."""
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_MAX_LABEL = 63
_COUNTRY = re.compile(r"[a-z]{2}")
_GENERIC = frozenset({"com", "net", "org"})


@dataclass(frozen=True, slots=True)
class _Brand:
    name: str
    domains: frozenset[str]
    near: frozenset[str]
    typos: bool

    @property
    def home(self) -> str:
        """Its main domain, as the log names it."""
        return min(self.domains, key=len) if len(self.domains) == 1 else f"{self.name}.com"


@dataclass(frozen=True, slots=True)
class _Names:
    brands: tuple[_Brand, ...]
    skeletons: dict[str, _Brand]
    bait: frozenset[str]
    cheap: frozenset[str]
    second_levels: frozenset[str]


def look_alike(host: str) -> str | None:
    """How `host` looks like a well-known name that it is not; None when it does not. Nothing of `host` itself is repeated."""
    labels = [_decode(label[:_MAX_LABEL]) for label in host.split(".")[-8:]]
    names = _names()
    *above, name, ending = labels if len(labels) > 1 else ["", *labels]
    if above and name in names.second_levels and _COUNTRY.fullmatch(ending):
        *above, name, ending = *above, f"{name}.{ending}"
    if not all(labels) or not name:
        return None
    registrable = f"{name}.{ending}"
    if any(registrable in brand.domains or registrable in brand.near for brand in names.brands):
        return None
    return (
        _exact_name(name, ending, names)
        or _same_look(name, names)
        or _one_letter_off(name, names)
        or _with_bait(name, names)
        or _in_front(above, names)
        or ("letters of several scripts" if any(map(_is_mixed, labels)) else None)
    )


def _exact_name(name: str, ending: str, names: _Names) -> str | None:
    """A brand's own name under an ending that costs nothing; its countries' endings are its own."""
    brand = names.skeletons.get(name)
    if brand is None or brand.name != name or ending.rpartition(".")[2] not in names.cheap:
        return None
    return f"{brand.home} under another ending"


def _same_look(name: str, names: _Names) -> str | None:
    brand = names.skeletons.get(_skeleton(name))
    return f"looks like {brand.home}" if brand is not None and brand.name != name else None


def _one_letter_off(name: str, names: _Names) -> str | None:
    for brand in names.brands:
        if brand.typos and abs(len(name) - len(brand.name)) <= 1 and name != brand.name and _one_edit(name, brand.name):
            return f"one letter away from {brand.home}"
    return None


def _with_bait(name: str, names: _Names) -> str | None:
    """`secure-paypal`, `paypa1-login`: a brand beside a word that asks for trust."""
    words = name.split("-")
    if not names.bait.intersection(words):
        return None
    for word in words:
        if brand := names.skeletons.get(_skeleton(word)):
            return f"{brand.home} with bait"
    return None


def _in_front(above: list[str], names: _Names) -> str | None:
    """`paypal.com.example.org`, `paypal.login.example.org`: a brand in front of somebody else's name."""
    for index, label in enumerate(above):
        brand = names.skeletons.get(_skeleton(label.removesuffix("-com")))
        if brand is None:
            continue
        others = [*above[:index], *above[index + 1 :]]
        follows = above[index + 1] if index + 1 < len(above) else ""
        if label.endswith("-com") or follows in _GENERIC or names.bait.intersection(others):
            return f"{brand.home} in front of another name"
    return None


def _skeleton(label: str) -> str:
    folded = skeleton(label).translate(_STROKES)
    for pair, letter in _PAIRS:
        folded = folded.replace(pair, letter)
    return folded


def _one_edit(one: str, other: str) -> bool:
    """True when one letter added, dropped or changed, or two neighbours swapped, makes one the other."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _decode(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode").lower()
    except (UnicodeError, ValueError, OverflowError):
        return label


def _is_mixed(label: str) -> bool:
    """Latin letters beside Cyrillic, Greek or Armenian ones in one word: no language writes so."""
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in label if char.isalpha()}
    return "LATIN" in scripts and bool(scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


@cache
def _names() -> _Names:
    source = table("admit", "brands")
    brands = tuple(
        _Brand(name, frozenset(entry["domains"]), frozenset(entry.get("near", ())), entry.get("typos", True))
        for name, entry in source["brands"].items()
    )
    skeletons = {_skeleton(brand.name): brand for brand in brands} | {brand.name: brand for brand in brands}
    return _Names(
        brands, skeletons, frozenset(source["bait"]), frozenset(source["cheap_endings"]), frozenset(source["second_levels"])
    )
