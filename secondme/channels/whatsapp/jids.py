"""WhatsApp's addresses and the persons behind them. Pure rules; what an alias is, only the library's own authentication decides.

An address (JID) is a user at a server, on one of the user's devices. Two servers hold people: `s.whatsapp.net` by phone number and
`lid` by a hidden number that belongs to no phone. The digits of a hidden number may equal somebody's phone number, so two addresses
are never compared by their digits alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

PHONE_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
_PHONE_SERVERS = frozenset({PHONE_SERVER, "c.us"})
_DIGITS = re.compile(r"[1-9][0-9]{4,19}", re.ASCII)
"""Shorter ones are services of WhatsApp's own, like `0`. Phone numbers have at most 15 digits, hidden numbers some more."""
_BOT = re.compile(r"1313555[0-9]{4}|131655500[0-9]{2}", re.ASCII)
"""Phone numbers that WhatsApp gives to its own AI bots."""
_CONTACT = re.compile(r"([1-9][0-9]{4,19})@(c\.us|lid)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Jid:
    """One address. `agent` and `integrator` are 0 for people's own devices, else a business host or another network."""

    user: str
    server: str
    device: int = 0
    agent: int = 0
    integrator: int = 0


Resolve = Callable[[Jid], Jid | None]
"""The other address of a person, from the library's own authenticated store: hidden for phone, phone for hidden; None if unknown."""


@dataclass(frozen=True, slots=True)
class PersonJids:
    """The addresses that certainly are one person's: digits at the phone server, digits at the lid server, or both."""

    phone: str = ""
    lid: str = ""

    @property
    def contact_id(self) -> str:
        """`<digits>@c.us` when the phone is known, else `<digits>@lid`."""
        return f"{self.phone}@c.us" if self.phone else f"{self.lid}@lid"

    @property
    def aliases(self) -> tuple[str, ...]:
        """The person's other id, if there is one."""
        return (f"{self.lid}@lid",) if self.phone and self.lid else ()

    def is_same(self, other: PersonJids) -> bool:
        """True when one address of the same kind is in both, and none contradicts."""
        shared = [(self.phone, other.phone), (self.lid, other.lid)]
        both = [ours == theirs for ours, theirs in shared if ours and theirs]
        return bool(both) and all(both)


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """The account that we are a device of. `device` is ours; 0 while it is not known (0 itself is always the phone)."""

    phone: str = ""
    lid: str = ""
    device: int = 0
    name: str = ""

    @property
    def person(self) -> PersonJids:
        """The owner."""
        return PersonJids(self.phone, self.lid)


def as_person(jid: Jid) -> PersonJids | None:
    """The person of an address alone, whatever the device; None for groups, lists, bots, hosted numbers and other networks."""
    if jid.integrator or jid.agent > 1 or not _DIGITS.fullmatch(jid.user):  # agent 1 is how a hidden number's device is encoded
        return None
    if jid.server in _PHONE_SERVERS and not jid.agent and not _BOT.fullmatch(jid.user):
        return PersonJids(phone=jid.user)
    if jid.server == LID_SERVER:
        return PersonJids(lid=jid.user)
    return None


def person_of(jid: Jid, alternative: Jid | None, resolve: Resolve) -> PersonJids | None:
    """The person of an address with all that the library vouches for: the message's own alternative address first, then its store."""
    person = as_person(jid)
    if person is None:
        return None
    vouched = _joined(person, alternative)
    return vouched or _joined(person, resolve(_canonical(person))) or person


def jid_of(contact_id: str) -> Jid | None:
    """The address to write to; None when the id is not one of WhatsApp's."""
    match = _CONTACT.fullmatch(contact_id)
    if match is None:
        return None
    return Jid(match[1], PHONE_SERVER if match[2] == "c.us" else LID_SERVER)


def _joined(person: PersonJids, alternative: Jid | None) -> PersonJids | None:
    """One person of a phone and a hidden address; None when both are of one kind: then neither is the other's alias."""
    other = as_person(alternative) if alternative is not None else None
    if other is None or bool(person.phone) == bool(other.phone):
        return None
    return PersonJids(person.phone or other.phone, person.lid or other.lid)


def _canonical(person: PersonJids) -> Jid:
    return Jid(person.phone, PHONE_SERVER) if person.phone else Jid(person.lid, LID_SERVER)
