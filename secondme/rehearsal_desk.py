"""What a rehearsal is made of in a home: the past of people, a plan with its price, the run, and the report."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from secondme.core.admit.pairing import channel_of
from secondme.core.clock import from_ms
from secondme.core.enums import Tier
from secondme.core.errors import DataError, NotFoundError
from secondme.core.exports.importer import ImportOptions
from secondme.core.exports.single_chat import read_chat
from secondme.core.files import replacement
from secondme.core.ids import ContactId
from secondme.core.messages import Speaker
from secondme.core.records import ApprovedContact
from secondme.core.rehearse.archive import RehearsalRun, RunArchive, RunFile
from secondme.core.rehearse.blind import results
from secondme.core.rehearse.bursts import MOST, Candidate, candidates, pick
from secondme.core.rehearse.past import Past, PastMessage
from secondme.core.rehearse.purse import Estimate, Limit, RehearsalPurse
from secondme.core.rehearse.records import STAND_IN, Material, RunHead, Variant
from secondme.core.rehearse.rehearsal import Rehearsal, World, remove_unfinished
from secondme.core.rehearse.report_page import page
from secondme.core.rehearse.verdict import RehearsalReport, report
from secondme.core.remember.store import RelationshipState
from secondme.core.reply.budget import MICROS, Budget, Prices
from secondme.stores import time_zone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from secondme.core.config.loader import Settings
    from secondme.core.ports import Model
    from secondme.core.records import OwnMessage
    from secondme.services import Services

HOW_TO_IMPORT = "secondme import whatsapp FILE --contact ID"
_UNKNOWN = ContactId(STAND_IN)
_BEFORE = timedelta(minutes=1)
_MOST_PAST = 200
_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class RehearsalWishes:
    """What the owner asks for."""

    contacts: tuple[ContactId, ...] = ()
    """Whose past; empty: everybody's who was let in."""
    export: Path | None = None
    """An export that is read for this run only."""
    me: str = ""
    count: int = 30
    since: timedelta | None = None
    personas: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    max_usd: float = 0.5
    seed: int | None = None
    with_notes: bool = False
    against: str = ""
    """A run whose answers are rehearsed again, and with which it is compared; it says which, of whom, and from which export."""


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """What would be rehearsed, and what that costs. In millionths of a dollar: about, and at most in one try."""

    head: RunHead
    chosen: tuple[Candidate, ...]
    materials: tuple[Material, ...]
    world: World
    micros: int
    most: int


class RehearsalDesk:
    """Rehearsals of one home."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.archive = RunArchive(services.setup.places.rehearsals)

    async def plan(self, wishes: RehearsalWishes) -> RehearsalPlan:
        """What would be rehearsed. Nobody is asked, and nothing is kept.

        Raises DataError `nothing_to_rehearse`, NotFoundError for a persona that there is not, and what reading an export raises.
        """
        services, settings = self._services, self._services.settings
        for persona in wishes.personas:
            services.personas.get(persona)
        other = self.archive.load(wishes.against).head if wishes.against else None
        if other is not None:
            wishes = replace(wishes, **_same_past(other), seed=other.seed, since=None, count=len(other.bursts))
        pasts, contacts = await self._pasts(wishes)
        seed = SystemRandom().randrange(_SEEDS) if wishes.seed is None else wishes.seed
        chosen = await self._chosen(pasts, wishes, seed, other.bursts if other else None)
        variants = tuple(
            Variant(persona=persona, model=model)
            for persona in wishes.personas or ("",)
            for model in wishes.models or (settings.model.name,)
        )
        head = RunHead(
            id="",
            begun_at=services.clock.now(),
            seed=seed,
            variants=variants,
            bursts=tuple(each.id for each in chosen),
            with_notes=wishes.with_notes,
            source=str(wishes.export.resolve()) if wishes.export else "",
            me=wishes.me,
            contact=wishes.contacts[0] if wishes.export and wishes.contacts else "",
            max_micros=int(wishes.max_usd * MICROS),
            against=wishes.against,
        )
        world = await self._world(contacts, with_notes=wishes.with_notes)
        return await self._priced(head, chosen, world)

    async def _chosen(
        self, pasts: Sequence[Past], wishes: RehearsalWishes, seed: int, these: Collection[str] | None
    ) -> list[Candidate]:
        """What is rehearsed of these pasts: by chance, or `these`. Raises DataError `nothing_to_rehearse`."""
        found = {each.members[0]: await asyncio.to_thread(candidates, each) for each in pasts}  # seconds, of a long past
        since = self._services.clock.now() - wishes.since if wishes.since else None
        chosen = pick(found, min(wishes.count, MOST), since=since, seed=seed) if these is None else _these(found.values(), these)
        if not chosen:
            raise _nothing(pasts, found)
        return chosen

    async def again(self, run_id: str, max_usd: float | None) -> RehearsalPlan:
        """What of a run is left to be done. Raises as `plan`, and NotFoundError for a run that there is not."""
        head = self.archive.load(run_id).head
        if max_usd is not None:
            head = head.model_copy(update={"max_micros": int(max_usd * MICROS)})
        pasts, contacts = await self._pasts(RehearsalWishes(**_same_past(head)))
        chosen = _these([await asyncio.to_thread(candidates, past) for past in pasts], head.bursts)
        if not chosen:
            raise DataError("nothing_to_rehearse", "Nothing of what it was to answer is known any more.", "secondme rehearse")
        world = await self._world(contacts, with_notes=head.with_notes)
        return await self._priced(head, chosen, world)

    async def run(
        self,
        plan: RehearsalPlan,
        model_for: Callable[[Settings], Model],
        tell: Callable[[int, int], None],
        began: Callable[[str], None],
    ) -> RunEnd:
        """The plan is carried out as far as its limit and the model let it; a plan of a run that there is goes on with it. `began` is told
        the run's id before anything is asked. Raises CredentialsError and ConfigError, after which it can be gone on with."""
        archive, services = self.archive, self._services
        remove_unfinished(archive.directory)
        opened = archive.resume(plan.head.id) if plan.head.id else archive.create(plan.head)
        with opened as file:
            began(file.run.head.id)
            for each in plan.chosen:
                if each.id not in file.run.bursts:
                    file.add_burst(each.record())
            for material in plan.materials:
                if material.contact not in file.run.materials:
                    file.add_material(material)
            limit = Limit(plan.head.max_micros, file.run.micros)
            rehearsal = Rehearsal(plan.world, plan.chosen, plan.head.variants)
            async with AsyncExitStack() as stack:
                purses = []
                for variant in plan.head.variants:
                    settings = _with_model(services.settings, variant.model)
                    model = await stack.enter_async_context(_closing(model_for(settings)))
                    purses.append(_purse(services, settings, model, limit, file))
                ended = await rehearsal.run(file, purses, tell)
            return RunEnd(file.run.head.id, ended)

    def report(self, run: RehearsalRun) -> RehearsalReport:
        """What the run comes to, as far as it came: of what was not asked yet nothing is said."""
        run = self.archive.compared(run)
        materials, asked = run.materials, {burst for burst, _ in run.answers}
        return report(
            [run.bursts[each] for each in run.head.bursts if each in run.bursts and each in asked],
            list(run.answers.values()),
            run.head.variants,
            past={who: each.past for who, each in materials.items()},
            others={who: each.others for who, each in materials.items()},
            contacts={who: each.contacts for who, each in materials.items()},
            owns={who: each.own_count for who, each in materials.items()},
            names={who: each.name for who, each in materials.items()},
            seed=run.head.seed,
            blind=results(run),
        )

    def write_page(self, run: RehearsalRun, found: RehearsalReport, path: Path) -> Path:
        """The report is at `path` as a page, private; a file that is there is replaced. Raises as `write_file`."""
        return self.write_file(path, page(self.archive.compared(run), found, zone=time_zone(self._services.settings)))

    def write_file(self, path: Path, text: str) -> Path:
        """`path` says `text`, for nobody but the owner. Raises DataError where it cannot be written."""
        try:
            with replacement(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise DataError("page_unwritable", f"{path} cannot be written: {error.strerror}.", "Name another file.") from error
        return path

    async def most_known(self) -> int:
        """How many messages of the owner's to the same person are known, of whom the most are. Nothing is kept."""
        pasts, _ = await self._pasts(RehearsalWishes())
        return max((past.count_before(len(past.turns)) for past in pasts), default=0)

    async def _priced(self, head: RunHead, chosen: Sequence[Candidate], world: World) -> RehearsalPlan:
        settings = self._services.settings
        known = self.archive.load(head.id).calls if head.id else {}
        prices = Prices(settings.budget)
        each = [_with_model(settings, variant.model).model for variant in head.variants]
        purses = [Estimate(prices, models, known) for models in each]
        micros, most = await Rehearsal(world, chosen, head.variants).estimate(purses)
        return RehearsalPlan(head, tuple(chosen), tuple(_materials(chosen, world)), world, micros, most)

    async def _world(self, contacts: Mapping[ContactId, ApprovedContact], *, with_notes: bool) -> World:
        services = self._services
        shown = {who: contact if with_notes else contact.model_copy(update={"notes": None}) for who, contact in contacts.items()}
        known = {who: RelationshipState() if who == _UNKNOWN else await services.relationships.of(who) for who in contacts}
        return World(
            contacts=shown,
            channels={who: contact.channel_id or channel_of(who) for who, contact in contacts.items()},
            relationships=known,
            personas=await services.persona_use.all(),
            measures=await services.style.measures(),
            library=services.personas,
            settings=services.settings,
            zone=time_zone(services.settings),
            clock=services.clock,
            persons=services.persons,
            directory=self.archive.directory,
        )

    async def _pasts(self, wishes: RehearsalWishes) -> tuple[list[Past], dict[ContactId, ApprovedContact]]:
        """Each person's past, and everybody who is in one."""
        services = self._services
        approved = {ContactId(each.contact_id): each for each in (await services.listing()).approved}
        if wishes.export is not None:
            past, contact = await self._imported(wishes, wishes.export, approved)
            return [past], {past.members[0]: contact}
        for each in wishes.contacts:
            if each not in approved:
                raise NotFoundError(
                    "not_approved", f"{each} is not an approved contact.", "secondme pairing list --status approved"
                )
        pasts: list[Past] = []
        seen: set[ContactId] = set()
        for who in wishes.contacts or sorted(approved):
            members = [each for each in await services.persons.members(who) if each in approved]
            if who in seen:
                continue
            seen.update(members)
            pasts.append(Past(members, await self._said(members)))
        return pasts, {who: approved[who] for past in pasts for who in past.members}

    async def _said(self, members: Sequence[ContactId]) -> list[PastMessage]:
        """What was said with one person: as memory has it, or as the owner's own messages and what stands before them tell, whichever knows more."""
        services = self._services
        remembered: list[PastMessage] = []
        if services.settings.memory.enabled and services.setup.places.memory.exists():
            for member in members:
                for each in await asyncio.to_thread(services.memories.messages, member):
                    at = from_ms(each.at_ms)
                    remembered.append(PastMessage(member, each.id, at, Speaker(each.speaker), each.text, forwarded=each.forwarded))
        own = await services.style.own(members[0])
        if sum(each.speaker is Speaker.OWNER for each in remembered) >= len(own):
            return remembered
        return _rebuilt(members[0], own)

    async def _imported(
        self, wishes: RehearsalWishes, path: Path, approved: Mapping[ContactId, ApprovedContact]
    ) -> tuple[Past, ApprovedContact]:
        """The chat of an export, which is kept nowhere, and whose it is."""
        services, now = self._services, self._services.clock.now()
        options = ImportOptions(
            zone=time_zone(services.settings),
            now=now,
            me=wishes.me,
            usual_name=services.settings.persona.name,
            contact=wishes.contacts[0] if wishes.contacts else None,
            approved=tuple((who, each.display_name) for who, each in approved.items()),
        )
        chat = await read_chat(path, options, otherwise=_UNKNOWN)
        said = [PastMessage(chat.contact, each.id, from_ms(each.at_ms), Speaker(each.speaker), each.text) for each in chat.messages]
        known = approved.get(chat.contact) or _let_in(chat.contact, chat.other, now)
        return Past([chat.contact], said), known


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended: its id, and the code of what ended it early."""

    run_id: str
    ended: str


def _same_past(head: RunHead) -> dict[str, Any]:
    """Whose past a run read, as wishes."""
    contacts = (ContactId(head.contact),) if head.contact else ()
    return {"contacts": contacts, "export": Path(head.source) if head.source else None, "me": head.me}


def _these(found: Iterable[Sequence[Candidate]], bursts: Collection[str]) -> list[Candidate]:
    """Those with these ids, by time."""
    wanted = set(bursts)
    chosen = [each for of_one in found for each in of_one if each.id in wanted]
    return sorted(chosen, key=lambda each: (each.at, each.contact, each.answer.position))


def _nothing(pasts: Sequence[Past], found: Mapping[ContactId, Sequence[Candidate]]) -> DataError:
    if not pasts:
        return DataError(
            "nothing_to_rehearse",
            "Nobody was let in yet whose past could be rehearsed.",
            "secondme rehearse --import FILE --me NAME",
        )
    known = sum(past.count_before(len(past.turns)) for past in pasts)
    if any(found.values()):
        return DataError(
            "nothing_to_rehearse", "Nothing that you answered lies in that time.", "Leave out --since, or make it longer."
        )
    what = (
        f"{known} messages of yours are known, and it takes 60 before the first answer" if known else "No message of yours is known"
    )
    return DataError("nothing_to_rehearse", f"There is nothing to rehearse: {what}.", HOW_TO_IMPORT)


def _materials(chosen: Sequence[Candidate], world: World) -> list[Material]:
    """What each account's answers are measured beside: for each rehearsed answer the nearest other one in time, and of the rest the newest. Of
    the accounts of one person each has its own words: it may be forgotten alone."""
    found = []
    rehearsed = {(id(each.past), each.answer.position) for each in chosen}
    for contact in dict.fromkeys(each.contact for each in chosen):
        mine = [each for each in chosen if each.contact == contact]
        past = mine[0].past
        own = [each for each in past.answers if past.messages[each.position].contact == contact]
        free = [each for each in own if (id(past), each.position) not in rehearsed and each.text.strip()]
        others = []
        for each in mine:
            nearest = min(free, key=lambda one: abs(one.messages[0].at - each.at), default=None)
            if nearest is not None:
                others.append(nearest)
                free.remove(nearest)
        found.append(
            Material(
                contact=contact,
                name=world.contacts[contact].shown_name,
                past=tuple(each.text for each in free[-_MOST_PAST:]),
                others=tuple(each.text for each in others),
                contacts=tuple("\n".join(each.record().asked) for each in mine),
                own_count=sum(len(each.messages) for each in own),
            )
        )
    return found


def _rebuilt(contact: ContactId, own: Sequence[OwnMessage]) -> list[PastMessage]:
    """A conversation out of the owner's messages, and of what stands before each of them, which lies at most a minute earlier."""
    found: list[PastMessage] = []
    for each in own:
        if each.before.strip():
            at = max(each.at - _BEFORE, found[-1].at) if found else each.at - _BEFORE
            found.append(PastMessage(contact, f"{each.id}:before", at, Speaker.CONTACT, each.before))
        found.append(PastMessage(contact, each.id, each.at, Speaker.OWNER, each.text))
    return found


def _let_in(who: ContactId, name: str, now: datetime) -> ApprovedContact:
    """Somebody of an export as if they had been let in."""
    return ApprovedContact(
        contact_id=who, phone_number="", display_name=name or None, approved_at=now, approved_by="rehearsal", tier=Tier.STANDARD
    )


def _with_model(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update={"name": name})})


def _purse(services: Services, settings: Settings, model: Model, limit: Limit, file: RunFile) -> RehearsalPurse:
    budget = Budget(model, services.spending, settings.budget, settings.model, services.clock, whole_day=True)
    return RehearsalPurse(budget, Prices(settings.budget), settings.model, limit, file.run.calls, file.keep_call)


@asynccontextmanager
async def _closing(model: Model) -> AsyncIterator[Model]:
    try:
        yield model
    finally:
        close = getattr(model, "close", None)
        if close is not None:
            await close()
