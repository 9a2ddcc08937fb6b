"""A home with skills: the real registry, sandbox, desk and store, and a clock that stands still."""

import json
from typing import Any

from fakes.clock import FakeClock

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelContact, Origin, ToolCall, ToolResult, ToolTurn
from secondme.services import Services

OWNER = ToolTurn(Origin.OWNER)
ANNA = ToolTurn(Origin.CONTACT, Tier.STANDARD, "local:anna", "local", "m1")
TRUDY = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:trudy", "local", "m2")
NOW_MS = 1_796_000_000_000
"""30 November 2026, 00:53:20 UTC."""


class SkillHome:
    """What tools do in it, for whom."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.clock = services.clock = FakeClock(NOW_MS)

    async def let_in(self, turn: ToolTurn, number: str = "", name: str = "") -> None:
        """Whose turn it is was approved."""
        known = ChannelContact(contact_id=ContactId(turn.contact_id), display_name=name, phone_number=number)
        await self.services.pairing_store.approve_unasked(known, channel=turn.channel_id, by="test", tier=turn.tier)

    async def on(self, skill: str, **settings: Any) -> None:
        """The built-in skill is on, with what the owner chose."""
        await self.services.skill_store.set_config(skill, settings)
        await self.services.skill_store.set_state(skill, on=True)

    async def result(self, name: str, given: dict[str, Any] | None = None, turn: ToolTurn = OWNER) -> ToolResult:
        """What the model is told. Time stands still: a test that calls often moves the clock."""
        return await self.services.skill_toolbox.call(turn, ToolCall("t1", name, given or {}))

    async def tells(self, name: str, given: dict[str, Any] | None = None, turn: ToolTurn = OWNER) -> Any:
        """What the tool returned. It must have worked."""
        result = await self.result(name, given, turn)
        assert (result.code, result.text) == ("", result.text)
        return json.loads(result.text)

    async def code(self, name: str, given: dict[str, Any] | None = None, turn: ToolTurn = OWNER) -> str:
        """Why it did not."""
        return (await self.result(name, given, turn)).code

    async def names(self, turn: ToolTurn) -> list[str]:
        """What a turn is offered."""
        return [spec.name for spec in await self.services.skill_toolbox.offered(turn)]
