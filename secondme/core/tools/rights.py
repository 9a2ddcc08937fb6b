"""Rights: which tools a turn is offered, and what a call may do. Decided from tier, permissions and what the owner granted; never by a model.

reads what is public    reads what is private         changes something
restricted      -                       -                             -
standard        yes                     what its permission allows    -
trusted         yes                     more                          a proposal, which the owner decides
owner           yes                     all                           yes; without anybody to ask: only what was named
suspicious      only what neither reaches out, nor tells anything private, nor changes anything
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from secondme.core.messages import Origin
from secondme.core.tools.manifest import is_private, is_write, permissions_of, widest_audience
from secondme.core.tools.permissions import AUDIENCE_OF, Audience, Leg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.messages import ToolTurn
    from secondme.core.tools.manifest import SkillManifest, ToolDefinition


class Verdict(StrEnum):
    """What happens with a call."""

    RUN = "run"
    PROPOSE = "propose"
    """It waits for the owner's word."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the owner granted to one skill: who may cause it at most, and which of its writes need no single word."""

    audience: Audience = Audience.STANDARD
    auto: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GrantedTool:
    """A tool of a skill that is on, with what was granted to it."""

    manifest: SkillManifest
    tool: ToolDefinition
    grant: Grant

    @property
    def name(self) -> str:
        """As a model calls it."""
        return f"{self.manifest.name}_{self.tool.name}"


def offered(tools: Sequence[GrantedTool], turn: ToolTurn) -> list[GrantedTool]:
    """The tools that this turn may cause, ordered by name. In a contact's turn what reaches anywhere and what reads something private are
    never there together: one would carry out what the other tells."""
    found = sorted((each for each in tools if verdict(each, turn) is not Verdict.REFUSE), key=lambda each: each.name)
    if turn.origin is Origin.CONTACT and any(is_private(each.manifest, each.tool) for each in found):
        return [each for each in found if Leg.OPEN not in _legs(each)]
    return found


def verdict(granted: GrantedTool, turn: ToolTurn) -> Verdict:
    """What becomes of a call of this tool in this turn."""
    writes = is_write(granted.manifest, granted.tool)
    if turn.is_tainted and (writes or is_private(granted.manifest, granted.tool) or _legs(granted) & {Leg.REACH, Leg.OPEN}):
        return Verdict.REFUSE
    match turn.origin:
        case Origin.OWNER:
            return Verdict.RUN
        case Origin.SCRIPT:
            return Verdict.RUN if not writes or granted.name in turn.allowed else Verdict.REFUSE
        case Origin.CONTACT:
            theirs = AUDIENCE_OF.get(turn.tier) if turn.tier is not None else None
            if theirs is None or min(widest_audience(granted.manifest, granted.tool), granted.grant.audience) < theirs:
                return Verdict.REFUSE
            if not writes:
                return Verdict.RUN
            return Verdict.RUN if granted.tool.name in granted.grant.auto else Verdict.PROPOSE
        case _:
            assert_never(turn.origin)


def _legs(granted: GrantedTool) -> set[Leg]:
    return {each.leg for each in permissions_of(granted.manifest, granted.tool)}
