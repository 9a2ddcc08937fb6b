"""The page of skills: what is on, who may cause it, what it may do; its settings, a try, an approval; and what skills propose."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType

from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.sheets import LineDialog, SettingsDialog, SheetDialog
from secondme.cli.tui.table import Column
from secondme.cli.tui.widgets import BAD, GOOD, QUIET, WARN
from secondme.core.clock import from_ms
from secondme.core.errors import DataError
from secondme.core.format import ago
from secondme.core.messages import Origin, ToolCall, ToolTurn
from secondme.core.text import safe_name, safe_text
from secondme.core.tools.permissions import AUDIENCE_WORDS
from secondme.core.tools.proposals import in_words, values_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.widgets import DataTable

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.cli.tui.table import Row
    from secondme.core.tools.reports import SkillDetail, SkillReport
    from secondme.core.tools.store import Proposal, ToolRun

_PROPOSAL = "proposal:"
_RUNS = 500
_STATES = {
    "enabled": ("● on", GOOD),
    "disabled": ("○ off", QUIET),
    "new": ("● not approved", WARN),
    "changed": ("▲ changed", WARN),
    "not_set_up": ("○ not set up", QUIET),
    "refused": ("▲ broken", BAD),
    "unusable": ("▲ cannot run", BAD),
}
_MENDED_BY = {"new": "Press a.", "changed": "Press a to see what is different.", "not_set_up": "Press c."}
_AUDIENCES = {"owner": "you", "trusted": "trusted", "standard": "standard", None: ""}


class SkillsPage(Page):
    """Proposals first, then every skill."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("State", 14),
        Column("Skill", 10, flexible=2, most=28),
        Column("For", 8, from_width=44),
        Column("What", 12, flexible=5, from_width=56),
        Column("Used", 8, from_width=70),
    )
    EMPTY: ClassVar[str] = "There are no skills."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "switch", "On, off"),
        Binding("c", "configure", "Settings"),
        Binding("t", "try", "Try"),
        Binding("a", "approve", "Approve"),
        Binding("y", "decide(True)", "Do it"),
        Binding("n", "decide(False)", "Drop it"),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._skills: dict[str, SkillReport] | None = None
        self._proposals: dict[str, Proposal] = {}
        self._last: dict[str, ToolRun] = {}
        self._names: dict[str, str] = {}

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """Every skill, what was used last, what is proposed."""
        del now_ms
        services = self.desk.link.services
        skills: dict[str, SkillReport] = {}
        for each in await services.skill_desk.reports():
            skills.setdefault(each.name, each)  # a folder with the name of a built-in skill comes behind it
        self._skills = skills
        self._proposals = {f"{_PROPOSAL}{each.proposal_id}": each for each in await services.proposals.waiting()}
        self._last = {run.skill: run for run in reversed(await services.skill_store.runs(_RUNS))}
        self._names = {contact.contact_id: contact.display_name or "" for contact in snapshot.listing.approved}

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self._put(now)

    def tick(self, now: datetime) -> None:
        """Ages are right."""
        if self.is_shown:
            self._put(now)

    def detail_of(self, key: str) -> Text:
        """What it is, and why it stands like that."""
        if key in self._proposals:
            proposal = self._proposals[key]
            text = Text(f"For {self._who(proposal)}  ", style="bold")
            text.append("y do it   n drop it", style=f"not bold {QUIET}")
            text.append(f"\n{', '.join(f'{name}: {value}' for name, value in values_of(proposal.input))}", style="not bold")
            return text
        skill = (self._skills or {})[key]
        text = Text(skill.name, style="bold")
        text.append(f"  {skill.kind}  {', '.join(skill.tools)}", style=f"not bold {QUIET}")
        text.append(
            f"\n{_reason(skill) or safe_text(skill.description or '')}", style=f"not bold {WARN if skill.reason else ''}".strip()
        )
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_read()

    @work
    async def action_read(self) -> None:
        """The whole of it."""
        key = self.table.current
        if key in self._proposals:
            await self._ask(self._proposals[key])
            return
        detail = await self._fetched()
        if detail is not None:
            await self.app.push_screen_wait(SheetDialog(detail.name, card(detail), {}))

    @work
    async def action_switch(self) -> None:
        """On, or off."""
        skill = self._current()
        if skill is None:
            return
        desk, on = self.desk.link, skill.state not in {"enabled", "changed"} or not skill.enabled

        async def switch() -> str:
            services = desk.services
            report = await (services.skill_desk.enable(skill.name) if on else services.skill_desk.disable(skill.name))
            return f"{skill.name} is {'on' if on else 'off'}.{f' But: {report.reason}' if on and report.reason else ''}"

        await self.desk.decide(switch)

    @work
    async def action_configure(self) -> None:
        """The settings form, made from what the skill asks for."""
        detail = await self._fetched()
        if detail is None:
            return
        if not detail.config:
            self.app.notify(f"{detail.name} has no settings.", markup=False)
            return
        changes = await self.app.push_screen_wait(SettingsDialog(f"Settings of {detail.name}", detail.config))
        if changes:
            await self.desk.decide(partial(self._configure, detail.name, changes))

    @work
    async def action_try(self) -> None:
        """Call one of its tools, as the owner."""
        detail = await self._fetched()
        if detail is None or not detail.tools:
            return
        name = detail.tools[0]
        if len(detail.tools) > 1:
            chosen = await self.app.push_screen_wait(
                ChoiceDialog("Try which tool?", [Choice(each, each) for each in detail.tools], name)
            )
            if not chosen:
                return
            name = chosen
        given = await self.app.push_screen_wait(LineDialog(f"Call {name} with", "call", "{}", behind=1))
        if given is None:
            return
        result = await self.desk.fetch(partial(self._call, name, given))
        if result is not None:
            await self.app.push_screen_wait(SheetDialog(name, Text(result), {}))

    @work
    async def action_approve(self) -> None:
        """Look at what it may do, and approve it."""
        detail = await self._fetched()
        if detail is None:
            return
        if detail.kind != "own":
            self.app.notify(f"{detail.name} comes with secondme. e switches it on.", markup=False)
            return
        choice = await self.app.push_screen_wait(SheetDialog(f"Approve {detail.name}?", card(detail), {"a": "Approve"}))
        if choice == "a":
            await self.desk.decide(partial(self._approve, detail))

    @work
    async def action_decide(self, yes: bool) -> None:  # noqa: FBT001  a binding's argument
        """Do what is proposed, or drop it."""
        proposal = self._proposals.get(self.table.current or "")
        if proposal is not None:
            await self._settle(proposal, yes=yes)

    async def _ask(self, proposal: Proposal) -> None:
        text = Text(safe_text(in_words(proposal)))
        choice = await self.app.push_screen_wait(SheetDialog(f"For {self._who(proposal)}", text, {"y": "Do it", "n": "Drop it"}))
        if choice is not None:
            await self._settle(proposal, yes=choice == "y")

    async def _settle(self, proposal: Proposal, *, yes: bool) -> None:
        async def settle() -> str:
            proposals = self.desk.link.services.proposals
            if not yes:
                await proposals.drop(proposal.proposal_id)
                return "The proposal is dropped."
            _, result = await proposals.approve(proposal.proposal_id)
            return safe_text(f"It was not done: {result.text}") if result.code else "Done."

        await self.desk.decide(settle)

    async def _configure(self, name: str, changes: dict[str, Any]) -> str:
        await self.desk.link.services.skill_desk.configure(name, changes)
        return f"{name} has its new settings."

    async def _approve(self, detail: SkillDetail) -> str:
        await self.desk.link.services.skill_desk.approve(detail.name, detail.sheet.digest)
        return f"{detail.name} is approved and on."

    async def _call(self, name: str, given: str) -> str:
        try:
            value = json.loads(given or "{}")
        except ValueError as error:
            raise DataError("bad_input", "That is no JSON.", 'Like: {"place": "Tokyo"}') from error
        services = self.desk.link.services
        result = await services.skill_toolbox.call(
            ToolTurn(Origin.OWNER), ToolCall("try", name, value if isinstance(value, dict) else None)
        )
        return safe_text(result.text)

    async def _fetched(self) -> SkillDetail | None:
        skill = self._current()
        if skill is None:
            return None
        return await self.desk.fetch(partial(self._read, skill.name))

    async def _read(self, name: str) -> SkillDetail:
        return await self.desk.link.services.skill_desk.detail(name)

    def _current(self) -> SkillReport | None:
        return (self._skills or {}).get(self.table.current or "")

    def _who(self, proposal: Proposal) -> str:
        return shown_name(self._names.get(proposal.contact_id), proposal.contact_id)

    def _put(self, now: datetime) -> None:
        if self._skills is None:
            self.put([], "Looking …")
            return
        rows: list[Row] = [
            (key, (("● asks you", WARN), (self._who(each), ""), ("", ""), (_line(each), ""), (ago(each.made_at, now), QUIET)))
            for key, each in self._proposals.items()
        ]
        self.put([*rows, *(self._row(each, now) for each in self._skills.values())])

    def _row(self, skill: SkillReport, now: datetime) -> Row:
        state = _STATES.get(skill.state, (skill.state, ""))
        last, used = self._last.get(skill.name), ("", "")
        if last is not None:
            used = ago(from_ms(last.at_ms), now), QUIET if last.code == "ok" else WARN
        what = _reason(skill) or safe_text(skill.description or "")
        return skill.name, (state, (skill.name, ""), (_AUDIENCES[skill.audience], ""), (what, QUIET), used)


def _line(proposal: Proposal) -> str:
    values = ", ".join(value for _, value in values_of(proposal.input))
    return f"{proposal.skill} {proposal.tool.replace('_', ' ')}: {values}"


def _reason(skill: SkillReport) -> str:
    """Why it stands like that, and which key mends it, where one does."""
    if not skill.reason:
        return ""
    if not skill.tools and skill.kind != "own" and skill.state == "not_set_up":
        return skill.reason  # known by name only
    return f"{skill.reason} {_MENDED_BY.get(skill.state) or skill.fix or ''}".strip()


def card(detail: SkillDetail) -> Text:
    """What the owner decides by, in one text: what is new first."""
    sheet = detail.sheet
    text = Text(safe_text(sheet.description) + "\n", style="bold")
    if detail.reason:
        text.append(f"{_reason(detail)}\n", style=f"not bold {WARN}")
    if detail.health:
        well = detail.health == "ok"
        text.append("It is well.\n" if well else f"It failed: {detail.health}.\n", style=f"not bold {QUIET if well else WARN}")
    text.append("\nIt may\n" if sheet.permissions else "\nIt may ask for nothing: it only computes.\n", style="bold")
    for each in sheet.permissions:
        text.append(f"  {'NEW ' if each.new else ''}{each.words}\n", style=f"not bold {WARN if each.new else ''}".strip())
    text.append("\nTools\n", style="bold")
    for tool in sheet.tools:
        does = "proposes" if tool.access == "write" else "reads"
        text.append(f"  {tool.name} {does}, for {AUDIENCE_WORDS[tool.audience]}: {tool.description}\n", style="not bold")
    if detail.config:
        text.append("\nSettings\n", style="bold")
    for row in detail.config:
        value = ("***" if row.set else "not set") if row.type == "secret" else "not set" if row.value is None else str(row.value)
        text.append(f"  {row.label}: {safe_name(value)}\n", style="not bold")
    for heading, lines in (("Look at", sheet.hints), ("Changed", sheet.changes)):
        if lines:
            text.append(f"\n{heading}\n", style="bold")
            text.append("".join(f"  {line}\n" for line in lines), style="not bold")
    text.append(f"\n{sheet.digest}", style=f"not bold {QUIET}")
    return text
