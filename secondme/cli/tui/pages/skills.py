"""The page of skills: what they propose, and what is on, who may cause it, what it may do; its settings, a try, an approval."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.dialogs import ConfirmDialog
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.layout import READ_WIDTH, lines, wrapped
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.pages.skills_rows import PROPOSAL, SkillsDrawing, approval
from secondme.cli.tui.questions import asks
from secondme.cli.tui.rows import Entry, Heading
from secondme.cli.tui.sheets import LineDialog, SettingsDialog, SheetDialog
from secondme.core.errors import DataError, NotFoundError
from secondme.core.messages import Origin, ToolCall, ToolTurn
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.tools.reports import SkillDetail, SkillReport
    from secondme.core.tools.store import Proposal

_RUNS = 500
_FRAME = 56
_UNSHOWN = {"enabled", "changed"}
"""A skill in these states is on when its tools may be offered."""


class SkillsPage(ListPage):
    """Proposals first, then every skill."""

    TITLE: ClassVar[str] = "Skills"
    EMPTY: ClassVar[str] = "There are no skills."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "switch", "Switch the skill on or off", show=False),
        Binding("e", "edit", "Settings of the skill", show=False),
        Binding("t", "try_it", "Try a tool of the skill", show=False),
        Binding("a", "yes", "Approve the skill, or do what it proposes", show=False),
        Binding("d", "no", "Drop what the skill proposes", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._drawing = SkillsDrawing()
        super().__init__(desk, page_id)
        self._is_read = False

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """Every skill, what was used last, what is proposed, and what the one under the cursor may do."""
        del now_ms
        services, drawing = self.desk.link.services, self._drawing
        skills: dict[str, SkillReport] = {}
        for each in await services.skill_desk.reports():
            skills.setdefault(each.name, each)  # a folder with the name of a built-in skill comes behind it
        proposals = {f"{PROPOSAL}{each.proposal_id}": each for each in await services.proposals.waiting()}
        runs = await services.skill_store.runs(_RUNS)
        drawing.skills, drawing.proposals = skills, proposals
        drawing.last, drawing.uses = {run.skill: run for run in reversed(runs)}, Counter(run.skill for run in runs)
        drawing.is_all_counted = len(runs) < _RUNS
        drawing.names = {contact.contact_id: contact.display_name or "" for contact in snapshot.listing.approved}
        current = self.rows.current or next(iter((*proposals, *skills)), "")
        if current in skills and drawing.detail(current) is None:
            with suppress(NotFoundError):  # it went away since it was listed
                drawing.details = {current: (skills[current], await services.skill_desk.detail(current, health=False))}
        self._is_read = True

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self.now = self._drawing.now = now
        drawing = self._drawing
        if not self._is_read:
            self.put([], LOOKING)
            return
        entries: list[Entry] = [*drawing.skills]
        if drawing.proposals:
            asking, all_of_them = Heading("Skills ask", len(drawing.proposals)), Heading("Skills", len(drawing.skills))
            entries = [asking, *drawing.proposals, all_of_them, *drawing.skills]
        self.put(entries, count=str(len(drawing.skills)))

    def tick(self, now: datetime) -> None:
        """Ages are right."""
        self._drawing.now = now
        super().tick(now)

    def tell(self) -> None:
        """What the skill under the cursor may do is read."""
        super().tell()
        current = self.rows.current
        if self.is_shown and current in self._drawing.skills and self._drawing.detail(current) is None:
            self.desk.look_again()

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """What it is, and how it stands."""
        return self._drawing.row(key, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """What it may do, and why it stands like that."""
        return self._drawing.sheet(key, min(READ_WIDTH, width), self.row_hints(key))

    def title_of(self, key: str) -> tuple[str, str]:
        """The skill's name, and what kind it is."""
        if (proposal := self._drawing.proposals.get(key)) is not None:
            return f"For {self._drawing.who(proposal)}", safe_name(proposal.skill)
        skill = self._drawing.skills.get(key)
        return ("", "") if skill is None else (safe_name(skill.name), " ".join(filter(None, (skill.kind, skill.version or ""))))

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done with this skill, or about this proposal."""
        if key in self._drawing.proposals:
            return (("a", "Do it"), ("d", "Drop"), ("Enter", "Read"))
        if (skill := self._drawing.skills.get(key or "")) is None:
            return ()
        approve: tuple[Hint, ...] = (("a", "Approve"),) if skill.kind == "own" and skill.state in {"new", "changed"} else ()
        is_on = skill.state in _UNSHOWN and skill.enabled
        return (*approve, ("o", "Switch off" if is_on else "Switch on"), ("e", "Settings"), ("t", "Try"), ("Enter", "Read"))

    def open_row(self, key: str) -> None:
        """The whole of it; a skill that is on is asked how it is."""
        super().open_row(key)
        if (skill := self._drawing.skills.get(key)) is not None:
            self._look_at(skill)

    @asks
    async def _look_at(self, skill: SkillReport) -> None:
        detail = await self.desk.fetch(partial(self._detail, skill.name))
        if detail is not None:
            self._drawing.details = {skill.name: (skill, detail)}
            self.tell()

    # What the owner does

    @asks
    async def action_switch(self) -> None:
        """On, or off."""
        skill = self._current()
        if skill is None:
            return
        desk, on = self.desk.link, skill.state not in _UNSHOWN or not skill.enabled

        async def switch() -> str:
            services = desk.services
            report = await (services.skill_desk.enable(skill.name) if on else services.skill_desk.disable(skill.name))
            but = f" But: {safe_text(report.reason)}" if on and report.reason else ""
            return f"{safe_name(skill.name)} is {'on' if on else 'off'}.{but}"

        await self.desk.decide(switch)

    @asks
    async def action_edit(self) -> None:
        """The settings form, made from what the skill asks for. What was typed is not lost because it could not be kept."""
        detail = await self._fetched()
        if detail is None:
            return
        name = safe_name(detail.name)
        if not detail.config:
            self.app.notify(f"{name} has no settings.", markup=False)
            return
        typed: dict[str, Any] = {}
        while changes := await self.app.push_screen_wait(SettingsDialog(f"Settings of {name}", detail.config, typed)):
            if await self.desk.decide(partial(self._configure, detail.name, changes)):
                return
            typed = changes

    @asks
    async def action_try_it(self) -> None:
        """Call one of its tools, as the owner."""
        detail = await self._fetched()
        if detail is None:
            return
        if not detail.tools:
            self.app.notify(f"{safe_name(detail.name)} has no tools.", markup=False)
            return
        name = detail.tools[0]
        if len(detail.tools) > 1:
            choices = [Choice(each, safe_name(each)) for each in detail.tools]
            name = await self.app.push_screen_wait(ChoiceDialog("Try which tool?", choices, name)) or ""
        typed, behind = "{}", 1
        while (
            name
            and (given := await self.app.push_screen_wait(LineDialog(f"Call {name} with", "call", typed, behind=behind)))
            is not None
        ):
            result = await self.desk.fetch(partial(self._call, name, given))
            if result is not None:
                await self.app.push_screen_wait(SheetDialog(name, lines(*wrapped(result, _FRAME)), {}))
                return
            typed, behind = given, len(given)

    @asks
    async def action_yes(self) -> None:
        """Do what is proposed; or look at what an own skill may do, and approve it."""
        proposal = self._proposal()
        if proposal is not None:
            await self.desk.decide(partial(self._carry_out, proposal))
            return
        detail = await self._fetched()
        if detail is None:
            return
        name = safe_name(detail.name)
        if detail.kind != "own":
            comes = (
                "comes with secondme. o switches it on"
                if detail.kind == "built-in"
                else f"is an MCP server. secondme skills mcp pin {name}"
            )
            self.app.notify(f"{name} {comes}.", markup=False)
            return
        dialog = SheetDialog(f"Approve {name}?", approval(detail, _FRAME), {"a": "Approve"})
        if await self.app.push_screen_wait(dialog) == "a":
            await self.desk.decide(partial(self._approve, detail))

    @asks
    async def action_no(self) -> None:
        """Drop what is proposed, after a confirmation."""
        if (proposal := self._proposal()) is None:
            return
        body = f"{safe_name(proposal.skill)} would have done it for {self._drawing.who(proposal)}. They are told nothing."
        if await self.app.push_screen_wait(ConfirmDialog("Drop the proposal?", body, "Drop")):
            await self.desk.decide(partial(self._drop, proposal))

    async def _carry_out(self, proposal: Proposal) -> str:
        _, result = await self.desk.link.services.proposals.approve(proposal.proposal_id)
        return safe_text(f"It was not done: {result.text}") if result.code else "Done."

    async def _drop(self, proposal: Proposal) -> str:
        await self.desk.link.services.proposals.drop(proposal.proposal_id)
        return "The proposal is dropped."

    async def _configure(self, name: str, changes: dict[str, Any]) -> str:
        await self.desk.link.services.skill_desk.configure(name, changes)
        return f"{safe_name(name)} has its new settings."

    async def _approve(self, detail: SkillDetail) -> str:
        await self.desk.link.services.skill_desk.approve(detail.name, detail.sheet.digest)
        return f"{safe_name(detail.name)} is approved and on."

    async def _call(self, name: str, given: str) -> str:
        try:
            value = json.loads(given or "{}")
        except (ValueError, RecursionError) as error:
            raise DataError("bad_input", "That is no JSON.", 'Like: {"place": "Tokyo"}') from error
        services = self.desk.link.services
        result = await services.skill_toolbox.call(
            ToolTurn(Origin.OWNER), ToolCall("try", name, value if isinstance(value, dict) else None)
        )
        return safe_text(result.text)

    async def _fetched(self) -> SkillDetail | None:
        skill = self._current()
        return None if skill is None else await self.desk.fetch(partial(self._detail, skill.name))

    async def _detail(self, name: str) -> SkillDetail:
        return await self.desk.link.services.skill_desk.detail(name)

    def _current(self) -> SkillReport | None:
        return self._drawing.skills.get(self.rows.current or "")

    def _proposal(self) -> Proposal | None:
        return self._drawing.proposals.get(self.rows.current or "")
