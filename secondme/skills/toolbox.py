"""The toolbox: what a turn is offered, and each call on its way from the model to the sealed code and back."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms, rfc3339
from secondme.core.enums import Tier
from secondme.core.errors import SecondmeError
from secondme.core.log import get_logger
from secondme.core.messages import Origin, ToolCall, ToolResult, ToolSpec, ToolTurn
from secondme.core.tools.asks import AskContext
from secondme.core.tools.rights import GrantedTool, Verdict, offered, verdict
from secondme.core.tools.schemas import violation
from secondme.core.tools.store import Proposal, ToolRun
from secondme.skills.sandbox.sandbox import OWN_CODES, CallFailed, Returned, SandboxCall, SandboxLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from secondme.core.ports import Clock
    from secondme.core.tools.asks import AskDesk
    from secondme.core.tools.store import SkillStore
    from secondme.skills.registry import Skill, SkillRegistry
    from secondme.skills.sandbox.sandbox import Sandbox

log = get_logger(__name__)

MOST_TOOLS = 24
MOST_CHARACTERS = 24_000
"""Of all offered tools together as JSON: some 6,000 tokens. More is an error the owner sees, and never a list that is silently cut."""
_MINUTE_MS = 60_000
_PER_SKILL, _PER_CONTACT = 30, 10
"""Calls of a minute."""
_FAILURES, _FAILING_MS, _REST_MS = 3, 600_000, 300_000
"""So many failures within so long, and a skill is left alone for a while."""
_AUTO_PER_DAY = 5
_DAY_MS = 86_400_000

PROPOSED = "This is not done: it waits for the owner's word, who may say no. Do not promise it, and do not say that it is done."


class SkillToolbox:
    """The tools of a home's skills."""

    def __init__(
        self,
        registry: SkillRegistry,
        sandbox: Sandbox,
        desk: AskDesk,
        store: SkillStore,
        secrets: Callable[[str], Mapping[str, str]],
        zone: str,
        clock: Clock,
    ) -> None:
        """`secrets`: those of a skill, by their names; `zone`: the owner's time zone."""
        self._registry = registry
        self._sandbox = sandbox
        self._desk = desk
        self._store = store
        self._secrets = secrets
        self._zone = zone
        self._clock = clock
        self._recent: defaultdict[str, deque[int]] = defaultdict(deque)

    async def offered(self, turn: ToolTurn) -> tuple[ToolSpec, ...]:
        """The tools for this turn, ordered by name. None where they cannot be known, or are too many. Never raises."""
        try:
            found = offered(self._rested(await self._registry.all()), turn)
        except SecondmeError as error:
            log.warning("tools_unknown", error=error.code)
            return ()
        specs = tuple(ToolSpec(each.name, each.tool.description, each.tool.input_schema) for each in found)
        if _are_too_many(specs):
            log.error("too_many_tools", tools=len(specs), most=MOST_TOOLS)
            return ()
        return specs

    async def too_many_for(self) -> str:
        """For whom more tools are on than are offered, in plain words; empty when for nobody. Raises UnavailableError."""
        tools = [tool for skill in await self._registry.all() if skill.is_on for tool in skill.tools]
        turns = {
            "you": ToolTurn(Origin.OWNER),
            "trusted contacts": ToolTurn(Origin.CONTACT, Tier.TRUSTED),
            "standard contacts": ToolTurn(Origin.CONTACT, Tier.STANDARD),
        }
        specs = {
            who: [ToolSpec(each.name, each.tool.description, each.tool.input_schema) for each in offered(tools, turn)]
            for who, turn in turns.items()
        }
        return " and ".join(who for who, each in specs.items() if _are_too_many(each))

    async def call(self, turn: ToolTurn, call: ToolCall) -> ToolResult:
        """What the tool came to. Rights are asked for again: what was not offered is not done. Never raises but when cancelled."""
        try:
            skills = await self._registry.all()
            granted = next((each for each in offered(self._rested(skills), turn) if each.name == call.name), None)
        except SecondmeError as error:
            return ToolResult("It cannot be used now.", error.code)
        if granted is None:
            return ToolResult("This may not be used here.", "not_allowed")
        given = dict(call.input or {})
        if fault := violation(granted.tool.input_schema, given):
            return ToolResult(f"{fault[0].upper()}{fault[1:]}.", "bad_input")
        if self._is_too_often(granted, turn):
            return ToolResult("Too many calls. Answer with what you have.", "too_many_calls")
        skill = next(each for each in skills if each.name == granted.manifest.name)
        if verdict(granted, turn) is Verdict.PROPOSE:
            return await self._propose(skill, granted, turn, given)
        return await self._run(skill, granted, turn, given)

    async def carry_out(self, proposal: Proposal) -> ToolResult:
        """What the owner approved was done, with the owner's rights and by the very code that proposed it; or why not. Never raises but when
        cancelled."""
        try:
            skill = next((each for each in await self._registry.all() if each.name == proposal.skill), None)
        except SecondmeError as error:
            return ToolResult(error.message, error.code)
        granted = next((each for each in skill.tools if each.tool.name == proposal.tool), None) if skill else None
        if skill is None or granted is None or not skill.is_on:
            return ToolResult(f"The skill {proposal.skill} is not on any more.", "not_allowed")
        if skill.running is None or skill.running.digest != proposal.digest:
            return ToolResult(f"The skill {proposal.skill} is not the one that proposed it any more.", "skill_changed")
        if fault := violation(granted.tool.input_schema, proposal.input):
            return ToolResult(f"{fault[0].upper()}{fault[1:]}.", "bad_input")
        return await self._run(skill, granted, ToolTurn(Origin.OWNER), proposal.input)

    async def _run(self, skill: Skill, granted: GrantedTool, turn: ToolTurn, given: dict[str, Any]) -> ToolResult:
        started = self._clock.monotonic()
        result = await self._sealed(skill, granted, turn, given)
        spent_ms = int((self._clock.monotonic() - started) * 1000)
        now_ms = self._clock.now_ms()
        if result.code in OWN_CODES:  # what a skill says itself, like a place that nobody knows, is an answer
            self._recent[f"failed {skill.name}"].append(now_ms)
        try:
            run = ToolRun(now_ms, skill.name, granted.tool.name, result.code or "ok", spent_ms, turn.contact_id)
            await self._store.note(run)
        except SecondmeError as error:
            log.warning("tool_run_not_noted", error=error.code)
        return result

    async def _sealed(self, skill: Skill, granted: GrantedTool, turn: ToolTurn, given: dict[str, Any]) -> ToolResult:
        manifest = granted.manifest
        if skill.running is None or manifest.entry not in skill.running.files:
            return ToolResult("It cannot be used.", "not_allowed")
        try:
            config = await self._registry.config(skill)
        except SecondmeError as error:
            return ToolResult("It cannot be used now.", error.code)
        asking = AskContext(granted, turn, config, self._secrets(skill.name))

        async def ask(question: dict[str, Any]) -> dict[str, Any]:
            return await self._desk.answer(asking, question)

        call = SandboxCall(
            skill=skill.name,
            code=skill.running.files[manifest.entry],
            function=granted.tool.name,
            input=given,
            config=config,
            now=rfc3339(from_ms(self._clock.now_ms())),
            zone=self._zone,
            limits=SandboxLimits(wall_s=granted.tool.timeout_s),
        )
        match await self._sandbox.call(call, ask):
            case Returned(value):
                return ToolResult(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            case CallFailed(code, say):
                log.info("tool_failed", skill=skill.name, tool=granted.tool.name, code=code, said=bool(say))
                return ToolResult(f"It failed ({code}).", code)

    async def _propose(self, skill: Skill, granted: GrantedTool, turn: ToolTurn, given: dict[str, Any]) -> ToolResult:
        """The write waits for the owner. The same one for the same message is proposed once."""
        what = json.dumps([turn.contact_id, turn.message_id, granted.name, given], sort_keys=True, ensure_ascii=False)
        proposal = Proposal(
            proposal_id=hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:12],
            contact_id=turn.contact_id,
            skill=skill.name,
            tool=granted.tool.name,
            input=given,
            digest=skill.running.digest if skill.running else "",
            made_at=from_ms(self._clock.now_ms()),
        )
        try:
            done = await self._store.propose(proposal)
        except SecondmeError as error:
            return ToolResult("It cannot be proposed now.", error.code)
        if done in {"made", "known"}:
            return ToolResult(json.dumps({"state": "proposed", "note": PROPOSED}))
        if done == "full":
            return ToolResult("Too much waits for the owner already.", "too_many_proposals")
        return ToolResult("This may not be used here.", "not_allowed")

    def _rested(self, skills: list[Skill]) -> list[GrantedTool]:
        """The tools of every skill that is on and has not just failed again and again."""
        return [tool for skill in skills if skill.is_on and not self._is_failing(skill.name) for tool in skill.tools]

    def _is_failing(self, skill: str) -> bool:
        failures, now = self._recent[f"failed {skill}"], self._clock.now_ms()
        while failures and failures[0] < now - _FAILING_MS:
            failures.popleft()
        return len(failures) >= _FAILURES and failures[-1] > now - _REST_MS

    def _is_too_often(self, granted: GrantedTool, turn: ToolTurn) -> bool:
        """True when the skill, or this contact, was served too often in the last minute; else this call is counted."""
        now = self._clock.now_ms()
        limits = [(f"skill {granted.manifest.name}", _PER_SKILL, _MINUTE_MS)]
        if turn.contact_id:
            limits.append((f"contact {turn.contact_id}", _PER_CONTACT, _MINUTE_MS))
            if granted.tool.name in granted.grant.auto:
                limits.append((f"auto {granted.name}", _AUTO_PER_DAY, _DAY_MS))
        for name, _, length in limits:
            while self._recent[name] and self._recent[name][0] <= now - length:
                self._recent[name].popleft()
        if any(len(self._recent[name]) >= most for name, most, _ in limits):
            return True
        for name, _, _ in limits:
            self._recent[name].append(now)
        return False


def _are_too_many(specs: Sequence[ToolSpec]) -> bool:
    size = sum(len(json.dumps([spec.name, spec.description, spec.schema])) for spec in specs)
    return len(specs) > MOST_TOOLS or size > MOST_CHARACTERS
