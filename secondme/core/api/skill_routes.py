"""The routes of skills and of what they propose. Code is approved on this machine only: by the unix socket, and never by a token."""

from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from secondme.core.api import schemas
from secondme.core.api.dependencies import Can, answers
from secondme.core.errors import BusyError, NotFoundError
from secondme.core.records import CamelModel
from secondme.core.tools.proposals import values_of
from secondme.core.tools.reports import RunReport, SkillDetail, SkillReport

skills = APIRouter(prefix="/api/skills", tags=["skills"])

_Name = Annotated[str, Path(alias="name", min_length=1, max_length=64, pattern="^[a-z0-9-]+$", examples=["clock"])]


class SkillOperations(Protocol):
    """What the routes may do with skills; built above, where skills are known."""

    async def reports(self) -> list[SkillReport]:
        """Every skill."""

    async def detail(self, name: str) -> SkillDetail:
        """One of them. Raises NotFoundError."""

    async def enable(self, name: str) -> SkillReport:
        """It is on. Raises ConfigError for what cannot be."""

    async def disable(self, name: str) -> SkillReport:
        """It is off."""

    async def approve(self, name: str, digest: str) -> SkillReport:
        """What has this digest is approved."""

    async def configure(self, name: str, values: dict[str, Any]) -> SkillDetail:
        """Its settings have these values."""

    async def runs(self, name: str, most: int) -> list[RunReport]:
        """The newest uses of its tools."""


class SkillList(CamelModel):
    """Every skill."""

    skills: list[SkillReport]


class RunList(CamelModel):
    """Uses of tools, newest first."""

    calls: list[RunReport]


class SkillConfig(schemas.RequestBody):
    """Settings and their new values; null: the default again. Secrets are taken and never told."""

    config: Annotated[dict[str, str | int | float | bool | None], Field(max_length=32)]


class SkillDigest(schemas.RequestBody):
    """What was looked at."""

    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


@skills.get("", responses=answers())
async def list_skills(can: Can) -> SkillList:
    """Every skill, how it stands, and who may cause it."""
    return SkillList(skills=await can.skills.reports())


@skills.get("/{name}", responses=answers(404))
async def show_skill(can: Can, name: _Name) -> SkillDetail:
    """One skill: what it may do, what changed since it was approved, its settings without secrets."""
    return await can.skills.detail(name)


@skills.post("/{name}", responses=answers(404, 409))
async def enable_skill(can: Can, name: _Name) -> SkillReport:
    """The skill is on, from the next reply on. 409 for one that was never approved, with what mends it."""
    found = await can.skills.detail(name)
    if not found.enabled and found.state in {"new", "refused"}:
        raise BusyError("skill_not_approved", found.reason or "It was not approved.", found.fix or "")
    return await can.skills.enable(name)


@skills.delete("/{name}", responses=answers(404))
async def disable_skill(can: Can, name: _Name) -> SkillReport:
    """The skill is off, at once."""
    return await can.skills.disable(name)


@skills.put("/{name}", responses=answers(404))
async def configure_skill(can: Can, name: _Name, wanted: SkillConfig) -> SkillDetail:
    """The skill's settings have these values: all of them, or none."""
    return await can.skills.configure(name, dict(wanted.config))


@skills.get("/{name}/calls", responses=answers(404))
async def list_calls(can: Can, name: _Name, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> RunList:
    """Which of its tools were used, for whom, and how it went."""
    await can.skills.detail(name)
    return RunList(calls=await can.skills.runs(name, limit))


@skills.post("/{name}/approve", responses=answers(404, 409))
async def approve_skill(can: Can, request: Request, name: _Name, looked_at: SkillDigest) -> SkillReport:
    """The skill's folder, as it is now, is what runs. Only on this machine (the unix socket): over TCP there is no such route."""
    if not _is_on_this_machine(request):
        raise NotFoundError("not_found", "Code is approved on the machine itself.", f"secondme skills approve {name}")
    return await can.skills.approve(name, looked_at.digest)


def _is_on_this_machine(request: Request) -> bool:
    """True for a call by the unix socket: its server has a path and no port."""
    server = request.scope.get("server")
    return server is not None and server[1] is None


proposals = APIRouter(prefix="/api/proposals", tags=["proposals"])

_Reference = Annotated[str, Path(alias="proposal", min_length=4, max_length=64, pattern="^[0-9a-f]+$", examples=["3f2a9c"])]


class ProposalShape(CamelModel):
    """What a skill would do."""

    id: str
    contact_id: str
    skill: str
    tool: str
    input: dict[str, str]
    made_at: schemas.Moment


class ProposalList(CamelModel):
    """Everything that waits, the oldest first."""

    proposals: list[ProposalShape]


class ProposalSettled(CamelModel):
    """What became of a proposal: `done`, `dropped`, or why it was not done."""

    id: str
    contact_id: str
    outcome: str


@proposals.get("", responses=answers())
async def list_proposals(can: Can) -> ProposalList:
    """What skills would change, and you decide. Each is gone after 48 hours."""
    waiting = await can.proposals.waiting()
    return ProposalList(
        proposals=[
            ProposalShape(
                id=each.proposal_id,
                contact_id=each.contact_id,
                skill=each.skill,
                tool=each.tool,
                input=dict(values_of(each.input)),
                made_at=each.made_at,
            )
            for each in waiting
        ]
    )


@proposals.post("/{proposal}/approve", responses=answers(404))
async def approve_proposal(can: Can, proposal: _Reference) -> ProposalSettled:
    """It is done, once."""
    found, result = await can.proposals.approve(proposal)
    return ProposalSettled(id=found.proposal_id, contact_id=found.contact_id, outcome=result.code or "done")


@proposals.delete("/{proposal}", responses=answers(404))
async def drop_proposal(can: Can, proposal: _Reference) -> ProposalSettled:
    """Nothing of it is done."""
    found = await can.proposals.drop(proposal)
    return ProposalSettled(id=found.proposal_id, contact_id=found.contact_id, outcome="dropped")
