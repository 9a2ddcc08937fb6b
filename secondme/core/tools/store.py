"""What is stored of skills: which are on, what the owner chose, what they remember, what they did, what they propose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  pydantic reads it
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from secondme.core.errors import DataError
from secondme.core.records import Record
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from secondme.core.store.client import Store

_ON = b"enabled"
_MEMORY_BYTES = 1024 * 1024
_MEMORY_KEYS = 1000
_VALUE_BYTES = 64 * 1024
_MEMORY_S = 180 * 86_400
_CALLS = 10_000
PROPOSAL_MS = 48 * 3_600_000
_MOST_PROPOSALS = 50
_PAGE = 500
_SHARED = "local:nobody"
"""Whose key is named, and not used, where something is for everybody."""


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One use of a tool, as it is remembered: nothing of what was asked or told."""

    at_ms: int
    skill: str
    tool: str
    code: str
    """`ok`, or why there was no result."""
    ms: int
    contact_id: str
    """Empty: the owner's own turn."""
    run_id: str = ""
    """The store's, in the order in which they were noted; empty until then."""


class Proposal(Record):
    """What a skill would do for a contact once the owner says so."""

    proposal_id: str
    contact_id: str
    skill: str
    tool: str
    input: dict[str, Any]
    digest: str
    """Of the code that asked: other code does not carry it out."""
    made_at: datetime
    decided: str | None = None
    """`approved` or `dropped`; None while it waits."""


class SkillStore:
    """Skills in Redis. Trust in code is not in here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def states(self) -> dict[str, bool]:
        """Skill -> whether the owner last wanted it on. Who is not in it was never decided about."""
        found = await self._store.call(self._store.client.hgetall(keys.SKILLS_STATE))
        return {name.decode(): state == _ON for name, state in found.items()}

    @staticmethod
    def is_any_on(states: Iterable[bytes]) -> bool:
        """Whether one of these, as they are kept, is the state of a skill that is on."""
        return _ON in states

    async def set_state(self, skill: str, *, on: bool) -> None:
        """The skill is on or off from now on, for every process on this store."""
        await self._store.call(self._store.client.hset(keys.SKILLS_STATE, skill, _ON if on else b"disabled"))
        await self._store.publish(keys.EVENTS_STATUS, {"type": "skill_enabled" if on else "skill_disabled", "skill": skill})

    async def config(self, skill: str) -> dict[str, Any]:
        """What the owner chose for the skill. Raises DataError when it cannot be read."""
        found = await self._store.call(self._store.client.hgetall(keys.skill_config(skill)))
        try:
            return {name.decode(): json.loads(value) for name, value in found.items()}
        except ValueError as error:
            raise DataError(
                "bad_skill_config", f"What was chosen for the skill {skill} cannot be read.", f"secondme skills config {skill}"
            ) from error

    async def set_config(self, skill: str, changes: Mapping[str, Any]) -> None:
        """The settings in `changes` have their values; None: the default again."""
        kept: dict[Any, Any] = {name: json.dumps(value) for name, value in changes.items() if value is not None}
        gone = [name for name, value in changes.items() if value is None]
        if kept:
            await self._store.call(self._store.client.hset(keys.skill_config(skill), mapping=kept))
        if gone:
            await self._store.call(self._store.client.hdel(keys.skill_config(skill), *gone))

    async def forget_skill(self, skill: str) -> None:
        """Nobody decided about the skill, and nothing is configured."""
        await self._store.call(self._store.client.hdel(keys.SKILLS_STATE, skill))
        await self._store.call(self._store.client.delete(keys.skill_config(skill)))

    # What skills remember

    async def remembered(self, skill: str, key: str, contact: str | None) -> Any:  # a JSON value of the skill's
        """What the skill remembers under `key`, of `contact` or (None) for everybody; None when nothing."""
        where = keys.skill_memory(contact) if contact else keys.SKILLS_SHARED
        found = await self._store.call(self._store.client.hget(where, f"{skill}\n{key}"))
        return None if found is None else json.loads(found)

    async def remember(self, skill: str, key: str, value: Any, contact: str | None) -> Literal["ok", "full", "too_long"]:
        """The skill remembers `value` (None: nothing) under `key`; or the room it has is full."""
        text = "" if value is None else json.dumps(value, ensure_ascii=False)
        if len(text.encode("utf-8", "replace")) > _VALUE_BYTES:
            return "too_long"
        limits = (_MEMORY_BYTES, _MEMORY_KEYS, _MEMORY_S)
        done = await self._store.run(
            "keep_fact", ("contact" if contact else "shared", skill, key, text, *limits), contact=contact or _SHARED
        )
        return "full" if done == b"full" else "ok"

    # What they did

    async def note(self, run: ToolRun) -> None:
        """The use of a tool is remembered, among the 10,000 newest."""
        fields: dict[Any, Any] = {
            "skill": run.skill,
            "tool": run.tool,
            "code": run.code,
            "ms": str(run.ms),
            "contact": run.contact_id,
        }
        await self._store.call(self._store.client.xadd(keys.SKILL_CALLS, fields, maxlen=_CALLS, approximate=True))

    async def tell_failing(self, skill: str) -> None:
        """Whoever listens knows that the skill fails again and again, and is left alone for a while."""
        await self._store.publish(keys.EVENTS_STATUS, {"type": "skill_failing", "skill": skill})

    async def runs(self, most: int, skill: str = "", *, after: str = "") -> list[ToolRun]:
        """The newest uses, newest first; of one skill, or of all; `after` a use by its `run_id`, or all. Of the last 10,000 at most."""
        found: list[ToolRun] = []
        first = f"({after}" if after else "-"
        last = "+"
        while len(found) < most:
            page = await self._store.call(self._store.client.xrevrange(keys.SKILL_CALLS, last, first, count=_PAGE))
            for entry, fields in page:
                text = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
                if not skill or text.get("skill") == skill:
                    found.append(_run_of(entry.decode(), text))
            if len(page) < _PAGE:
                break
            last = f"({page[-1][0].decode()}"
        return found[:most]

    # What they propose

    async def propose(self, proposal: Proposal) -> Literal["made", "known", "full", "gone"]:
        """The proposal waits for the owner, for 48 h; `known`: it does already, or was decided."""
        contact = proposal.contact_id
        args = (contact, proposal.proposal_id, proposal.encode(), PROPOSAL_MS, _MOST_PROPOSALS, keys.EVENTS_QUEUE)
        done = await self._store.run("propose", (*args, f"{proposal.skill}_{proposal.tool}"), contact=contact)
        match done:
            case b"made":
                return "made"
            case b"known":
                return "known"
            case b"full":
                return "full"
            case _:
                return "gone"

    async def proposals(self) -> list[Proposal]:
        """Everything that waits, the oldest first; what cannot be read is left out."""
        contacts = await self._store.call(self._store.client.zrange(keys.PROPOSALS_INDEX, 0, -1))
        found: list[Proposal] = []
        for contact in contacts:
            rows = await self._store.call(self._store.client.hvals(keys.proposals(contact.decode())))
            for row in rows:
                try:
                    proposal = Proposal.model_validate_json(row)
                except ValidationError:
                    continue
                if proposal.decided is None:
                    found.append(proposal)
            if not rows:
                await self._store.call(self._store.client.zrem(keys.PROPOSALS_INDEX, contact))
        return sorted(found, key=lambda each: each.made_at)

    async def decide(self, proposal: Proposal, decision: Literal["approved", "dropped"]) -> bool:
        """True for who decided first; nobody else carries it out."""
        decided = proposal.model_copy(update={"decided": decision}).encode()
        args = (proposal.contact_id, proposal.proposal_id, decision, keys.EVENTS_QUEUE, decided)
        return bool(await self._store.run("decide", args, contact=proposal.contact_id))


def _run_of(run_id: str, text: Mapping[str, str]) -> ToolRun:
    skill, tool, code = (text.get(name, "") for name in ("skill", "tool", "code"))
    spent = text.get("ms", "")
    at_ms = int(run_id.partition("-")[0])
    return ToolRun(at_ms, skill, tool, code, int(spent) if spent.isdigit() else 0, text.get("contact", ""), run_id)
