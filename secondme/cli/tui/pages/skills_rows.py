"""How skills are drawn: what they propose first, then each of them, and as a sheet what one may do and why it stands as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.cli.tui.layout import apart, chip, column, facts, fit, heading, keys, lines, say, shown_name, wrapped
from secondme.cli.tui.theme import ACCENT, BAD, FAINT, INK, SOFT, WAITS
from secondme.core.clock import from_ms
from secondme.core.format import counted, lately
from secondme.core.text import safe_name, safe_text
from secondme.core.tools.permissions import AUDIENCE_WORDS
from secondme.core.tools.proposals import values_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.core.tools.reports import SkillDetail, SkillReport
    from secondme.core.tools.store import Proposal, ToolRun

PROPOSAL = "proposal:"
"""Before the id of a proposal, in the key of its row."""
_NAME = 20
_STATES = {
    "enabled": ("on", "good"),
    "disabled": ("off", "quiet"),
    "new": ("not approved", "quiet"),
    "changed": ("changed", "bad"),
    "not_set_up": ("not set up", "quiet"),
    "refused": ("broken", "bad"),
    "unusable": ("blocked", "bad"),
}
_MENDED_BY = {
    "new": "a shows what it may do, to approve it.",
    "changed": "a shows what is different.",
    "not_set_up": "e opens its settings.",
}
_AUDIENCES = {
    "owner": "you alone",
    "trusted": "trusted contacts",
    "standard": "everybody who is approved",
    None: "nobody: it has no tools",
}


class SkillsDrawing:
    """Every skill and every proposal, as of the last look."""

    def __init__(self) -> None:
        self.skills: dict[str, SkillReport] = {}
        self.details: dict[str, tuple[SkillReport, SkillDetail]] = {}
        """What was read of the skill under the cursor, and as what it was listed then."""
        self.proposals: dict[str, Proposal] = {}
        """By the key of its row."""
        self.last: Mapping[str, ToolRun] = {}
        self.uses: Mapping[str, int] = {}
        """Skill -> how often it was used, as far as was counted."""
        self.is_all_counted = True
        self.names: Mapping[str, str] = {}
        self.now: datetime | None = None

    def who(self, proposal: Proposal) -> str:
        """For whom it is."""
        return shown_name(self.names.get(proposal.contact_id), proposal.contact_id)

    def detail(self, name: str) -> SkillDetail | None:
        """What was read of the skill, if it still stands as it did."""
        known = self.details.get(name)
        return known[1] if known is not None and known[0] == self.skills.get(name) else None

    # Rows

    def row(self, key: str, width: int, *, tight: bool) -> Content:
        """A proposal or a skill, in one line or in two."""
        if (proposal := self.proposals.get(key)) is not None:
            name = say(("● ", WAITS), (self.who(proposal), f"bold {INK}"))
            when = say((lately(proposal.made_at, self.now) if self.now else "", FAINT))
            return _laid_out(name, say((_proposed(proposal), SOFT)), say(chip("asks", "waits"), "  ", when), width, tight=tight)
        if (skill := self.skills.get(key)) is None:
            return say("")
        word, role = _STATES.get(skill.state, (safe_name(skill.state), "quiet"))
        mark = ("▲ ", BAD) if role == "bad" else ("  ", INK)
        name = say(mark, (safe_name(skill.name), f"bold {INK}"))
        words = reason(skill) or safe_text(skill.description or "")
        return _laid_out(name, say((" ".join(words.split()), SOFT)), chip(word, role), width, tight=tight)

    # Sheets

    def sheet(self, key: str, width: int, hints: Sequence[Hint]) -> Content:
        """What it is, and what may be decided."""
        acts = [say(""), keys(hint for hint in hints if hint[0] in {"a", "d", "o", "e", "t"})]
        if (proposal := self.proposals.get(key)) is not None:
            return lines(*self._proposal_sheet(proposal, width), *acts)
        if (skill := self.skills.get(key)) is None:
            return say("")
        return lines(*self._skill_sheet(skill, width), *acts, *self._rest(skill, width))

    def _proposal_sheet(self, proposal: Proposal, width: int) -> list[Content]:
        known: list[tuple[str, str | Content]] = [
            ("For", f"{self.who(proposal)}, {safe_name(proposal.contact_id)}"),
            ("Skill", f"{safe_name(proposal.skill)}: {safe_name(proposal.tool.replace('_', ' '))}"),
            ("Asked", lately(proposal.made_at, self.now) if self.now else ""),
        ]
        drawn = [say(chip("asks", "waits"), ("  nothing of it was done", SOFT)), say(""), *facts(known, width)]
        drawn += [say(""), heading("It would do this with")]
        for name, value in values_of(proposal.input):
            drawn += wrapped(value, width, lead=say((f"{name}: ", FAINT)), more="  ")
        return drawn

    def _skill_sheet(self, skill: SkillReport, width: int) -> list[Content]:
        word, role = _STATES.get(skill.state, (safe_name(skill.state), "quiet"))
        drawn = [chip(word, role), say("")]
        if why := reason(skill):
            drawn += [*wrapped(why, width, BAD if role == "bad" else SOFT), say("")]
        drawn += [*wrapped(" ".join(safe_text(skill.description or "").split()), width), say("")]
        known: list[tuple[str, str | Content]] = [("May cause it", _AUDIENCES.get(skill.audience, safe_name(skill.audience or "")))]
        known.append(("Used", self._used(skill)))
        if (detail := self.detail(skill.name)) is not None:
            asked = detail.sheet.permissions
            known.append(("May touch", f"{counted(len(asked), 'thing')}, see below" if asked else "nothing: it only computes"))
            if detail.health:
                well = detail.health == "ok"
                known.append(("Health", "it is well" if well else say((f"it failed: {safe_name(detail.health)}", BAD))))
        return [*drawn, *facts(known, width)]

    def _used(self, skill: SkillReport) -> str:
        last = self.last.get(skill.name)
        if last is None or self.now is None:
            return "not yet"
        how = "" if last.code == "ok" else f", which failed: {safe_name(last.code.replace('_', ' '))}"
        least = "" if self.is_all_counted else "at least "
        return f"{least}{counted(self.uses.get(skill.name, 1), 'time')}, last {lately(from_ms(last.at_ms), self.now)}{how}"

    def _rest(self, skill: SkillReport, width: int) -> list[Content]:
        detail = self.detail(skill.name)
        return [] if detail is None else [say(""), *card_lines(detail, width)]


def _laid_out(name: Content, words: Content, right: Content, width: int, *, tight: bool) -> Content:
    if tight:
        return apart(say(column(name, _NAME + 2), " ", words), right, width)
    return lines(apart(name, right, width), fit(say("  ", words), width))


def _proposed(proposal: Proposal) -> str:
    values = ", ".join(value for _, value in values_of(proposal.input))
    return f"{safe_name(proposal.skill)} {safe_name(proposal.tool.replace('_', ' '))}: {values}"


def reason(skill: SkillReport) -> str:
    """Why it stands like that, and which key mends it, where one does; empty when all is well."""
    if not skill.reason:
        return ""
    if not skill.tools and skill.kind != "own" and skill.state == "not_set_up":
        return safe_text(skill.reason)  # known by name only
    return safe_text(f"{skill.reason} {_MENDED_BY.get(skill.state) or skill.fix or ''}".strip())


def approval(detail: SkillDetail, width: int) -> Content:
    """What the owner decides by, before anything of it runs."""
    drawn = wrapped(" ".join(safe_text(detail.sheet.description).split()), width, f"bold {INK}")
    if why := reason(detail):
        drawn += wrapped(why, width, SOFT)
    return lines(*drawn, say(""), *card_lines(detail, width))


def card_lines(detail: SkillDetail, width: int) -> list[Content]:
    """What it may do, what is new first; its tools, settings and code."""
    sheet = detail.sheet
    drawn = [heading("It may" if sheet.permissions else "It may ask for nothing: it only computes.")]
    for each in sheet.permissions:
        drawn += wrapped(each.words, width, lead=say("  ", ("NEW ", f"bold {ACCENT}")) if each.new else "  ", more="  ")
    drawn += [say(""), heading("Tools")]
    for tool in sheet.tools:
        does = "proposes" if tool.access == "write" else "reads"
        words = f"{tool.name} {does}, for {AUDIENCE_WORDS[tool.audience]}: {tool.description}"
        drawn += wrapped(" ".join(words.split()), width, lead="  ", more="    ")
    if detail.config:
        drawn += [say(""), heading("Settings")]
    for row in detail.config:
        value = ("***" if row.set else "not set") if row.type == "secret" else "not set" if row.value is None else str(row.value)
        drawn += wrapped(f"{row.label}: {safe_name(value)}", width, lead="  ", more="    ")
    for title, found in (("Look at", sheet.hints), ("Changed", sheet.changes)):
        if found:
            drawn += [say(""), heading(title)]
            drawn += [each for line in found for each in wrapped(safe_text(line), width, lead="  ", more="    ")]
    return [*drawn, say(""), *wrapped(sheet.digest, width, FAINT)]
