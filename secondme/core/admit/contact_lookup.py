"""Which contact the owner means by what they typed: an id or the beginning of one, a code, a number in any spelling, a name.

Commands, the owner's own chat and shell completion all ask here. What a command can be about is a `Wanted`: who does not fit is never
offered, and is named with the reason when they are meant all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.enums import State
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId, code_of, contact_id, is_contact_id, other_form
from secondme.core.text import caseless, near, safe_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence

    from secondme.core.admit.pairing_store import Listing
    from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest

    Known = ApprovedContact | DeniedContact | PairingRequest

SHORTEST = 3
"""Characters of an id, without its channel, that mean the one contact whose id begins so."""
_MOST_DIGITS = 6
"""More are a whole number, maybe of somebody else."""
_MOST_NAMED = 5
"""Contacts that are listed when several are meant."""
_MOST_NEAR = 3
_PART = 3
"""Characters that must be typed of a name to be asked whether it is meant."""
_FEWEST_DIGITS = 6
"""Of a number as it is dialled inside its country: fewer end too many numbers."""
_NUMBER = re.compile(r"(\+|00|0)?([0-9]{5,15})", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " \u00a0()-./")
_ENDS = "…."
"""What a list writes behind an id that had no room."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom a command can be about."""

    states: frozenset[State]
    is_named: bool = True
    """False: no name decides, nor a part of an id, which may be one. Who was not approved chose their own."""
    takes_anybody: bool = False
    """True: a whole id is taken as it stands, whoever has it, and is never the beginning of another one."""
    is_exact: bool = False
    """True: a whole id that nobody has is not the beginning of another one either. What cannot be taken back reaches nobody else by a slip."""
    is_person: bool = True
    """True: it is about a whole person. Contacts that the owner linked are one, and which of them is meant does not matter."""
    likeliest: frozenset[str] | None = None
    """Ids of those it makes sense for, who alone are offered; None: all in these states."""


APPROVED = Wanted(frozenset({State.APPROVED}))
"""Somebody who was approved."""
ERASABLE = Wanted(frozenset({State.APPROVED}), is_exact=True)
"""Somebody who was approved, and of whom something is erased."""
CONVERSATION = Wanted(frozenset({State.APPROVED}), is_person=False, is_exact=True)
"""Somebody who was approved, on one channel."""
EXACTLY = Wanted(frozenset({State.APPROVED}), takes_anybody=True, is_person=False)
"""Somebody who was approved, or whoever has that whole id."""
KNOWN = Wanted(frozenset(State), takes_anybody=True)
"""Whoever was approved, waits or was denied, or has that whole id."""
WAITING = Wanted(frozenset({State.PENDING}), is_named=False, takes_anybody=True)
"""Somebody to approve: who waits, or who never wrote, by their whole id."""
DENIABLE = Wanted(frozenset({State.PENDING, State.APPROVED}), takes_anybody=True)
"""Somebody to deny."""
DENIED = Wanted(frozenset({State.DENIED}))
"""Somebody to unblock."""
LINKABLE = Wanted(frozenset({State.PENDING, State.APPROVED}), takes_anybody=True, is_person=False)
"""Somebody who can be the same person as somebody else."""


class SeveralContactsError(NotFoundError):
    """Several contacts are meant. `candidates` are their ids, who was approved first last."""

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        super().__init__("ambiguous_contact", message, "Name one of them by its id.")
        self.candidates = [contact_id(each) for each in candidates]


@dataclass(frozen=True, slots=True)
class Wording:
    """How the owner is told what to do next, where they are."""

    lists: str
    approve: str
    unblock: str


COMMANDS = Wording("secondme contacts list", "secondme pairing approve {}", "secondme pairing unblock {}")
"""At a terminal."""
CHAT = Wording("list shows who there is.", "approve {}", "On your computer: secondme pairing unblock {}")
"""In the owner's own chat."""


@dataclass(frozen=True, slots=True)
class _Person:
    contact_id: str
    name: str
    number: str
    state: State
    code: str = ""

    @property
    def native(self) -> str:
        """The id without its channel."""
        head, colon, tail = self.contact_id.partition(":")
        return tail if colon else head.partition("@")[0]

    def told(self) -> str:
        """The id, and beside it what the owner knows them by."""
        standing = {State.PENDING: f"waits under {self.code}", State.APPROVED: "approved", State.DENIED: "denied"}[self.state]
        return f"{self.contact_id} ({', '.join(filter(None, (self.name, standing)))})"


def meant_contact(reference: str, listing: Listing, wanted: Wanted = APPROVED, wording: Wording = COMMANDS) -> ContactId:
    """The one contact that `reference` means. Raises NotFoundError: `unknown_contact`, naming the nearest who fit; `ambiguous_contact`, listing
    them; `not_approved`, `not_denied` or `contact_denied` for somebody there is whom the command cannot be about."""
    typed = reference.strip().replace("@s.whatsapp.net", "@c.us")  # one person, in WhatsApp's own spelling
    everybody = list(_everybody(listing))
    fitting = [each for each in everybody if each.state in wanted.states]
    for each in fitting:
        if each.contact_id == typed:
            return contact_id(typed)
    is_whole = is_whole_id(typed)
    if is_whole and wanted.takes_anybody:
        return contact_id(typed)
    found = [] if is_whole and wanted.is_exact else _matching(typed, fitting, wanted, is_whole=is_whole)
    if len(found) > 1 and wanted.likeliest is not None:
        found = [each for each in found if each.contact_id in wanted.likeliest] or found
    if len(found) == 1:
        return contact_id(found[0].contact_id)
    if found:
        raise _several(found)
    if not wanted.is_named and any(caseless(typed) in {caseless(each.name), caseless(each.native)} for each in fitting):
        raise _nobody(typed, fitting, wanted, wording)  # who alone is called so: an id decides
    others = [each for each in everybody if each.state not in wanted.states]
    elsewhere = [each for each in others if each.contact_id == typed] or _matching(typed, others, KNOWN, is_whole=is_whole)
    if len(elsewhere) == 1:
        raise _unfit(elsewhere[0], wanted, wording)
    raise _nobody(typed, fitting, wanted, wording)


async def meant_person(
    reference: str, listing: Listing, wanted: Wanted, members: Callable[[ContactId], Awaitable[list[ContactId]]], wording: Wording
) -> ContactId:
    """As `meant_contact`; but where several are meant that are one person, as `members` of each says, one of them will do: who was approved
    first."""
    try:
        return meant_contact(reference, listing, wanted, wording)
    except SeveralContactsError as error:
        chosen = error.candidates[-1]
        if wanted.is_person and set(error.candidates) <= set(await members(chosen)):
            return chosen
        raise


def is_whole_id(reference: str) -> bool:
    """True when it has the form of a contact's whole id, channel included."""
    return is_contact_id(reference.strip()) and (":" in reference or "@" in reference)


def with_nearest(error: NotFoundError, reference: str, listing: Listing, wanted: Wanted) -> NotFoundError:
    """The error with who of those that fit is called most like `reference`, if there is somebody; as it is about a code, which is like no
    other, and about somebody who is there."""
    typed = reference.strip()
    everybody = list(_everybody(listing))
    if code_of(typed) or any(each.contact_id == typed for each in everybody):
        return error
    words = _nearest(typed, [each for each in everybody if each.state in wanted.states], wanted)
    return NotFoundError(error.code, error.message, f"Did you mean {words}?") if words else error


def _everybody(listing: Listing) -> Iterator[_Person]:
    for state, records in (
        (State.APPROVED, listing.approved),
        (State.PENDING, listing.pending),
        (State.DENIED, listing.denied),
    ):
        record: Known
        for record in records:
            name, code = safe_name(record.display_name or ""), getattr(record, "code", "")
            yield _Person(record.contact_id, name, record.phone_number, state, code)


def _matching(typed: str, people: Sequence[_Person], wanted: Wanted, *, is_whole: bool) -> list[_Person]:
    """Who is called so, has that code or number, or is the id's only beginning. No name means anybody where a whole id is typed: who writes
    to us may call themselves like somebody's id."""
    word = caseless(safe_name(typed))
    if not word:
        return []
    if code_of(typed):
        by_code = [each for each in people if each.code == typed]
        if by_code:
            return by_code
    has_number = _number_test(typed)
    if not wanted.is_named:
        return [each for each in people if has_number(each)]
    tests: list[Callable[[_Person], bool]] = [lambda each: has_number(each) or caseless(each.native) == word]
    if not is_whole:
        tests.append(lambda each: caseless(each.name) == word)
    found = [each for each in people if any(test(each) for test in tests)]
    return found or _beginning(typed, people)


def _beginning(typed: str, people: Sequence[_Person]) -> list[_Person]:
    """Whose id begins so, with its channel or without. The name of a channel alone is the beginning of nobody."""
    word = caseless(typed.rstrip(_ENDS) if typed.endswith(("…", "...")) else typed)
    own = word.partition(":")[2] if ":" in word else word
    if len(own) < SHORTEST or (own.isdigit() and len(own) > _MOST_DIGITS):
        return []
    return [each for each in people if caseless(each.contact_id if ":" in word else each.native).startswith(word)]


def _number_test(typed: str) -> Callable[[_Person], bool]:
    """Whether a contact has the number that was typed: with the country's code, behind + or 00 or bare, in either of two national forms; or, behind a 0, as
    it is dialled inside the country."""
    match = _NUMBER.fullmatch(typed.translate(_PUNCTUATION))
    if match is None:
        return lambda _: False
    before, digits = match[1] or "", match[2]
    if before == "0":
        return lambda each: len(digits) >= _FEWEST_DIGITS and any(number.endswith(digits) for number in _numbers(each))
    forms = {digits, other_form(digits)} - {""}
    return lambda each: not forms.isdisjoint(_numbers(each))


def _numbers(person: _Person) -> set[str]:
    words = (person.number.translate(_PUNCTUATION).removeprefix("+"), person.native)
    return {word for word in words if word.isascii() and word.isdigit()}


def _several(found: Sequence[_Person]) -> SeveralContactsError:
    named = ", ".join(each.told() for each in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return SeveralContactsError(f"That means {len(found)} contacts: {named}{more}.", [each.contact_id for each in found])


def _unfit(person: _Person, wanted: Wanted, wording: Wording) -> NotFoundError:
    who = f"{person.name} ({person.contact_id})" if person.name else person.contact_id
    match person.state:
        case State.PENDING:
            words = "waits and was not approved."
            fix = wording.approve.format(person.code)
        case State.DENIED:
            return NotFoundError("contact_denied", f"{who} is denied.", wording.unblock.format(person.contact_id))
        case State.APPROVED:
            words = "is approved and not denied." if State.DENIED in wanted.states else "was approved before."
            fix = wording.lists
    code = "not_denied" if wanted.states == {State.DENIED} else "not_approved"
    return NotFoundError(code, f"{who} {words}", fix)


def _nobody(typed: str, fitting: Sequence[_Person], wanted: Wanted, wording: Wording) -> NotFoundError:
    kinds = {
        frozenset({State.APPROVED}): "No approved contact has that name or id.",
        frozenset({State.DENIED}): "Nobody who was denied has that name or id.",
        frozenset({State.PENDING}): "Nobody with that code or id waits.",
    }
    words = _nearest(typed, fitting, wanted)
    return NotFoundError(
        "unknown_contact",
        kinds.get(wanted.states, "Nobody has that name, code or id."),
        f"Did you mean {words}?" if words else wording.lists,
    )


def _nearest(typed: str, fitting: Sequence[_Person], wanted: Wanted) -> str:
    """How those who fit and are called most like `typed` can be named, as a question offers it. What stands behind the channel is compared:
    that two are on one channel makes them no more alike."""
    offered = [each for each in fitting if wanted.likeliest is None or each.contact_id in wanted.likeliest]
    channel, colon, rest = typed.partition(":")
    if colon and (same := [each for each in offered if each.contact_id.startswith(f"{channel}:")]):
        offered = same
    word = caseless((rest if colon else typed.partition("@")[0]).strip())
    spelt: dict[str, list[_Person]] = {}
    for each in offered:
        name = caseless(each.name)
        for own in dict.fromkeys((name, caseless(each.native), *name.split())):
            spelt.setdefault(own, []).append(each)
    spelt.pop("", None)
    parts = [own for own in spelt if len(word) >= _PART and (own.startswith(word) or (word in own and not word.isdigit()))]
    chosen = dict.fromkeys(
        each.contact_id for own in sorted(parts, key=len) or near(word, spelt, _MOST_NEAR) for each in spelt[own]
    )
    by_id = {each.contact_id: each for each in offered}
    labels = [_label(by_id[each], offered, typed, wanted) for each in list(chosen)[:_MOST_NEAR]]
    return " or ".join(labels)


def _label(person: _Person, offered: Collection[_Person], typed: str, wanted: Wanted) -> str:
    """What can be typed for the person: the name, where that is enough and nothing like an id was typed."""
    is_alone = sum(caseless(each.name) == caseless(person.name) for each in offered) == 1
    return person.name if wanted.is_named and person.name and is_alone and not is_whole_id(typed) else person.contact_id
