"""The content analyser: links, control characters, length, repetition and injection, each as a flag with its place.

Details name entries of our own lists only: a domain that a stranger chose is a stranger's text, and stays out of the log.

Detection and nothing else: the message goes on as it was written, whatever is found, and nobody waits for the answer. Time grows with
length alone, and what is dear reads a bounded part: 64 KB of the worst text cost under 20 ms.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum, unique
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.admit.content.injection import FLAGGED_FROM, score_injection
from secondme.core.admit.content.lookalikes import look_alike
from secondme.core.files import packaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from secondme.core.log import Fact


MAX_LINKS = 50
_URL = re.compile(
    r"(?:https?://|(?<![\w.@-])(?=(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}(?:[^\w@-]|$)))([^\s/?#<>\"'(){}|\\^`]{1,512})",
    re.IGNORECASE,
)
"""A scheme and whatever follows, or a bare name with dots as messengers link it."""
_ENDING = ".,;:!?\u2026\u3002)]}\u00bb\u201d\u2019"
_PORT = re.compile(r":[0-9]{0,5}$")


class LinkFinding(NamedTuple):
    """What is wrong with one link, and where it begins."""

    kind: str
    details: str
    position: int


def find_links(text: str) -> Iterator[LinkFinding]:
    """What is wrong with the first 50 links of `text`. Linear."""
    for count, match in enumerate(_URL.finditer(text)):
        if count == MAX_LINKS:
            return
        authority = match.group(1)
        user, at, rest = authority.rpartition("@")
        host = _PORT.sub("", rest.rstrip(_ENDING)).lower().rstrip(".")
        has_scheme = match.end(1) - match.start() > len(authority)
        if at and has_scheme and "." in user:
            yield LinkFinding("url_suspicious", "a name before @ hides the real one", match.start())
        if finding := _judge(host, has_scheme=has_scheme):
            yield LinkFinding(*finding, match.start())


@cache
def domains(name: str) -> frozenset[str]:
    """The domains in `lists/<name>.txt`: one a line, `#` starts a comment."""
    lines = packaged("admit", f"{name}.txt").splitlines()
    return frozenset(word for line in lines if (word := line.partition("#")[0].strip()))


def _judge(host: str, *, has_scheme: bool) -> tuple[str, str] | None:
    parents = list(_with_parents(host))
    for name in parents:
        if name in domains("shorteners"):
            return "url_shortener", name
        if name in domains("suspicious_domains"):
            return "url_suspicious", f"on the list: {name}"
    if has_scheme and _is_public_address(host):
        return "url_suspicious", "an address in numbers"
    if likeness := look_alike(host):
        return "url_lookalike", likeness
    return None


def _with_parents(host: str) -> Iterator[str]:
    labels = host.split(".")[-4:]
    for start in range(len(labels) - 1):
        yield ".".join(labels[start:])


def _is_public_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False


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


DEFAULT_MAX_LENGTH = 4000
LINKS_READ = 16_384
"""A message is a few hundred characters; looking for links in 64 KB of dots costs more than the rest."""
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x90\x98\x9b-\x9f\u202d\u202e]")
"""C0 without tab and newlines, DEL, the C1 codes that open a terminal sequence, and the two overrides that reverse what is read.

Other C1 codes are quotes and dashes of an old Windows alphabet, and isolates are how phones write Arabic: both are common.
"""
_MAX_FLAGS_PER_TYPE = 5


@unique
class FlagType(StrEnum):
    """What a flag is about."""

    URL_SUSPICIOUS = "url_suspicious"
    """A link to a listed service, to bare numbers, or with a name in front of `@`."""
    URL_SHORTENER = "url_shortener"
    """A link that hides where it leads."""
    URL_LOOKALIKE = "url_lookalike"
    """A link whose name is made to be taken for a well-known one."""
    CONTROL_CHARS = "control_chars"
    """Characters that a terminal would obey or an eye would miss."""
    EXCESSIVE_LENGTH = "excessive_length"
    """Longer than the setting."""
    REPEATED_PATTERN = "repeated_pattern"
    """The same part over and over."""
    POTENTIAL_INJECTION = "potential_injection"
    """Words that try to take over the assistant."""


_RISK = {
    FlagType.URL_SUSPICIOUS: 0.5,
    FlagType.URL_SHORTENER: 0.2,
    FlagType.URL_LOOKALIKE: 0.7,
    FlagType.CONTROL_CHARS: 0.25,
    FlagType.EXCESSIVE_LENGTH: 0.2,
    FlagType.REPEATED_PATTERN: 0.25,
}
"""How much one flag of a type adds; an injection adds its own score. Together they add up as 1 - (1-a)(1-b), and stay below 1."""


@dataclass(frozen=True, slots=True)
class ContentFlag:
    """One finding. `details` says counts, rule names and entries of our own lists: never a word of the message."""

    type: FlagType
    details: str
    position: int | None = None
    """Where it begins, in characters; None when it has no one place."""


@dataclass(frozen=True, slots=True)
class ContentAnalysis:
    """Everything found in one message."""

    original: str = field(repr=False)
    """As it was written."""
    flags: tuple[ContentFlag, ...] = ()
    risk_score: float = 0.0
    """0 to 1."""

    @property
    def should_log(self) -> bool:
        """True when there is anything to mention."""
        return bool(self.flags)


def analyze_content(text: str, *, max_length: int = DEFAULT_MAX_LENGTH) -> ContentAnalysis:
    """What is found in `text`, which is changed by nothing. Raises nothing, for any text. Linear in its length; blocks: call it in a thread."""
    flags = [*_link_flags(text)]
    if controls := _CONTROLS.findall(text):
        first = _CONTROLS.search(text)
        flags.append(ContentFlag(FlagType.CONTROL_CHARS, f"{len(controls)} found", first.start() if first else None))
    if len(text) > max_length:
        flags.append(ContentFlag(FlagType.EXCESSIVE_LENGTH, f"{len(text)} characters", max_length))
    if (start := repeated_at(text)) is not None:
        flags.append(ContentFlag(FlagType.REPEATED_PATTERN, "one part over and over", start))
    harmless = 1.0
    for flag in flags:
        harmless *= 1.0 - _RISK[flag.type]
    attempt = score_injection(text)
    if attempt.score >= FLAGGED_FROM:
        flags.append(ContentFlag(FlagType.POTENTIAL_INJECTION, f"{attempt.score:.2f}: {', '.join(attempt.rules)}"))
        harmless *= 1.0 - attempt.score
    return ContentAnalysis(text, tuple(flags), 1.0 - harmless)


def describe(analysis: ContentAnalysis) -> dict[str, Fact]:
    """`analysis` for the security log: each flag with its type, details and position, score and length; nothing of the message."""
    flags = [{"type": flag.type.value, "details": flag.details, "position": flag.position} for flag in analysis.flags]
    return {"flags": flags, "riskScore": round(analysis.risk_score, 2), "length": len(analysis.original)}


def _link_flags(text: str) -> list[ContentFlag]:
    """At most five flags of each type: a wall of links is one finding, not fifty."""
    flags: list[ContentFlag] = []
    for kind, details, position in find_links(text[:LINKS_READ]):
        flag = ContentFlag(FlagType(kind), details, position)
        if sum(other.type is flag.type for other in flags) < _MAX_FLAGS_PER_TYPE:
            flags.append(flag)
    return flags
