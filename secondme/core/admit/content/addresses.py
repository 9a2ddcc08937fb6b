"""Where do a message's links lead, as far as their names tell? Nothing is looked up or opened.

Details name entries of our own lists only: a domain that a stranger chose is a stranger's text, and stays out of the log.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.admit.content import lists
from secondme.core.admit.content.lookalikes import look_alike

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINKS = 50
_URL = re.compile(
    r"(?:https?://|(?<![\w.@-])(?=(?:[\w-]{1,63}\.){1,8}[^\W\d_][\w-]{1,62}(?:[^\w@-]|$)))([^\s/?#<>\"'(){}|\\^`]{1,512})",
    re.IGNORECASE,
)
"""A scheme and whatever follows, or a bare name with dots as messengers link it."""
_ENDING = ".,;:!?\u2026\u3002)]}\u00bb\u201d\u2019"
_PORT = re.compile(r":[0-9]{0,5}$")


class Finding(NamedTuple):
    """What is wrong with one link, and where it begins."""

    kind: str
    details: str
    position: int


def find_links(text: str) -> Iterator[Finding]:
    """What is wrong with the first 50 links of `text`. Linear."""
    for count, match in enumerate(_URL.finditer(text)):
        if count == MAX_LINKS:
            return
        authority = match.group(1)
        user, at, rest = authority.rpartition("@")
        host = _PORT.sub("", rest.rstrip(_ENDING)).lower().rstrip(".")
        has_scheme = match.end(1) - match.start() > len(authority)
        if at and has_scheme and "." in user:
            yield Finding("url_suspicious", "a name before @ hides the real one", match.start())
        if finding := _judge(host, has_scheme=has_scheme):
            yield Finding(*finding, match.start())


def _judge(host: str, *, has_scheme: bool) -> tuple[str, str] | None:
    parents = list(_with_parents(host))
    for name in parents:
        if name in lists.domains("shorteners"):
            return "url_shortener", name
        if name in lists.domains("suspicious_domains"):
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
