"""The toolbox: what a turn is offered, and each call on its way from the model to the sealed code and back."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms, rfc3339
from secondme.core.enums import Tier
from secondme.core.errors import SecondmeError
from secondme.core.log import get_logger
from secondme.core.messages import Origin, ToolCall, ToolResult, ToolSpec, ToolTurn
from secondme.core.security_log import SecurityEvent, Severity
from secondme.core.tools.asks import AskContext
from secondme.core.tools.permissions import AUDIENCE_OF
from secondme.core.tools.rights import GrantedTool, Verdict, offered, verdict
from secondme.core.tools.schemas import violation
from secondme.core.tools.store import Proposal, ToolRun
from secondme.skills.registry import Skill, SkillKind, SkillState
from secondme.skills.sandbox.sandbox import OWN_CODES, CallFailed, Returned, SandboxCall, SandboxLimits
from secondme.skills.unconfined import is_harmless, run_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ports import Clock
    from secondme.core.security_log import SecurityLog
    from secondme.core.tools.asks import AskDesk
    from secondme.skills.loader import SkillFolder
    from secondme.skills.registry import SkillRegistry
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
_HEALTH_S = 2.0
_DAY_MS = 86_400_000

_TRESPASSES = frozenset({"not_allowed", "private_address", "bad_method", "no_such_ask"})
"""Answers to asks that no honest skill gets."""
NO_SANDBOX = "no_sandbox"
READ = "read_skill"
"""The tool that gives the instructions of a skill."""
PROPOSED = "This is not done: it waits for the owner's word, who may say no. Do not promise it, and do not say that it is done."


AskServer = Callable[[GrantedTool, Mapping[str, Any]], Awaitable[ToolResult]]
"""Calls a tool of an MCP server."""


class SkillToolbox:
    """The tools of a home's skills."""

    def __init__(
        self,
        registry: SkillRegistry,
        sandbox: Sandbox,
        desk: AskDesk,
        secrets: Callable[[str], Mapping[str, str]],
        security: SecurityLog,
        zone: str,
        clock: Clock,
    ) -> None:
        """`secrets`: those of a skill, by their names; `zone`: the owner's time zone."""
        self._registry = registry
        self._sandbox = sandbox
        self._desk = desk
        self._store = registry.store
        self._secrets = secrets
        self._security = security
        self._zone = zone
        self._clock = clock
        self._recent: defaultdict[str, deque[int]] = defaultdict(deque)
        self._health: dict[str, tuple[int, str]] = {}
        self._unconfined_until_ms = 0
        """Nothing confined code a moment ago: until then it is not tried again."""
        self.ask_server: AskServer | None = None
        """What calls tools of MCP servers; None: there are none."""

    async def offered(self, turn: ToolTurn) -> tuple[ToolSpec, ...]:
        """The tools for this turn, ordered by name. None where they cannot be known, or are too many. Never raises."""
        try:
            skills = await self._registry.all()
        except SecondmeError as error:
            log.warning("tools_unknown", error=error.code)
            return ()
        found = [ToolSpec(each.name, each.tool.description, each.tool.input_schema) for each in offered(self._rested(skills), turn)]
        readable = _readable(skills, turn)
        specs = tuple(sorted([*found, *([_reading(readable)] if readable else [])], key=lambda spec: spec.name))
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
        if call.name == READ:
            return await self._read(_readable(skills, turn), turn, dict(call.input or {}))
        if granted is None:
            return ToolResult("This may not be used here.", "not_allowed")
        given = dict(call.input or {})
        skill = next(each for each in skills if each.name == granted.manifest.name)
        if fault := _input_fault(skill, granted, given):
            return ToolResult(fault, "bad_input")
        if self._is_too_often(granted, turn):
            return ToolResult("Too many calls. Answer with what you have.", "too_many_calls")
        if verdict(granted, turn) is Verdict.PROPOSE:
            return await self._propose(skill, granted, turn, given)
        return await self._run(skill, granted, turn, given)

    async def health(self, skill: Skill) -> str | None:
        """How a skill that is on says it is: `ok` or a code, asked once a minute at most; without such a function how its last use went,
        and None when there was none. Never raises but when cancelled."""
        manifest, now = skill.manifest, self._clock.now_ms()
        if not skill.is_on or manifest is None or not skill.tools:
            return None
        if not manifest.health:
            try:
                return next((run.code for run in await self._store.runs(1, skill.name)), None)
            except SecondmeError:
                return None
        at_ms, known = self._health.get(skill.name, (0, ""))
        if now - at_ms > _MINUTE_MS:
            result = await self._sealed(
                skill, skill.tools[0], ToolTurn(Origin.OWNER), {}, function=manifest.health, wall_s=_HEALTH_S
            )
            known = result.code or "ok"
            self._health[skill.name] = now, known
        return known

    async def try_out(self, folder: SkillFolder, tool: str, given: dict[str, Any]) -> ToolResult:
        """What a tool of a folder that nobody approved does, sealed and with the owner's rights: for whoever writes it. Never raises but when
        cancelled."""
        skill = Skill(folder.name, SkillKind.OWN, SkillState.NEW, is_on=False, folder=folder, running=folder)
        granted = next((each for each in skill.tools if not tool or each.tool.name == tool), None)
        if folder.problems or granted is None:
            return ToolResult("; ".join(each.text for each in folder.problems) or f"It has no tool {tool}.", "bad_skill")
        if fault := violation(granted.tool.input_schema, given):
            return ToolResult(f"{fault[0].upper()}{fault[1:]}.", "bad_input")
        return await self._sealed(skill, granted, ToolTurn(Origin.OWNER), given)

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
        if _code_digest(skill, granted) != proposal.digest:
            return ToolResult(f"The skill {proposal.skill} is not the one that proposed it any more.", "skill_changed")
        if fault := _input_fault(skill, granted, proposal.input):
            return ToolResult(fault, "bad_input")
        return await self._run(skill, granted, ToolTurn(Origin.OWNER), proposal.input)

    async def _read(self, readable: Mapping[str, Skill], turn: ToolTurn, given: dict[str, Any]) -> ToolResult:
        """The instructions of a skill, or one of its other texts, as the owner approved them."""
        skill = readable.get(str(given.get("skill")))
        if skill is None or skill.running is None:
            return ToolResult("There is no such skill here.", "not_allowed")
        file = str(given.get("file") or "")
        text = skill.running.instructions if not file else skill.running.files.get(file, b"").decode("utf-8", "replace")
        code = "" if text else "no_such_file"
        with contextlib.suppress(SecondmeError):
            await self._store.note(ToolRun(self._clock.now_ms(), skill.name, "read", code or "ok", 0, turn.contact_id))
        return ToolResult(text or f"There is no such file. There are: {', '.join(sorted(skill.running.files))}", code)

    async def _run(self, skill: Skill, granted: GrantedTool, turn: ToolTurn, given: dict[str, Any]) -> ToolResult:
        started = self._clock.monotonic()
        if skill.kind is SkillKind.MCP and self.ask_server is not None:
            result = await self.ask_server(granted, given)
        else:
            result = await self._sealed(skill, granted, turn, given)
        spent_ms = int((self._clock.monotonic() - started) * 1000)
        now_ms = self._clock.now_ms()
        if result.code in OWN_CODES - {NO_SANDBOX}:  # what a skill says itself, like a place that nobody knows, is an answer
            self._recent[f"failed {skill.name}"].append(now_ms)
        try:
            if result.code and self._is_failing(skill.name):
                await self._store.tell_failing(skill.name)
            run = ToolRun(now_ms, skill.name, granted.tool.name, result.code or "ok", spent_ms, turn.contact_id)
            await self._store.note(run)
        except SecondmeError as error:
            log.warning("tool_run_not_noted", error=error.code)
        return result

    async def _sealed(
        self, skill: Skill, granted: GrantedTool, turn: ToolTurn, given: dict[str, Any], *, function: str = "", wall_s: float = 0.0
    ) -> ToolResult:
        manifest = granted.manifest
        if skill.running is None or manifest.entry not in skill.running.files:
            return ToolResult("It cannot be used.", "not_allowed")
        try:
            config = await self._registry.config(skill)
        except SecondmeError as error:
            return ToolResult("It cannot be used now.", error.code)
        asking = AskContext(granted, turn, config, self._secrets(skill.name))

        async def ask(question: dict[str, Any]) -> dict[str, Any]:
            answer = await self._desk.answer(asking, question)
            if answer.get("error") in _TRESPASSES:
                await self._record(skill.name, str(answer["error"]))
            return answer

        call = SandboxCall(
            skill=skill.name,
            code=skill.running.files[manifest.entry],
            function=function or granted.tool.name,
            input=given,
            config=config,
            now=rfc3339(from_ms(self._clock.now_ms())),
            zone=self._zone,
            limits=SandboxLimits(wall_s=wall_s or granted.tool.timeout_s),
        )
        outcome = await self._sandbox.call(call, ask)
        if isinstance(outcome, CallFailed) and outcome.code == NO_SANDBOX:
            self._unconfined_until_ms = self._clock.now_ms() + _REST_MS
            if is_harmless(skill):
                outcome = await run_here(call, ask)
        match outcome:
            case Returned(value):
                return ToolResult(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
            case CallFailed(code, say):
                log.info("tool_failed", skill=skill.name, tool=granted.tool.name, code=code, said=bool(say))
                return ToolResult(f"It failed ({code}).", code)

    async def _record(self, skill: str, code: str) -> None:
        """A skill asked for what it may not have: a line in the security log, at most one a minute of a skill."""
        now, seen = self._clock.now_ms(), self._recent[f"refused {skill}"]
        if not seen or seen[-1] <= now - _MINUTE_MS:
            seen.clear()
            seen.append(now)
            await self._security.record(SecurityEvent.SKILL_REFUSED, Severity.WARN, skill=skill, code=code)

    async def _propose(self, skill: Skill, granted: GrantedTool, turn: ToolTurn, given: dict[str, Any]) -> ToolResult:
        """The write waits for the owner. The same one for the same message is proposed once."""
        what = json.dumps([turn.contact_id, turn.message_id, granted.name, given], sort_keys=True, ensure_ascii=False)
        proposal = Proposal(
            proposal_id=hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:12],
            contact_id=turn.contact_id,
            skill=skill.name,
            tool=granted.tool.name,
            input=given,
            digest=_code_digest(skill, granted),
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
        """The tools of every skill that is on and has not just failed again and again; where nothing confines, only those that need it not."""
        is_confined = self._clock.now_ms() >= self._unconfined_until_ms
        rested = [
            each
            for each in skills
            if each.is_on and not self._is_failing(each.name) and (is_confined or each.kind is SkillKind.MCP or is_harmless(each))
        ]
        return [tool for skill in rested for tool in skill.tools]

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


def _readable(skills: Sequence[Skill], turn: ToolTurn) -> dict[str, Skill]:
    """The skills that are instructions only, which this turn may read: the owner's approved words, for whom the owner said."""
    if turn.is_tainted:
        return {}
    theirs = AUDIENCE_OF.get(turn.tier) if turn.tier is not None else None
    if turn.origin is Origin.CONTACT and theirs is None:
        return {}
    return {
        each.name: each
        for each in skills
        if each.is_on and not each.tools and each.running and each.running.instructions and each.approval
        if turn.origin is not Origin.CONTACT or (theirs is not None and each.approval.reach >= theirs)
    }


def _reading(readable: Mapping[str, Skill]) -> ToolSpec:
    """The one tool for all of them: a name and a line each, and the text only when it is asked for."""
    known = "; ".join(f"{name}: {' '.join(skill.folder.description.split())[:200]}" for name, skill in readable.items())
    skill = {"type": "string", "enum": list(readable)}
    schema = {"type": "object", "properties": {"skill": skill, "file": {"type": "string"}}, "required": ["skill"]}
    return ToolSpec(READ, f"Instructions that the owner wrote for you. {known}", schema)


def _input_fault(skill: Skill, granted: GrantedTool, given: Mapping[str, Any]) -> str:
    """Why the tool cannot be called with that. The schema of a server's tool is any JSON Schema, which the server checks."""
    fault = "" if skill.kind is SkillKind.MCP else violation(granted.tool.input_schema, given)
    return f"{fault[0].upper()}{fault[1:]}." if fault else ""


def _code_digest(skill: Skill, granted: GrantedTool) -> str:
    """Of what runs: a skill is approved whole, a server's tools one by one."""
    whole = skill.running.digest if skill.running else ""
    return str(getattr(granted.tool, "digest", whole))


def _are_too_many(specs: Sequence[ToolSpec]) -> bool:
    size = sum(len(json.dumps([spec.name, spec.description, spec.schema])) for spec in specs)
    return len(specs) > MOST_TOOLS or size > MOST_CHARACTERS
