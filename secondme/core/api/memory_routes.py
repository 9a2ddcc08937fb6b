"""The routes of memory, for the owner: what is remembered of each person, searched and forgotten."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field, model_validator

from secondme.core.api import schemas
from secondme.core.api.dependencies import Can, Named, answers
from secondme.core.clock import to_ms
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.memory.reports import ForgottenReport, MemoryHit, MemoryOverview, MemoryStatusReport
from secondme.core.records import CamelModel

if TYPE_CHECKING:
    from secondme.core.api.dependencies import ApiOperations

memory = APIRouter(prefix="/api/memory", tags=["memory"])

_Fact = Annotated[str, Path(alias="fact", min_length=8, max_length=64, pattern="^[0-9a-f]+$", examples=["3f2a91c0"])]


class MemoryOfPerson(CamelModel):
    """What is remembered, a part for each contact of the person."""

    contacts: list[MemoryOverview]


class MemoryHits(CamelModel):
    """What was found, the best first."""

    hits: list[MemoryHit]


class FactForgotten(CamelModel):
    """How many facts are gone."""

    forgotten: int


class RightValue(schemas.RequestBody):
    """What is right."""

    value: Annotated[str, Field(min_length=1, max_length=200)]


class FactCorrected(CamelModel):
    """How many facts say something else now."""

    corrected: int


class WhatToForget(schemas.RequestBody):
    """Messages by id, or a span of time (`until` is not part of it). Without either: everything that was said with the person."""

    messages: Annotated[list[str], Field(max_length=1000)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "WhatToForget":
        if self.messages is not None and (self.since or self.until):
            raise ValueError("messages or a span of time, not both")
        return self


@memory.get("", responses=answers())
async def memory_status(can: Can) -> MemoryStatusReport:
    """How memory stands, and who is sent what for it."""
    return await can.memory.status()


@memory.get("/{contact}", responses=answers(404))
async def show_memory(can: Can, contact: Named) -> MemoryOfPerson:
    """What is remembered of a person: how much, since when, and which facts."""
    return MemoryOfPerson(contacts=await can.memory.overview(await _approved(can, contact)))


@memory.get("/{contact}/search", responses=answers(404))
async def search_memory(
    can: Can,
    contact: Named,
    q: Annotated[str, Query(min_length=1, max_length=2000, description="A question, or words.")],
    limit: Annotated[int, Query(ge=1, le=150)] = 10,
) -> MemoryHits:
    """What was said with a person and answers the question, as a reply would find it."""
    return MemoryHits(hits=await can.memory.search(await _approved(can, contact), q, limit))


@memory.post("/{contact}/forget", responses=answers(404, 409))
async def forget_memory(can: Can, contact: Named, what: WhatToForget) -> ForgottenReport:
    """It is forgotten to the last byte, and their files are searched for it. There is no way back; histories and styles stay."""
    who = await _approved(can, contact)
    if what.messages is not None:
        return await can.memory.forget_messages(who, what.messages)
    if what.since or what.until:
        first = to_ms(what.since) if what.since else 0
        return await can.memory.forget_span(who, first, to_ms(what.until) if what.until else 1 << 53)
    return await can.memory.forget_all(who)


@memory.delete("/{contact}/facts/{fact}", responses=answers(404))
async def forget_fact(can: Can, contact: Named, fact: _Fact) -> FactForgotten:
    """A fact that is wrong is gone; what was said stays."""
    count = await can.memory.forget_facts(await _approved(can, contact), [fact])
    if not count:
        raise NotFoundError("no_such_fact", "There is no such fact.", "GET /api/memory/{contact} lists them.")
    return FactForgotten(forgotten=count)


@memory.put("/{contact}/facts/{fact}", responses=answers(404))
async def correct_fact(can: Can, contact: Named, fact: _Fact, right: RightValue) -> FactCorrected:
    """Your word stands in the place of a fact that is wrong; what was said stays."""
    if not await can.memory.correct_fact(await _approved(can, contact), fact, right.value):
        raise NotFoundError("no_such_fact", "There is no such fact.", "GET /api/memory/{contact} lists them.")
    return FactCorrected(corrected=1)


async def _approved(can: "ApiOperations", contact: str) -> ContactId:
    if not await can.people.is_approved(ContactId(contact)):
        raise NotFoundError("unknown_contact", "There is no such contact.")
    return ContactId(contact)
