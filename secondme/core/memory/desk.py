"""The desk: memory as the owner sees it, searches it, and makes it forget; from the command line, the API and the screen alike."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC
from functools import partial
from time import process_time
from typing import TYPE_CHECKING, TypeVar

from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import BusyError, DataError
from secondme.core.memory.library import is_damaged
from secondme.core.memory.recall import pack
from secondme.core.memory.reports import (
    EvaluatedQuestion,
    EvaluationReport,
    FactReport,
    ForgottenReport,
    MemoryHit,
    MemoryOverview,
    MemoryStatusReport,
)
from secondme.core.text import caseless, safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from secondme.core.config.models import MemorySettings
    from secondme.core.ids import ContactId
    from secondme.core.memory.fact_table import KeptFact
    from secondme.core.memory.keeper import MemoryKeeper
    from secondme.core.memory.messages import MemoryMessage
    from secondme.core.memory.service import ConversationMemory
    from secondme.core.memory.store import JournalStore
    from secondme.core.ports import Clock
    from secondme.core.store.persons import PersonStore

_TRIES = 40
_AGAIN_S = 0.25
"""A running gateway reads for milliseconds at a time."""
_PROBE = 6
"""Letters from which on a forgotten message's words are searched for in the files: a shorter one says nothing of its own."""

_DEPTHS, _DEEPEST = (5, 10, 20), 50

_LONGEST_VALUE = 200

_SHARED = "-shm"
"""What SQLite makes beside a file while somebody has it open; nothing of the file's content is only there."""

_T = TypeVar("_T")


class MemoryDesk:
    """Everything about memory that an owner asks for. Methods raise UnavailableError, and BusyError when a file stays busy for ten seconds."""

    def __init__(
        self,
        keeper: MemoryKeeper,
        memory: ConversationMemory,
        journals: JournalStore,
        persons: PersonStore,
        settings: MemorySettings,
        clock: Clock,
        read_waiting: Callable[[ContactId], Awaitable[None]],
    ) -> None:
        """`read_waiting` remembers what a contact's journal holds."""
        self._read_waiting = read_waiting
        self._keeper = keeper
        self._memories = keeper.memories
        self._memory = memory
        self._journals = journals
        self._persons = persons
        self._settings = settings
        self._clock = clock
        self.drop_files: Callable[[str, str], object] = lambda _contact, _message: None
        """Removes what is kept of the recordings and pictures that came with a message."""

    async def status(self) -> MemoryStatusReport:
        """How memory stands, and who is sent what."""
        files = await asyncio.to_thread(self._memories.all_files)
        settings = self._settings
        servers = [each for each in (self._keeper.archive, self._keeper.graph) if each is not None]
        return MemoryStatusReport(
            enabled=settings.enabled,
            filled=await self._journals.is_filled(),
            contacts=sum(path.suffix == ".db" for path in files),
            bytes=sum(path.stat().st_size for path in files if path.exists()),
            waiting=await self._journals.waiting(),
            encrypted=settings.encrypt,
            damaged=sum(map(is_damaged, files)),
            facts=settings.facts,
            embeddings=settings.embeddings,
            recipients=settings.recipients,
            unsent=await asyncio.to_thread(lambda: sum(each.unsettled() for each in servers)),
            keep_days=settings.keep_days,
            budget_tokens=settings.budget_tokens,
        )

    async def search(self, contact: ContactId, words: str, most: int) -> list[MemoryHit]:
        """What was said with this person and answers `words`, the best first, as a reply would find it."""
        ranked = await self._memory.search(contact, words)
        return [
            MemoryHit(
                message_id=each.message.id,
                contact_id=each.contact,
                at=rfc3339(from_ms(each.message.at_ms)),
                speaker=each.message.speaker,
                text=safe_text(each.message.body),
                score=round(each.score, 2),
                why=list(each.why),
            )
            for each in ranked[:most]
        ]

    async def evaluate(self, contact: ContactId, questions: Sequence[tuple[str, Sequence[str]]]) -> EvaluationReport:
        """Where the person's messages that answer each question are found: each question with words that such a message has, or its id."""
        done = [await self._evaluate(contact, question, answers) for question, answers in questions]
        count = max(len(done), 1)
        found = {str(depth): sum(each.place is not None and each.place <= depth for each in done) / count for depth in _DEPTHS}
        return EvaluationReport(questions=done, found=found | {"inBudget": sum(each.in_budget for each in done) / count})

    async def _evaluate(self, contact: ContactId, question: str, answers: Sequence[str]) -> EvaluatedQuestion:
        began = process_time()
        ranked = await self._memory.search(contact, question)
        cpu_ms = (process_time() - began) * 1000
        sought = [caseless(each) for each in answers]
        ids = {
            each.message.id
            for each in ranked
            if each.message.id in answers or any(words in caseless(each.message.body) for words in sought)
        }
        place = next((at for at, each in enumerate(ranked[:_DEEPEST], 1) if each.message.id in ids), None)
        shown = pack(ranked, budget_tokens=self._settings.budget_tokens, zone=UTC)
        in_budget = any(row.id in ids for row in shown)
        return EvaluatedQuestion(question=safe_text(question), place=place, in_budget=in_budget, cpu_ms=round(cpu_ms, 2))

    async def sizes(self, contacts: Sequence[ContactId]) -> dict[ContactId, tuple[int, int]]:
        """How many bytes each contact's files have, and when they last changed (ms): the same as long as nothing was written. Whose there
        are none of is left out. Opens nothing."""
        return await asyncio.to_thread(self._sizes, contacts)

    async def newest_facts(self, contacts: Sequence[ContactId], most: int) -> dict[ContactId, list[FactReport]]:
        """The facts that hold of each of these contacts, at most `most` of each, the newest first. Each contact has its own, linked or not; one
        whose file is busy is left out."""
        return await asyncio.to_thread(self._newest_facts, contacts, most)

    async def facts(self, contact: ContactId, about: str) -> list[FactReport]:
        """The facts that hold of the person and have to do with `about`, the nearest first; without it all, the newest first."""
        found: list[FactReport] = []
        for member in await self._persons.members(contact):
            if about.strip():
                near = await asyncio.to_thread(self._memories.facts_about, member, about)
                found += [_fact(kept) for kept, _ in near]
            else:
                found += [_fact(kept) for kept in await asyncio.to_thread(self._memories.facts, member) if not kept.until_ms]
        return found

    async def overview(self, contact: ContactId) -> list[MemoryOverview]:
        """What is remembered of the person, a part for each of its contacts."""
        return [await asyncio.to_thread(self._overview, each) for each in await self._persons.members(contact)]

    async def forget_messages(self, contact: ContactId, message_ids: Collection[str]) -> ForgottenReport:
        """These messages of the person are forgotten, and the facts that came from nothing else. Repeatable."""
        return await self._forget(contact, lambda each: each.id in message_ids)

    async def forget_span(self, contact: ContactId, from_ms: int, to_ms: int) -> ForgottenReport:
        """As `forget_messages`, for what was said from `from_ms` up to, not including, `to_ms`."""
        return await self._forget(contact, lambda each: from_ms <= each.at_ms < to_ms)

    async def forget_all(self, contact: ContactId) -> ForgottenReport:
        """Everything that memory has of the person; histories and the rest stay (`contacts forget` takes all). Repeatable."""
        return await self._forget(contact, lambda _: True, whole=True)

    async def forget_facts(self, contact: ContactId, keys: Sequence[str]) -> int:
        """These facts, by id or its beginning, are gone; how many that were. What was said stays. Repeatable."""
        count = 0
        for member in await self._persons.members(contact):
            known = [each.key for each in await asyncio.to_thread(self._memories.facts, member)]
            chosen = [key for key in known if any(key.startswith(each) for each in keys if each)]
            if chosen:
                count += await self._again(partial(self._keeper.forget_facts, member, chosen))
        return count

    async def correct_fact(self, contact: ContactId, key: str, value: str) -> bool:
        """True when the fact, by id or its beginning, is known and one: your word stands in its place, and it is not drawn again from what was
        said. Raises DataError when there is no such value."""
        kept = " ".join(safe_text(value).split())[:_LONGEST_VALUE]
        if not kept:
            raise DataError("no_value", "A fact says something.", "Forget it instead.")
        for member in await self._persons.members(contact):
            known = [each.key for each in await asyncio.to_thread(self._memories.facts, member)]
            chosen = [each for each in known if key and each.startswith(key)]
            if len(chosen) == 1:
                return await self._again(partial(self._keeper.correct_fact, member, chosen[0], kept, self._clock.now_ms()))
        return False

    async def _forget(
        self, contact: ContactId, is_meant: Callable[[MemoryMessage], bool], *, whole: bool = False
    ) -> ForgottenReport:
        """`whole`: also what cannot be read, in damaged files and elsewhere."""
        done = [await self._forget_of(member, is_meant, whole=whole) for member in await self._persons.members(contact)]
        messages, facts, left = (sum(each) for each in zip(*done, strict=True))
        return ForgottenReport(messages=messages, facts=facts, left=left)

    async def _forget_of(
        self, contact: ContactId, is_meant: Callable[[MemoryMessage], bool], *, whole: bool
    ) -> tuple[int, int, int]:
        await self._again(lambda: self._read_waiting(contact))  # else it would be remembered after it was forgotten
        said = await asyncio.to_thread(self._memories.messages, contact)
        meant = [each for each in said if is_meant(each)]
        if not meant and not whole:
            return 0, 0, 0
        await self._journals.forget(contact, [each.id for each in meant], self._clock.now_ms(), whole=whole)
        for each in meant:
            await asyncio.to_thread(self.drop_files, contact, each.id)
        facts = len(await asyncio.to_thread(self._memories.facts, contact))
        if whole or len(meant) == len(said):
            await self._keeper.forget_contact(contact)
            facts_left = 0
        else:
            ids = [each.id for each in meant]
            await self._again(lambda: self._keeper.forget_messages(contact, ids))
            facts_left = len(await asyncio.to_thread(self._memories.facts, contact))
        kept = "\n".join(each.text for each in said if not is_meant(each))
        probes = [each.text for each in meant if len(each.text) >= _PROBE and each.text not in kept]
        left = await asyncio.to_thread(self._memories.left_of, probes, contact) if probes else []
        return len(meant), facts - facts_left, len(left)

    def _newest_facts(self, contacts: Sequence[ContactId], most: int) -> dict[ContactId, list[FactReport]]:
        found = {}
        for contact in contacts:
            with suppress(BusyError):
                found[contact] = [_fact(each) for each in self._memories.newest_facts(contact, most)]
        return found

    def _sizes(self, contacts: Sequence[ContactId]) -> dict[ContactId, tuple[int, int]]:
        found = {}
        for contact in contacts:
            paths = [path for path in self._memories.files(contact) if not path.name.endswith(_SHARED)]
            states = [state for path in paths if path.exists() and (state := path.stat()).st_size]
            if states:
                found[contact] = sum(each.st_size for each in states), int(max(each.st_mtime for each in states) * 1000)
        return found

    async def _again(self, do: Callable[[], Awaitable[_T]]) -> _T:
        """What `do` returns, tried again while another process reads the file."""
        for _ in range(_TRIES):
            try:
                return await do()
            except BusyError:
                await self._clock.sleep(_AGAIN_S)
        return await do()

    def _overview(self, contact: ContactId) -> MemoryOverview:
        said = self._memories.messages(contact)
        return MemoryOverview(
            contact_id=contact,
            messages=len(said),
            by_contact=sum(each.speaker == "contact" for each in said),
            by_owner=sum(each.speaker == "owner" for each in said),
            by_clone=sum(each.speaker == "clone" for each in said),
            imported=sum(bool(each.source) for each in said),
            first_at=rfc3339(from_ms(said[0].at_ms)) if said else None,
            last_at=rfc3339(from_ms(said[-1].at_ms)) if said else None,
            facts=[_fact(each) for each in self._memories.facts(contact)],
        )


def _fact(kept: KeptFact) -> FactReport:
    fact = kept.fact
    return FactReport(
        id=kept.key,
        subject=fact.subject,
        kind=fact.kind,
        value=fact.object,
        text=fact.text,
        said_by=fact.speaker.value,
        said_at=rfc3339(from_ms(fact.at_ms)),
        until=rfc3339(from_ms(kept.until_ms)) if kept.until_ms else None,
        messages=list(fact.sources),
    )
