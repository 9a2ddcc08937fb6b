"""Memory on the screen: of whom something is remembered, what, searched, and forgotten by a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.screen import shown
from fakes.town import Town
from textual.widgets import Input

from secondme.core.ids import ContactId

OpenScreen = Callable[..., Any]
ANNA = ContactId("local:anna")


async def talked(town: Town) -> None:
    await town.let_in("anna")
    await town.services.memory_feed.begin()
    await town.writes("anna", "my dog is called Bartholomew")
    await town.writes("anna", "the ferry leaves at noon")
    await town.services.memory_feed.catch_up()


async def opened(on: Any) -> None:
    """By the palette: the page has no digit."""
    await on.press("ctrl+p")
    await on.until(lambda: "Search for commands" in shown(on) or on.app.screen_stack[-1].query(Input))
    await on.press(*"go to memory")
    await on.until(lambda: "Go to Memory" in shown(on))
    await on.press("enter")
    await on.until(lambda: on.rows("memory"))


async def test_what_is_known_of_a_person_is_shown_and_found(town: Town, screen: OpenScreen) -> None:
    await talked(town)
    async with screen(size=(100, 30)) as on:
        await opened(on)
        assert [row[0].strip() for row in on.rows("memory")] == ["Anna"]
        await on.press("enter")
        await on.until(lambda: "kin dog: Bartholomew" in shown(on))
        assert "2 messages" in shown(on)
        await on.press("escape", "slash")
        await on.until(lambda: on.app.screen_stack[-1].query(Input))
        await on.press(*"when does the ferry leave", "enter")
        await on.until(lambda: "the ferry leaves at noon" in shown(on))


async def test_a_fact_and_everything_is_forgotten_by_a_key(town: Town, screen: OpenScreen) -> None:
    await talked(town)
    async with screen(size=(100, 30)) as on:
        await opened(on)
        await on.press("c")
        await on.until(lambda: "Correct which fact?" in shown(on))
        await on.press("enter")
        await on.until(lambda: "What is right? kin dog:" in shown(on))
        await on.press("end", *("backspace",) * len("Bartholomew"), *"Rex", "enter")
        await on.until(lambda: [each.fact.object for each in town.services.memories.facts(ANNA)] == ["Rex"])
        await on.press("f")
        await on.until(lambda: "Forget which fact?" in shown(on))
        await on.press("enter")
        await on.until(lambda: town.services.memories.facts(ANNA) == [])
        await on.press("x")
        await on.until(lambda: "Forget everything with Anna?" in shown(on))
        await on.press("n")
        assert town.services.memories.count(ANNA) == 2
        await on.press("x")
        await on.until(lambda: "Forget everything with Anna?" in shown(on))
        await on.press("y")
        await on.until(lambda: town.services.memories.all_files() == [])
