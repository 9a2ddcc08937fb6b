"""Who was approved, who waits, who was denied. Each change is one script with one outcome; listing reads an index, never the
keyspace.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from secondme.core.enums import State
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId, code_of, is_contact_id, new_code
from secondme.core.records import ApprovedContact, DeniedContact, FirstMessage, Invite, NewRow, PairingRequest, Record
from secondme.core.store import keys
from secondme.core.store.events import Nudge, nudge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from secondme.core.config.models import PairingSettings
    from secondme.core.enums import Tier
    from secondme.core.messages import ChannelContact
    from secondme.core.store.client import Store

R = TypeVar("R", bound=Record)

TRIES = 20
"""Fresh codes tried before giving up: with 200 live codes of 1,000,000 a single collision is already rare."""
_FRESH_TRIES = 500
"""Wrong codes of whomever that an invite bears which was made while the door is closed: one in 2,000 that somebody guesses it."""
_MOST_INVITES = 100
_PAGE = 500
_SLICE = 150
"""Records that are read in one go: some 2 ms of work."""
Person = PairingRequest | ApprovedContact | DeniedContact
LINKED = "link"
"""By whom somebody was approved who is only because another contact of theirs is."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How many contacts are in each state, right now."""

    pending: int
    approved: int
    denied: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Records and, beside them, what could not be read. A corrupt record hides nobody else."""

    pending: list[PairingRequest]
    approved: list[ApprovedContact]
    denied: list[DeniedContact]
    invites: list[Invite]
    corrupt: list[DataError]


@dataclass(frozen=True, slots=True)
class Tally:
    """What a witness has to know of a store; `home` is empty for one that nobody named."""

    home: str
    approved: int
    removed: int


@dataclass(frozen=True, slots=True)
class PairingSlice:
    """Some of those who are in one state, in the order of their list."""

    entries: list[tuple[str, Person]]
    """Each with its place, which `slices` goes on behind."""
    corrupt: list[DataError]


@dataclass(frozen=True, slots=True)
class PairingPage:
    """At most as many as were asked for. `following` is the place to go on behind; empty at the end."""

    people: list[Person]
    corrupt: list[DataError]
    following: str


class PairingStore:
    """Pairing records in Redis."""

    def __init__(self, store: Store, settings: PairingSettings) -> None:
        self._store = store
        self._settings = settings
        self._known: dict[str, dict[str, tuple[bytes, Record]]] = {}
        """Index -> key -> what the last listing read there, and the record it made of it. Who lists every other second, as the screen
        does, makes ten thousand records once."""

    async def find(self, reference: str) -> PairingRequest | None:
        """The live request that `reference`, a code or a contact id, means. Raises DataError when its record is corrupt."""
        if not code_of(reference):
            return await self._get(PairingRequest, keys.pending(reference)) if is_contact_id(reference) else None
        found = await self._store.call(self._store.client.get(keys.code(reference)))
        request = None if found is None else await self._get(PairingRequest, keys.pending(found.decode()))
        return request if request and request.code == reference else None  # a newer request may have come between the two reads

    async def approve(
        self, request: PairingRequest, *, by: str, tier: Tier, notes: str = "", welcome: NewRow | None = None
    ) -> tuple[Literal["approved", "already"], ApprovedContact]:
        """The contact of `request` is approved. Repeatable: `already` when it was in before.

        Raises NotFoundError when this very request is gone (expired, or decided) and BusyError when the contact was denied since it
        was looked at: a denial beats an approval decided before it.
        """
        contact = request.contact_id
        channel = request.channel_id or "?"
        answer = await self._store.run(
            "approve",
            (
                contact,
                request.code,
                by,
                tier.value,
                notes,
                welcome.encode() if welcome else "",
                keys.EVENTS_PAIRING,
            ),
            contact=contact,
            digits=request.code,
            channel=channel,
        )
        if welcome is not None:
            await nudge(self._store, Nudge.OUTBOX)
        return _approved(answer, contact)

    async def lend_between(self, first: ContactId, second: ContactId) -> None:
        """Where one of the two is approved, and the other waits and what it wrote first is kept, that one is approved as the first is: they are
        about to be linked, and linking alone answers nothing. Repeatable. Raises as `approve`."""
        approved = await self.approved_among([first, second])
        if len(approved) != 1:
            return
        ((known, record),) = approved.items()
        request = await self.find(second if known == first else first)
        if request is not None and (await self._with_first_lines([request]))[0].first_line is not None:
            await self.approve(request, by=LINKED, tier=record.tier, notes=record.notes or "")

    async def approve_unasked(
        self, known: ChannelContact, *, channel: str, by: str, tier: Tier, notes: str = ""
    ) -> tuple[Literal["approved", "already"], ApprovedContact]:
        """`known`, who waits for nothing, is approved; what is known of them is kept, and they are told nothing. As `approve` otherwise;
        NotFoundError when they have asked meanwhile."""
        contact = known.contact_id
        answer = await self._store.run(
            "approve",
            (
                contact,
                "",
                by,
                tier.value,
                notes,
                "",
                keys.EVENTS_PAIRING,
                channel,
                known.phone_number or contact,
                known.display_name,
            ),
            contact=contact,
            digits="none",
            channel=channel,
        )
        return _approved(answer, contact)

    async def deny(self, contact: ContactId, *, code: str, channel: str, by: str, reason: str = "") -> Literal["denied", "already"]:
        """`contact` is denied for the cooldown, and all that was kept for it is erased. Repeatable.

        `code` is that of the request that was looked at (empty for an approved contact). Raises NotFoundError when there is nothing
        to deny.
        """
        answer = await self._remove(contact, code=code, channel=channel, verb="deny", by=by, reason=reason)
        if answer == b"missing":
            raise NotFoundError("unknown_contact", f"{contact} neither waits nor was approved.", "secondme pairing list")
        return "denied" if answer == b"denied" else "already"

    async def revoke(self, contact: ContactId, *, channel: str, by: str) -> None:
        """`contact` is not approved any more, effective at once, and what was kept for it is erased.

        Raises NotFoundError when it was not approved.
        """
        answer = await self._remove(contact, code="", channel=channel, verb="revoke", by=by, reason="")
        if answer != b"revoked":
            raise NotFoundError("not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved")

    async def unblock(self, contact: ContactId) -> None:
        """`contact` is unblocked. Raises NotFoundError when it was not denied."""
        there: int = await self._store.run("unblock", (contact, keys.EVENTS_PAIRING), contact=contact)
        if not there:
            raise NotFoundError("not_denied", f"{contact} is not denied.", "secondme pairing list --status denied")

    async def edit(
        self, contact: ContactId, others: Sequence[ContactId] = (), *, tier: Tier | None = None, notes: str | None = None
    ) -> ApprovedContact:
        """The approved contact with its new tier and notes, which `others`, the other contacts of the same person, have too; None leaves what is
        there. Repeatable. Raises NotFoundError or DataError; then nothing changed."""
        answer = await self._store.run(
            "edit",
            (contact, tier.value if tier else "", notes or "", keys.EVENTS_PAIRING, "0" if notes is None else "1", *others),
            contact=contact,
            others=[keys.approved(other) for other in others],
        )
        match answer[0]:
            case b"edited":
                return ApprovedContact.decode(answer[1], keys.approved(contact))
            case b"corrupt":
                raise DataError("corrupt_record", f"The record {keys.approved(contact)} cannot be read; it was left as it is.")
            case _:
                raise NotFoundError(
                    "not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved"
                )

    async def invite(self, *, name: str, tier: Tier, ttl: timedelta) -> Invite:
        """A fresh single-use code. Raises BusyError when 100 unused ones exist already."""
        for _ in range(TRIES):
            code = new_code()
            answer = await self._store.run(
                "invite", (code, name, tier.value, int(ttl.total_seconds() * 1000), _MOST_INVITES, _FRESH_TRIES), digits=code
            )
            if answer[0] == b"created":
                return Invite.decode(answer[1], keys.invite(code))
            if answer[0] == b"full":
                break
        raise BusyError("too_many_invites", f"{_MOST_INVITES} invites are unused.", "Wait until some expire.")

    async def cancel_invite(self, code: str) -> bool:
        """The unused invite with this code opens nothing any more. False when there is none: used, expired, cancelled or never made."""
        return bool(await self._store.run("cancel_invite", (code,), digits=code))

    async def invites(self) -> tuple[list[Invite], list[DataError]]:
        """Every unused invite, the one that ends first first, and what of them cannot be read."""
        listing = Listing([], [], [], [], [])
        await self._store.run("sweep", (keys.EVENTS_PAIRING, keys.EVENTS_PAUSE))
        await self._collect(keys.INDEX_INVITES, keys.invite, Invite, listing.invites, listing)
        return listing.invites, listing.corrupt

    async def is_approved(self, contact: ContactId) -> bool:
        """True when `contact` was approved, whatever its record says."""
        return bool(await self._store.call(self._store.client.exists(keys.approved(contact))))

    async def is_recorded(self, contact: ContactId) -> bool:
        """True when `contact` was approved or denied, or waits, whatever the record says."""
        places = (keys.approved(contact), keys.denied(contact), keys.pending(contact))
        return bool(await self._store.call(self._store.client.exists(*places)))

    async def approved(self, contact: ContactId) -> ApprovedContact | None:
        """The approval of `contact`, if there is one. Raises DataError when its record is corrupt."""
        return await self._get(ApprovedContact, keys.approved(contact))

    async def approved_among(self, contacts: Collection[ContactId]) -> dict[ContactId, ApprovedContact]:
        """The approvals of these contacts. Who was not approved, and whose record cannot be read, is left out. One round trip."""
        asked = sorted(contacts)
        found: dict[ContactId, ApprovedContact] = {}
        names = [keys.approved(contact) for contact in asked]
        for contact, name, raw in zip(
            asked, names, await self._store.call(self._store.client.mget(names)) if names else (), strict=True
        ):
            if raw is not None:
                with contextlib.suppress(DataError):
                    found[contact] = ApprovedContact.decode(raw, name)
        return found

    async def denied(self, contact: ContactId) -> DeniedContact | None:
        """The denial of `contact`, if there is one. Raises DataError when its record is corrupt."""
        return await self._get(DeniedContact, keys.denied(contact))

    async def stats(self) -> Stats:
        """The counts, right also at the moment after an expiry; what expired is swept and said on the way."""
        counts: list[int] = await self._store.run("sweep", (keys.EVENTS_PAIRING, keys.EVENTS_PAUSE))
        return Stats(*counts)

    async def tally(self) -> Tally:
        """How many are approved, how many approvals were ever taken back, and which store this is. One round trip."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.hmget(keys.WITNESS, "id", "removed")
        pipe.zcard(keys.INDEX_APPROVED)
        (home, removed), approved = await self._store.call(pipe.execute())
        return Tally(home.decode() if home else "", approved, int(removed) if removed and removed.isdigit() else 0)

    async def name_home(self, name: str) -> str:
        """The name of this store: the one it has, else `name` from now on."""
        client = self._store.client
        await self._store.call(client.hsetnx(keys.WITNESS, "id", name))
        return str((await self._store.call(client.hget(keys.WITNESS, "id"))).decode())

    async def counts(self) -> Stats:
        """The same where nothing can be written: only looked at, and nothing is swept or said. Two round trips."""
        client = self._store.client
        seconds, micros = await self._store.call(client.time())
        alive = f"({int(seconds) * 1000 + int(micros) // 1000}"
        pipe = client.pipeline(transaction=False)
        pipe.zcount(keys.INDEX_PENDING, alive, "+inf")
        pipe.zcard(keys.INDEX_APPROVED)
        pipe.zcount(keys.INDEX_DENIED, alive, "+inf")
        return Stats(*await self._store.call(pipe.execute()))

    async def listing(self) -> Listing:
        """Everybody in each state: requests by expiry, approvals and denials newest first."""
        await self.stats()
        listing = Listing([], [], [], [], [])
        await self._collect(keys.INDEX_PENDING, keys.pending, PairingRequest, listing.pending, listing)
        await self._collect(keys.INDEX_APPROVED, keys.approved, ApprovedContact, listing.approved, listing)
        await self._collect(keys.INDEX_DENIED, keys.denied, DeniedContact, listing.denied, listing)
        await self._collect(keys.INDEX_INVITES, keys.invite, Invite, listing.invites, listing)
        listing.pending[:] = await self._with_first_lines(listing.pending)
        listing.approved.reverse()
        listing.denied.reverse()
        return listing

    async def slices(self, state: State, after: str = "") -> AsyncIterator[PairingSlice]:
        """Everybody in one state, in the order of `listing`, a few hundred at a time: nobody else's work waits for all of a long list. Reads
        the index of this state and no other. `after` is a place: those behind it, whoever stood there. Raises DataError for what is no place.
        """
        index, name, kind = _LISTS[state]
        known, start = self._known.get(index, {}), await self._behind(index, after) if after else 0
        seen: dict[str, tuple[bytes, Record]] = {}
        while members := await self._store.call(
            self._store.client.zrange(index, start, start + _SLICE - 1, desc=state is not State.PENDING, withscores=True)
        ):
            start += _SLICE
            keys_of = [name(member.decode()) for member, _ in members]
            found = PairingSlice([], [])
            for (member, moment), key, raw in zip(
                members, keys_of, await self._store.call(self._store.client.mget(keys_of)), strict=True
            ):
                if raw is None or key in seen:
                    continue  # it expired since the index was read, or others came in front meanwhile
                try:
                    record = _decoded(kind, key, raw, known)
                except DataError as error:
                    found.corrupt.append(error)
                    continue
                seen[key] = raw, record
                found.entries.append((f"{moment:.0f}/{member.decode()}", cast("Person", record)))
            yield await self._with_what_they_wrote(found) if state is State.PENDING else found
        if not after:
            self._known[index] = seen

    async def page(self, state: State, is_wanted: Callable[[Person], bool], *, limit: int, after: str = "") -> PairingPage:
        """The first `limit` in this state whom `is_wanted` fits, behind the place `after`. Raises as `slices`."""
        chosen: list[tuple[str, Person]] = []
        corrupt: list[DataError] = []
        async for found in self.slices(state, after):
            corrupt += found.corrupt
            for place, person in found.entries:
                if not is_wanted(person):
                    continue
                if len(chosen) == limit:
                    return PairingPage([each for _, each in chosen], corrupt, chosen[-1][0])
                chosen.append((place, person))
        return PairingPage([each for _, each in chosen], corrupt, "")

    async def everybody_approved(self) -> list[ApprovedContact]:
        """Everybody who was approved, newest first. Reads that index only; what cannot be read is left out."""
        return [cast("ApprovedContact", each) async for found in self.slices(State.APPROVED) for _, each in found.entries]

    async def totals(self) -> dict[str, int]:
        """How many are in each state, and how many invites there are. No record is read for it."""
        stats = await self.stats()
        invites = await self._store.call(self._store.client.zcard(keys.INDEX_INVITES))
        return {"pending": stats.pending, "approved": stats.approved, "denied": stats.denied, "invites": invites}

    async def _behind(self, index: str, place: str) -> int:
        """The rank behind a place. Where its contact has left, those of the same moment come again."""
        moment, _, contact = place.partition("/")
        if not (moment.isascii() and moment.isdigit() and contact):
            raise DataError("bad_place", "There is no such page.", "Give back what the page before it said.")
        is_pending, pipe = index == keys.INDEX_PENDING, self._store.client.pipeline(transaction=False)
        (pipe.zrank if is_pending else pipe.zrevrank)(index, contact)
        pipe.zscore(index, contact)
        pipe.zcount(index, *(("-inf", f"({moment}") if is_pending else (f"({moment}", "+inf")))
        rank, score, before = await self._store.call(pipe.execute())
        return rank + 1 if rank is not None and score == float(moment) else int(before)

    async def _with_what_they_wrote(self, found: PairingSlice) -> PairingSlice:
        requests = await self._with_first_lines([cast("PairingRequest", person) for _, person in found.entries])
        return PairingSlice([(place, each) for (place, _), each in zip(found.entries, requests, strict=True)], found.corrupt)

    async def _collect(self, index: str, name: Callable[[str], str], kind: type[R], found: list[R], listing: Listing) -> None:
        known, start = self._known.get(index, {}), 0
        seen: dict[str, tuple[bytes, Record]] = {}
        while members := await self._store.call(self._store.client.zrange(index, start, start + _PAGE - 1)):
            start += _PAGE
            names = [name(member.decode()) for member in members]
            for key, raw in zip(names, await self._store.call(self._store.client.mget(names)), strict=True):
                if raw is None:
                    continue  # it expired since the index was read
                try:
                    record = _decoded(kind, key, raw, known)
                except DataError as error:
                    listing.corrupt.append(error)
                    continue
                seen[key] = raw, record
                found.append(record)
        self._known[index] = seen

    async def _with_first_lines(self, requests: list[PairingRequest]) -> list[PairingRequest]:
        """The requests with what those who wait wrote first, where it is kept. One round trip. What cannot be read is left out."""
        names = [keys.first_message(request.contact_id) for request in requests]
        kept = await self._store.call(self._store.client.mget(names)) if names else []
        found = []
        for request, name, raw in zip(requests, names, kept, strict=True):
            line = None
            with contextlib.suppress(DataError):
                line = FirstMessage.decode(raw, name).line if raw is not None else None
            found.append(request.model_copy(update={"first_line": line}) if line else request)
        return found

    async def _get(self, kind: type[R], key: str) -> R | None:
        raw = await self._store.call(self._store.client.get(key))
        return None if raw is None else kind.decode(raw, key)

    async def _remove(self, contact: str, *, code: str, channel: str, verb: str, by: str, reason: str) -> bytes:
        answer: list[bytes] = await self._store.run(
            "remove",
            (contact, code, verb, by, reason, int(self._settings.denial_cooldown_hours * 3_600_000), keys.EVENTS_PAIRING),
            contact=contact,
            digits=code or "none",
            channel=channel,
        )
        return answer[0]


def _decoded(kind: type[R], key: str, raw: bytes, known: Mapping[str, tuple[bytes, Record]]) -> R:
    """The record in `raw`; the one of before where nothing has changed. Raises DataError when it is none."""
    before = known.get(key)
    return cast("R", before[1]) if before is not None and before[0] == raw else kind.decode(raw, key)


def _approved(answer: list[bytes], contact: str) -> tuple[Literal["approved", "already"], ApprovedContact]:
    """What the script `approve` answered."""
    match answer[0]:
        case b"approved":
            return "approved", ApprovedContact.decode(answer[1], keys.approved(contact))
        case b"already":
            return "already", ApprovedContact.decode(answer[1], keys.approved(contact))
        case b"denied":
            raise BusyError("contact_denied", f"{contact} was denied meanwhile.", f"secondme pairing unblock {contact}")
        case b"corrupt":
            raise DataError("corrupt_record", f"The record {keys.pending(contact)} cannot be read; it was left as it is.")
        case _:
            raise NotFoundError("no_such_request", f"The request of {contact} is gone: expired, or already decided.")


_LISTS: dict[State, tuple[str, Callable[[str], str], type[Record]]] = {
    State.PENDING: (keys.INDEX_PENDING, keys.pending, PairingRequest),
    State.APPROVED: (keys.INDEX_APPROVED, keys.approved, ApprovedContact),
    State.DENIED: (keys.INDEX_DENIED, keys.denied, DeniedContact),
}
"""The index of each state, whose key a contact in it has, and of what kind the record is."""
