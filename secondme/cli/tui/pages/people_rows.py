"""How people are drawn: as rows of the list, and as a sheet with all that is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.cli.tui.contact_forms import how_answered
from secondme.cli.tui.forms import Choice
from secondme.cli.tui.layout import (
    READ_WIDTH,
    apart,
    beside,
    channel_title,
    chip,
    column,
    countdown,
    facts,
    fit,
    heading,
    keys,
    lines,
    quote,
    say,
    shown_name,
)
from secondme.cli.tui.theme import FAINT, INK, SOFT, WAITS
from secondme.core.admit.pairing import channel_of
from secondme.core.clock import from_ms
from secondme.core.enums import ReplyMode, Tier
from secondme.core.format import ago, counted, lately, money
from secondme.core.ids import ContactId
from secondme.core.records import ApprovedContact, DeniedContact, PairingRequest
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Snapshot
    from secondme.cli.tui.pages.people import Person
    from secondme.core.gateway.store import ConversationDetail
    from secondme.core.records import Pause
    from secondme.core.reply.store import Spent
    from secondme.services import Services

TIER_ROLES = {Tier.TRUSTED: "good", Tier.STANDARD: "", Tier.RESTRICTED: "guard"}
_NAME = 22
PARTS = ("People waiting", "Approved", "Denied")
_UNKEPT = "Their words are not kept."


def tier_chip(tier: Tier) -> Content:
    """What is usual is a plain word; only what is not has a field of its own."""
    role = TIER_ROLES[tier]
    return chip(tier.value, role) if role else say((f" {tier.value} ", FAINT))


def channel_name(person: Person) -> str:
    """On which channel a person is."""
    return channel_title(person.channel_id or channel_of(person.contact_id))


class PeopleDrawing:
    """Everybody, as of the last look."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.paused: dict[str, Pause] = {}
        self.marked: set[str] = set()
        self.now: datetime | None = None
        self._drafts: dict[str, int] = {}
        self._ranks: dict[str, int] = {}
        self._detail: tuple[str, ConversationDetail, list[ContactId], Spent | None] | None = None
        """The approved person under the cursor, and what was read of them."""

    def know(self, snapshot: Snapshot, now: datetime) -> None:
        """Everybody is known as the snapshot has them."""
        listing = snapshot.listing
        people: list[Person] = [*listing.denied, *listing.approved, *listing.pending]
        self.people = {each.contact_id: each for each in people}
        self.paused, self.now, self._ranks = snapshot.pauses, now, snapshot.ranks
        self._drafts = {}
        for draft in snapshot.drafts or ():
            self._drafts[draft.contact_id] = self._drafts.get(draft.contact_id, 0) + 1

    async def read(self, services: Services, contact: ApprovedContact) -> None:
        """How this person stands was read. Raises SecondmeError."""
        identity = ContactId(contact.contact_id)
        detail = await services.conversations.detail(identity)
        linked = (await services.persons.members(identity))[1:]
        account = await services.spending.account(services.clock.now_ms(), 1, [contact.contact_id])
        self._detail = contact.contact_id, detail, linked, account.contacts.get(contact.contact_id)

    def ended(self, now: datetime) -> bool:
        """Somebody's request or denial has ended by `now`, and is no more."""
        gone = [key for key, each in self.people.items() if not isinstance(each, ApprovedContact) and each.expires_at <= now]
        for key in gone:
            del self.people[key]
        return bool(gone)

    # Who is listed

    def parts(self, search: str, wanted: str) -> list[tuple[str, list[str]]]:
        """Keys by heading: who waits, the one that ends first on top; who was approved, the newest first; who was denied."""
        found: tuple[list[str], list[str], list[str]] = ([], [], [])
        for key, person in self.people.items():
            if (not search or _is_like(person, search)) and (not wanted or self._is_wanted(person, wanted)):
                found[0 if isinstance(person, PairingRequest) else 1 if isinstance(person, ApprovedContact) else 2].append(key)
        found[0].sort(key=lambda key: self.people[key].expires_at)  # type: ignore[union-attr]  # they are requests
        return list(zip(PARTS, found, strict=True))

    def filters(self) -> list[Choice]:
        """What there is to choose from."""
        channels = sorted({channel_name(each) for each in self.people.values()})
        return [
            Choice("", "everybody"),
            *(Choice(f"tier {tier.value}", f"tier {tier.value}") for tier in Tier),
            Choice("paused", "paused"),
            Choice("with a draft", "with a draft that waits"),
            *(Choice(f"on {channel}", f"on {channel}") for channel in channels),
        ]

    def _is_wanted(self, person: Person, wanted: str) -> bool:
        kind, _, value = wanted.partition(" ")
        match kind:
            case "tier":
                return isinstance(person, ApprovedContact) and person.tier.value == value
            case "paused":
                return person.contact_id in self.paused
            case "with":
                return person.contact_id in self._drafts
            case "on":
                return channel_name(person) == value
            case _:
                return True

    # Rows

    def row(self, key: str, width: int, *, tight: bool) -> Content:
        """One person in one line, or in two."""
        person = self.people.get(key)
        match person:
            case PairingRequest():
                return self._request_row(person, width, tight=tight)
            case ApprovedContact():
                return self._approved_row(person, width, tight=tight)
            case DeniedContact():
                return self._denied_row(person, width, tight=tight)
            case _:
                return say("")

    def _request_row(self, request: PairingRequest, width: int, *, tight: bool) -> Content:
        mark = "✓" if request.contact_id in self.marked else "●"
        name = say((f"{mark} ", WAITS), (shown_name(request.display_name, request.contact_id), f"bold {INK}"))
        ends = f"ends in {countdown(request.expires_at - self.now)}" if self.now else ""
        right = say((f"{spaced(request.code)}  ", INK), (ends, WAITS))
        words = say((first_line(request) or f"{safe_name(request.contact_id)} on {channel_name(request)}", SOFT))
        if tight:
            return apart(say(column(name, _NAME), " ", words), right, width)
        return lines(apart(name, right, width), fit(say("  ", words), width))

    def _approved_row(self, contact: ApprovedContact, width: int, *, tight: bool) -> Content:
        key = contact.contact_id
        name = say("  ", (shown_name(contact.shown_name, key), f"bold {INK}"))
        when = say((lately(from_ms(at), self.now) if (at := self._ranks.get(key)) and self.now else "", FAINT))
        tags = beside(tier_chip(contact.tier), *self.chips(contact)[:1])
        if tight:
            note = say((_one_line(contact.notes or ""), SOFT))
            return apart(say(column(name, _NAME), " ", tags, " ", note), when, width)
        more = " · ".join(filter(None, (channel_name(contact), _one_line(contact.notes or ""))))
        return lines(apart(name, when, width), fit(say("  ", tags, " ", (more, SOFT)), width))

    def _denied_row(self, contact: DeniedContact, width: int, *, tight: bool) -> Content:
        name = say("  ", (shown_name(contact.display_name, contact.contact_id), f"bold {INK}"))
        left = say((f"for {countdown(contact.expires_at - self.now)}" if self.now else "", FAINT))
        why = say((_one_line(contact.reason or "") or safe_name(contact.contact_id), SOFT))
        if tight:
            return apart(say(column(name, _NAME), " ", why), left, width)
        return lines(apart(name, left, width), fit(say("  ", why), width))

    def chips(self, contact: ApprovedContact) -> list[Content]:
        """What is not as usual with them, what counts most first: a draft, a pause, a mode."""
        found = []
        if drafts := self._drafts.get(contact.contact_id):
            found.append(chip(counted(drafts, "draft"), "waits"))
        if (pause := self.paused.get(contact.contact_id)) is not None:
            left = f" {countdown(pause.until - self.now)}" if pause.until is not None and self.now is not None else ""
            found.append(chip(f"paused{left}"))
        if contact.mode in {ReplyMode.OBSERVE, ReplyMode.OFF}:
            found.append(chip(contact.mode.value))
        return found

    # Sheets

    def sheet(self, key: str, width: int, hints: Sequence[Hint]) -> Content:
        """All that is known of one."""
        person = self.people.get(key)
        acts = [say(""), keys(hint for hint in hints if hint[0] in {"a", "d", "e", "m", "z", "w"})]
        match person:
            case PairingRequest():
                return lines(say((safe_name(key), INK)), say(""), *self._request_sheet(person, width), *acts)
            case ApprovedContact():
                top = apart(say((safe_name(key), INK)), beside(tier_chip(person.tier), *self.chips(person)), min(READ_WIDTH, width))
                return lines(top, say(""), *self._approved_sheet(person, width), *acts)
            case DeniedContact():
                return lines(say((safe_name(key), INK)), say(""), *self._denied_sheet(person, width), *acts)
            case _:
                return say("")

    def _request_sheet(self, request: PairingRequest, width: int) -> list[Content]:
        now = self.now or request.requested_at
        known: list[tuple[str, str | Content]] = [
            ("Code", say((spaced(request.code), f"bold {WAITS}"))),
            ("Asked", f"{ago(request.requested_at, now)} ago on {channel_name(request)}"),
            ("Time left", countdown(request.expires_at - now)),
        ]
        said = first_line(request)
        wrote = quote(said, width) if said else [say((_UNKEPT, FAINT))]
        kept = [say(("Kept as pairing.keep_first_line says; gone with the request.", FAINT))] if said else []
        return [*facts(known, width), say(""), heading("They wrote"), *wrote, *kept]

    def _approved_sheet(self, contact: ApprovedContact, width: int) -> list[Content]:
        known: list[tuple[str, str | Content]] = [("Answered", how_answered(contact))]
        read = self._detail if self._detail and self._detail[0] == contact.contact_id else None
        if read is not None:
            standing = read[1].standing
            known.append(
                ("They are", f"{standing.type.value.replace('_', ' ')}{', as you said' if standing.manual else ', it seems'}")
            )
        known.append(("Voice", safe_name(contact.persona) if contact.persona else "as usual"))
        if read is not None and read[2]:
            known.append(("Linked", ", ".join(safe_name(each) for each in read[2])))
        known.append(("Approved", f"{contact.approved_at.astimezone():%Y-%m-%d} by {safe_name(contact.approved_by)}"))
        if read is not None and self.now is not None:
            known.append(("Today", self._today(read[1], read[3])))
        known.append(("Note", _one_line(contact.notes or "") or "none"))
        return [*facts(known, width), *(self._last_said(read[1], width) if read is not None else [])]

    def _today(self, detail: ConversationDetail, spent: Spent | None) -> str:
        today = self.now.astimezone().date() if self.now else None
        turns = [turn for turn in detail.turns if turn.timestamp.astimezone().date() == today]
        heard = sum(1 for turn in turns if turn.type == "incoming")
        cost = f" · {money(spent.micros)}" if spent is not None and spent.micros else ""
        return f"{heard} in · {len(turns) - heard} out{cost}"

    def _last_said(self, detail: ConversationDetail, width: int) -> list[Content]:
        said = next((turn for turn in reversed(detail.turns) if turn.type == "incoming"), None)
        if said is None or self.now is None:
            return []
        words = safe_text(said.shown[:_QUOTE])
        return [say(""), heading("They last said", lately(said.timestamp, self.now)), *quote(words, width)]

    def _denied_sheet(self, contact: DeniedContact, width: int) -> list[Content]:
        left = countdown(contact.expires_at - self.now) if self.now else ""
        known = [
            ("Denied", f"{contact.denied_at.astimezone():%Y-%m-%d %H:%M} by {safe_name(contact.denied_by)}"),
            ("For", f"{left}; what they write meanwhile is ignored in silence"),
            ("Reason", _one_line(contact.reason or "") or "none was given"),
        ]
        return facts(known, width)


_QUOTE = 600


def spaced(code: str) -> str:
    """A code as it is read out: `418 205`."""
    return f"{code[:3]} {code[3:]}" if len(code) == 6 else safe_name(code)  # noqa: PLR2004  digits of a code


def first_line(request: PairingRequest) -> str:
    """What they wrote, where the owner keeps that."""
    return _one_line(request.first_line or "")


def _one_line(words: str) -> str:
    return " ".join(safe_text(words).split())


def _is_like(person: Person, search: str) -> bool:
    needle = search.strip().casefold()
    return not needle or any(
        needle in each.casefold() for each in (person.display_name or "", person.phone_number, person.contact_id)
    )
