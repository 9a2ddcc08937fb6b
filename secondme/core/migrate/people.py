"""Which of the names in an old store are people? Groups, broadcasts and what nobody can be called by are not let in."""

from __future__ import annotations

import re

_PERSON = re.compile(rb"([1-9][0-9]{4,19})@c\.us|[a-z][a-z0-9_]{1,31}:[A-Za-z0-9~._+:-]{1,95}")
"""WhatsApp's people are digits and `@c.us` (`0@c.us` is WhatsApp itself); on every other channel an id begins with the channel."""
_NO_PERSON = {
    b"@g.us": "group",
    b"@broadcast": "broadcast",
    b"@newsletter": "newsletter",
    b"@lid": "alias",
    b"@s.whatsapp.net": "alias",
}
_SHOWN = 128


def person(name: bytes) -> tuple[str, str] | None:
    """The contact that `name` is, and its number: the digits of a WhatsApp id, else the id. None when it is no contact."""
    found = _PERSON.fullmatch(name)
    if found is None:
        return None
    contact = name.decode("ascii")
    return contact, found[1].decode("ascii") if found[1] else contact


def refusal(name: bytes) -> str:
    """Why `name` is no contact: group, broadcast, newsletter, alias, malformed.

    An alias is a person's other name. It is not turned into the first one: nothing here can prove that it is theirs.
    """
    return next((reason for ending, reason in _NO_PERSON.items() if name.endswith(ending)), "malformed")


def shown(name: bytes) -> str:
    """`name` for a report: its first 128 bytes, what is no text written out as numbers."""
    return name[:_SHOWN].decode("utf-8", "backslashreplace")
