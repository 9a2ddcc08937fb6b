"""Permissions: the closed list of what a skill may ask the gateway for, in plain words, and who may cause it at most.

Nothing else can be granted, to nobody: the store, the environment, files by path, sockets, programs, other contacts' data, sending,
pairing, control, settings, other skills.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from ipaddress import ip_address

from secondme.core.enums import Tier


class Audience(IntEnum):
    """Who may cause something, from nobody but the owner to every contact that is not restricted. A wider one includes the narrower."""

    OWNER = 0
    TRUSTED = 1
    STANDARD = 2


AUDIENCE_OF = {Tier.TRUSTED: Audience.TRUSTED, Tier.STANDARD: Audience.STANDARD}
"""The narrowest audience that a contact of this tier is part of. Restricted contacts are part of none."""


AUDIENCE_WORDS = {"owner": "only you", "trusted": "trusted contacts", "standard": "every contact but restricted ones"}
"""Who that is, by the audience's name in small letters."""


class Leg(StrEnum):
    """What a permission gives: any two of REACH that is OPEN, PRIVATE reading, and a stranger's words are one too many for one turn."""

    REACH = "reach"
    """Answers of hosts that are named beforehand."""
    OPEN = "open"
    """Answers of any host: what is asked for can carry words out."""
    STATE = "state"
    """What the skill itself remembers."""
    PRIVATE = "private"
    """What is the owner's, or one contact's."""
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Permission:
    """One permission: as it is written, what it means for the owner, what it gives, and who may cause it at most."""

    text: str
    words: str
    leg: Leg
    audience: Audience

    @property
    def host(self) -> str:
        """The host, or `*.` and a domain, of a `net:` permission; empty for every other."""
        return self.text.removeprefix("net:") if self.text.startswith("net:") and "." in self.text else ""


def _named(text: str, words: str, leg: Leg, audience: Audience) -> tuple[str, Permission]:
    return text, Permission(text, words, leg, audience)


_LIST = dict(
    (
        _named("net:config", "ask the servers that you type into its settings", Leg.REACH, Audience.STANDARD),
        _named("net:any", "read any public web page", Leg.OPEN, Audience.OWNER),
        _named("storage", "remember up to 1 MB about each contact, for that contact only", Leg.STATE, Audience.STANDARD),
        _named("storage:shared", "remember up to 1 MB for everybody", Leg.PRIVATE, Audience.OWNER),
        _named(
            "calendar:read",
            "read your calendar: when you are busy; for trusted contacts also what for",
            Leg.PRIVATE,
            Audience.STANDARD,
        ),
        _named("contacts:self", "see the card of the contact who writes", Leg.PRIVATE, Audience.STANDARD),
        _named("contacts:all", "see the card of everybody", Leg.PRIVATE, Audience.OWNER),
        _named("notes:read", "read the notes that you shared, in the folder that you chose", Leg.PRIVATE, Audience.STANDARD),
        _named("history:self", "read the conversation with the contact who writes", Leg.PRIVATE, Audience.STANDARD),
        _named("memory:self", "read what is remembered of the contact who writes", Leg.PRIVATE, Audience.STANDARD),
        _named("reminders:read", "see the reminders that you made", Leg.PRIVATE, Audience.OWNER),
        _named("propose:event", "propose an event for your calendar, which you decide", Leg.WRITE, Audience.TRUSTED),
        _named("propose:reminder", "propose a reminder, which you decide", Leg.WRITE, Audience.TRUSTED),
        _named("propose:note", "propose a note, which you decide", Leg.WRITE, Audience.TRUSTED),
        _named("propose:message", "propose a message to you, which you decide", Leg.WRITE, Audience.TRUSTED),
        _named("notify:owner", "tell you one line in your own chat, three times an hour at most", Leg.WRITE, Audience.TRUSTED),
    )
)
_HOST = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])", re.ASCII)
_LONGEST_HOST = 253


def permission(text: str) -> Permission | None:
    """What `text` permits; None when it is not on the list. A host is a name in small letters, with a dot, and no address."""
    if (known := _LIST.get(text)) is not None:
        return known
    host = text.removeprefix("net:")
    if host == text or len(host) > _LONGEST_HOST or not _HOST.fullmatch(host) or _is_address(host):
        return None
    shown = f"every host under {host[2:]}" if host.startswith("*.") else host
    return Permission(text, f"ask {shown}", Leg.REACH, Audience.STANDARD)


def known_permissions() -> list[Permission]:
    """Every permission that has no host in it, as documentation lists them."""
    return list(_LIST.values())


def allows_host(granted: Permission, host: str) -> bool:
    """True when `host`, in small letters, is the one that was named, or stands below a `*.` domain."""
    named = granted.host
    return host == named or (named.startswith("*.") and host.endswith(named[1:]) and len(host) >= len(named))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
