"""Memory on the screen: what is known of whom, corrected, searched, and forgotten by a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.screen import Screen, shown
from fakes.town import Town

from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.memory.desk import MemoryDesk
from secondme.core.messages import Speaker

OpenScreen = Callable[..., Any]
ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")


async def talked(town: Town) -> None:
    """Anna said two things, one of them a fact; of Ben there is no fact."""
    await town.let_in("ben")
    await town.let_in("anna")
    await town.services.memory_feed.begin()
    await town.writes("anna", "my dog is called Bartholomew")
    await town.writes("anna", "the ferry leaves at noon")
    await town.writes("ben", "only testing")
    await town.services.memory_feed.catch_up()


async def opened(on: Screen) -> None:
    await on.press("6")
    await on.until(lambda: len(on.keys("memory")) == 2)


def lines(on: Screen) -> list[str]:
    return [" ".join(each.split()) for each in on.lines("memory")]


def sheet(on: Screen) -> str:
    return " ".join(on.sheet("memory").split())


async def test_facts_stand_first_and_all_that_is_kept_of_a_person_is_opened(town: Town, screen: OpenScreen) -> None:
    await talked(town)
    async with screen(size=(100, 30)) as on:
        await opened(on)
        fact, person = lines(on)
        assert fact == "dog: Bartholomew Anna they said so"
        assert person.startswith("Ben no facts; ")
        await on.until(lambda: "About Anna Known they said so, in the chat with Anna Since " in sheet(on))
        assert "From │ my dog is called Bartholomew" in sheet(on)
        assert "messages" not in sheet(on)
        await on.press("enter")
        await on.until(lambda: "All that is kept of Anna 2 messages" in sheet(on))
        assert "2 theirs, 0 yours, 0 of the clone; 0 from exports" in sheet(on)
        await on.press("escape", "G")
        assert on.page("memory").title_of(on.page("memory").rows.current)[0] == "Ben"


async def test_what_was_said_is_searched_with_the_person_under_the_cursor(town: Town, screen: OpenScreen) -> None:
    await talked(town)
    async with screen(size=(100, 30)) as on:
        await opened(on)
        for question, found in (("when does the ferry leave", "the ferry leaves at noon"), ("zzz", "Nothing like that was said.")):
            await on.press("slash")
            await on.dialog("LineDialog")
            assert "What was said with Anna?" in shown(on)
            await on.write(question)
            await on.press("enter")
            await on.dialog("SheetDialog")
            assert found in shown(on)
            await on.press("escape")
            await on.closed()


async def test_a_fact_is_corrected_and_what_was_typed_is_not_lost(
    town: Town, screen: OpenScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    await talked(town)

    async def away(*_: object) -> bool:
        raise UnavailableError("store_unreachable", "The store does not answer.", "Try again.")

    async with screen(size=(100, 30)) as on:
        await opened(on)
        await on.press("e")
        await on.dialog("LineDialog")
        assert (on.input().value, "What is right? dog:" in shown(on)) == ("Bartholomew", True)
        with monkeypatch.context() as lost:
            lost.setattr(MemoryDesk, "correct_fact", away)
            on.input().value = "Rex"
            await on.press("enter")
            await on.said("The store does not answer")
            await on.dialog("LineDialog")
        assert on.input().value == "Rex"
        await on.press("enter")
        await on.said("Your word stands in its place")
        assert [each.fact.object for each in town.services.memories.facts(ANNA)] == ["Rex"]
        await on.until(lambda: lines(on)[0] == "dog: Rex Anna you said so")
        await on.until(lambda: "dog: Rex" in sheet(on) and "From" not in sheet(on))


async def test_one_fact_and_everything_is_forgotten_only_when_confirmed(town: Town, screen: OpenScreen) -> None:
    await talked(town)
    memories = town.services.memories
    async with screen(size=(100, 30)) as on:
        await opened(on)
        for answer, left in (("enter", 1), ("y", 0)):
            await on.press("d")
            await on.dialog("ConfirmDialog")
            assert "dog: Bartholomew" in shown(on)
            await on.press(answer)
            await on.closed()
            await on.until(lambda left=left: len(memories.facts(ANNA)) == left)
        await on.until(lambda: not any("Bartholomew" in each for each in lines(on)))
        await on.at("memory", f"of {ANNA}")
        await on.press("d", "e")
        assert len(on.app.screen_stack) == 1
        for answer, left in (("enter", 2), ("y", 0)):
            await on.press("ctrl+d")
            await on.dialog("ConfirmDialog")
            assert "Forget everything with Anna?" in shown(on)
            await on.press(answer)
            await on.closed()
            await on.until(lambda left=left: memories.count(ANNA) == left)
        await on.said("2 messages forgotten; nothing of it is left.")
        assert memories.count(BEN) == 1
        await on.until(lambda: on.keys("memory") == [f"of {BEN}"])


async def test_the_facts_of_many_are_read_a_few_at_a_time(town: Town, screen: OpenScreen) -> None:
    names = [f"p{number}" for number in range(23)]
    for name in names:
        await town.let_in(name)
    await town.services.memory_feed.begin()
    for name in names:
        await town.writes(name, f"my dog is called {name.title()}us")
    await town.services.memory_feed.catch_up()
    async with screen(size=(100, 30)) as on:
        await on.press("6")
        await on.until(lambda: len(on.keys("memory")) == len(names))
        newest = await town.services.memory_desk.newest_facts([ContactId("local:p3")], 200)
        assert [(fact.value, fact.said_by) for fact in newest[ContactId("local:p3")]] == [("P3us", Speaker.CONTACT.value)]


async def test_nothing_that_is_remembered_is_obeyed(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.services.memory_feed.begin()
    await town.writes("anna", "my dog is called [@click=app.quit]Rex\x1b[2J")
    await town.services.memory_feed.catch_up()
    async with screen(size=(100, 30)) as on:
        await on.press("6")
        await on.until(lambda: on.keys("memory"))
        await on.press("enter")
        await on.until(lambda: "All that is kept" in sheet(on))
        assert "\x1b" not in shown(on)


async def test_an_empty_memory_says_so(town: Town, screen: OpenScreen) -> None:
    del town
    async with screen(size=(80, 24)) as on:
        await on.press("6")
        await on.until(lambda: "Nothing is remembered yet" in shown(on))
        await on.press("e", "d", "slash", "ctrl+d")
        assert len(on.app.screen_stack) == 1
