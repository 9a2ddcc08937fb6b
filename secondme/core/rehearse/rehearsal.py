"""The rehearsal: the owner's past is answered again by the same code that answers live, in a world that ends where each answer begins.

    burst of the past -> the agent with past contexts, past voices, past memory and a purse of its own -> what it would have said

It is given nothing that sends, queues or learns, and nothing of that can be imported from here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.errors import DataError, UnavailableError
from secondme.core.files import hold, is_held, private_dir
from secondme.core.ids import mask_contact_id, new_id
from secondme.core.log import get_logger
from secondme.core.rehearse.comparison import new_facts
from secondme.core.rehearse.past import PastContexts, PastMemory, PastVoices
from secondme.core.rehearse.purse import OVER_LIMIT, Estimate, RehearsalPurse
from secondme.core.rehearse.records import RehearsedAnswer
from secondme.core.reply.agent import Agent, NoReply, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from secondme.core.config.loader import Settings
    from secondme.core.errors import SecondmeError
    from secondme.core.ids import ContactId
    from secondme.core.messages import ModelSize, Prompt
    from secondme.core.ports import Clock
    from secondme.core.records import ApprovedContact
    from secondme.core.rehearse.archive import RunFile
    from secondme.core.rehearse.bursts import Candidate
    from secondme.core.rehearse.records import Variant
    from secondme.core.remember.store import RelationshipState
    from secondme.core.remember.style import Measure
    from secondme.core.reply.collaborators import Purse
    from secondme.core.reply.personas import PersonaLibrary
    from secondme.core.store.persons import PersonStore

log = get_logger(__name__)

_MOST_FAILURES = 3
"""In a row, until the model is taken to be away."""
_STOPS = frozenset({OVER_LIMIT, "over_budget"})
_INDEX, _LOCK = "past-", ".lock"


@dataclass(frozen=True, slots=True)
class World:
    """What does not change from answer to answer."""

    contacts: Mapping[ContactId, ApprovedContact]
    """Who is answered, as they were let in; without the owner's notes where these are left out."""
    channels: Mapping[ContactId, str]
    relationships: Mapping[ContactId, RelationshipState]
    personas: Mapping[str, str]
    """What the owner chose for whom."""
    measures: Sequence[Measure]
    """Of everything that the owner wrote to anybody."""
    library: PersonaLibrary
    settings: Settings
    zone: tzinfo
    clock: Clock
    persons: PersonStore
    directory: Path
    """Where the past's memory may be built; private."""


class Rehearsal:
    """Answers of the past, rehearsed in one or several variants."""

    def __init__(self, world: World, chosen: Sequence[Candidate], variants: Sequence[Variant]) -> None:
        self._world = world
        self._chosen = chosen
        self._variants = variants

    async def estimate(self, purses: Sequence[Estimate]) -> tuple[int, int]:
        """What it would cost, in millionths of a dollar: with answers of the usual length, and at most in one try. Nobody is asked."""
        async with self._memory() as memory:
            for candidate in self._chosen:
                await memory.grow(candidate.moment)
                for variant, purse in zip(self._variants, purses, strict=True):
                    await self._compose(candidate, variant, purse, memory)
        return sum(each.micros for each in purses), sum(each.most for each in purses)

    async def run(self, file: RunFile, purses: Sequence[RehearsalPurse], tell: Callable[[int, int], None]) -> str:
        """Every answer is in the file, beside the clone's; or the code of what ended it early. What the file has already is not asked again.
        `tell` is told how many of how many are done.

        Raises CredentialsError and ConfigError, after which it can be gone on with.
        """
        failures, done, total = 0, 0, len(self._chosen)
        async with self._memory() as memory:
            for candidate in self._chosen:
                burst = candidate.record()
                await memory.grow(candidate.moment)
                open_ = [at for at in range(len(self._variants)) if _is_open(file, burst.id, at)]
                tried = [self._answer(candidate, at, purses[at], memory) for at in open_]
                outcomes = await asyncio.gather(*tried, return_exceptions=True)
                for answer in (each for each in outcomes if isinstance(each, RehearsedAnswer)):
                    file.add_answer(answer)
                    failures = failures + 1 if answer.outcome == "failed" else 0
                    if failures >= _MOST_FAILURES:
                        return answer.reason
                for error in (each for each in outcomes if isinstance(each, BaseException)):
                    if isinstance(error, UnavailableError) and error.code in _STOPS:
                        return error.code
                    raise error
                done += 1
                tell(done, total)
        return ""

    async def _answer(self, candidate: Candidate, at: int, purse: RehearsalPurse, memory: PastMemory) -> RehearsedAnswer:
        """What the clone says in this variant. Raises UnavailableError of a limit, CredentialsError, ConfigError."""
        burst, before = candidate.record(), purse.micros
        found = RehearsedAnswer(burst=burst.id, variant=at, outcome="failed")
        try:
            reply = await self._compose(candidate, self._variants[at], purse, memory)
        except (UnavailableError, DataError) as error:
            if error.code in _STOPS:
                raise
            log.info("rehearsal_failed", contact=mask_contact_id(candidate.contact), code=error.code)
            return found.model_copy(update={"reason": error.code, "micros": purse.micros - before})
        shown = _shown(purse.last)
        facts = reply.facts or {}
        known = {"route": str(facts.get("route", "")), "micros": purse.micros - before}
        if isinstance(reply, NoReply):
            return found.model_copy(update={"outcome": "silent", "reason": reply.reason, **known})
        return found.model_copy(
            update={
                "outcome": "held" if reply.hold else "passed",
                "reason": reply.fault or reply.hold,
                "reply": _messages(reply),
                "new_facts": new_facts(reply.text, shown),
                "own_new_facts": new_facts("\n".join(burst.real), shown),
                **known,
            }
        )

    async def _compose(self, candidate: Candidate, variant: Variant, purse: Purse, memory: PastMemory) -> Reply | NoReply:
        world, moment, who = self._world, candidate.moment, candidate.contact
        contact = world.contacts[who]
        if variant.persona:
            contact = contact.model_copy(update={"persona": variant.persona})
        model = world.settings.model.model_copy(update={"name": variant.model})
        settings = world.settings.model_copy(update={"model": model})
        contexts = PastContexts(moment, world.relationships[who], world.personas)
        voices = PastVoices(moment, world.library, world.measures, settings.persona.file, world.clock)
        agent = Agent(purse, _NoOutages(), contexts, voices, settings, world.zone, world.clock)
        agent.memory = memory if settings.memory.enabled else None
        return await agent.compose_reply(candidate.burst(contact, world.channels[who]))

    def _memory(self) -> _PastMemoryFiles:
        return _PastMemoryFiles(self._world)


class _PastMemoryFiles:
    """Memory of the past in a directory that is gone afterwards; what a killed rehearsal left goes with it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._memory: PastMemory | None = None
        self._directory = world.directory / f"{_INDEX}{new_id()[:12]}"
        self._lock: int | None = None

    async def __aenter__(self) -> PastMemory:
        world = self._world
        self._lock = hold(self._directory.with_suffix(_LOCK))  # first: whose it is is known before it is there
        private_dir(self._directory)
        owner, settings = world.settings.persona.name, world.settings.memory
        self._memory = PastMemory(self._directory, settings, owner, world.zone, world.clock, world.persons)
        return self._memory

    async def __aexit__(self, *_: object) -> None:
        if self._memory is not None:
            self._memory.close()
        _remove(self._directory)
        if self._lock is not None:
            os.close(self._lock)


def remove_unfinished(directory: Path) -> None:
    """What killed rehearsals left of their memory is gone; those that are under way keep theirs. Repeatable."""
    for path in {path.with_suffix("") for path in directory.glob(f"{_INDEX}*")}:
        if not is_held(path.with_suffix(_LOCK)):
            _remove(path)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    path.with_suffix(_LOCK).unlink(missing_ok=True)


def _is_open(file: RunFile, burst: str, variant: int) -> bool:
    known = file.run.answers.get((burst, variant))
    return known is None or known.outcome == "failed"


def _messages(reply: Reply) -> tuple[str, ...]:
    """As they would have been sent: a message for each line where this owner writes so."""
    lines = reply.text.splitlines() if reply.by_line else [reply.text]
    return tuple(line.strip() for line in lines if line.strip())


def _shown(prompt: Prompt | None) -> str:
    """Every word that the model was shown last."""
    if prompt is None:
        return ""
    return "\n".join([*(block.text for block in prompt.system), *(turn.text for turn in prompt.turns)])


class _NoOutages:
    """What fails in a rehearsal is nobody's outage."""

    async def begin(self, error: SecondmeError, size: ModelSize, who: str, now_ms: int) -> None:
        """See `Outages`."""

    async def end(self, size: ModelSize, who: str, now_ms: int, *, stale_ms: float) -> None:
        """See `Outages`."""
