"""Voices on the screen: personas, for whom each speaks, made, edited, tried, broken ones, and how the owner writes."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.messages_api import MessagesApi, Say, messages_api
from fakes.screen import Screen, shown
from fakes.town import Town
from textual.widgets import TextArea

from secondme.core.config.loader import load
from secondme.core.ids import ContactId
from secondme.core.records import OwnMessage

ANNA = ContactId("local:anna")
OpenScreen = Callable[..., Any]
HOME = "---\nname: At home\ntone: warm\nlanguage: es\nrelationships: [family]\n---\nShort.\n"


def written(town: Town, name: str, text: str) -> Path:
    folder = town.setup.places.personas
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.md"
    path.write_text(text)
    return path


def row(on: Screen, key: str) -> str:
    """What a row says, in single blanks; empty while there is none."""
    return " ".join(on.page("voice").rows.text_of(key).split()) if key in on.keys("voice") else ""


def sheet(on: Screen) -> str:
    return " ".join(on.sheet("voice").split())


async def opened(on: Screen, key: str) -> None:
    """The page is shown, its cursor on this persona."""
    await on.press("8")
    await on.until(lambda: key in on.keys("voice"))
    await on.at("voice", key)


def area(on: Screen) -> TextArea:
    return on.app.screen.query_one(TextArea)


async def test_personas_are_listed_with_whom_they_serve_and_what_is_wrong_and_one_becomes_the_default(
    town: Town, screen: OpenScreen
) -> None:
    await town.let_in("anna")
    await town.services.choices.set_persona(ANNA, "home")
    used = town.services.persona_use
    await used.set("relationship:friend", "pals")
    async with screen(size=(120, 30)) as on:
        await opened(on, "pals")
        await on.until(lambda: "is chosen for friend and is not there" in sheet(on))
        written(town, "home", HOME)
        written(town, "work", "---\nname: Work\nlangauge: en\n---\n")
        await on.until(lambda: row(on, "home") == "home family, 1 contact At home, warm, es")
        assert row(on, "work").startswith("▲ work nobody work.md:3: ")
        await on.at("voice", "home")
        await on.until(lambda: "How it speaks Short." in sheet(on))
        await on.press("enter", "escape")
        assert "default" not in await used.all()
        await on.press("u")
        await on.said("home speaks to everybody else")
        assert (await used.all())["default"] == "home"
        await on.until(lambda: row(on, "home").startswith("home everybody else, family, 1 contact"))
        assert row(on, ".") == ""
        await on.at("voice", "work")
        await on.press("u")
        await on.said("work.md:3")
        assert (await used.all())["default"] == "home"
        await on.until(lambda: "e mends it." in sheet(on))


async def test_a_new_persona_is_made_and_opened_for_editing(town: Town, screen: OpenScreen) -> None:
    async with screen(size=(100, 30)) as on:
        await opened(on, ".")
        assert row(on, ".").startswith("built-in default ")
        await on.press("u", "e")
        await on.said("The built-in default has no file")
        assert await town.services.persona_use.all() == {}
        await on.press("n")
        await on.dialog("LineDialog")
        on.input().value = "not a name!"
        await on.press("enter")
        await on.said("A persona's name is up to 64 letters")
        await on.dialog("LineDialog")
        assert on.input().value == "not a name!"
        on.input().value = "dry"
        await on.press("enter")
        await on.dialog("TextDialog")
        area(on).text = "---\nname: Dry\n---\nNo jokes.\n"
        await on.press("ctrl+s")
        await on.said("dry is fine and counts from now on")
        await on.closed()
        path = town.setup.places.personas / "dry.md"
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("---\nname: Dry\n---\nNo jokes.\n", 0o600)
        await on.until(lambda: on.page("voice").rows.current == "dry" and "No jokes." in sheet(on))


async def test_what_is_wrong_is_said_before_it_is_written_and_nothing_typed_is_lost(town: Town, screen: OpenScreen) -> None:
    path = written(town, "home", HOME)
    async with screen(size=(100, 40)) as on:
        await opened(on, "home")
        await on.press("e")
        await on.dialog("TextDialog")
        broken = HOME.replace("tone", "tine")
        area(on).text = broken
        await on.press("ctrl+s")
        await on.until(lambda: "home.md:3: `tine` is not known" in " ".join(shown(on).replace("│", " ").split()))
        assert (path.read_text(), area(on).text) == (HOME, broken)
        await on.press("escape")
        assert "Esc again throws away what you wrote." in shown(on)
        path.write_text(HOME + "More.\n")  # by an editor elsewhere
        area(on).text = HOME + "Mine.\n"
        await on.press("ctrl+s")
        await on.said("was changed meanwhile")
        await on.dialog("TextDialog")
        assert (path.read_text(), area(on).text) == (HOME + "More.\n", HOME + "Mine.\n")
        await on.press("ctrl+s")
        await on.said("home is fine")
        assert path.read_text() == HOME + "Mine.\n"


async def test_a_file_that_would_lose_something_here_is_left_to_an_editor(town: Town, screen: OpenScreen) -> None:
    written(town, "home", HOME + "a\u200bb\n")
    async with screen(size=(100, 30)) as on:
        await opened(on, "home")
        await on.press("e")
        await on.said("secondme persona edit home")
        assert len(on.app.screen_stack) == 1


@pytest.fixture
async def api() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        server.script = lambda _: Say("Ya voy.", usage=(100, 20, 900, 0))
        yield server


async def test_a_persona_is_tried_on_a_message_and_nobody_is_sent_anything(
    town: Town, screen: OpenScreen, api: MessagesApi
) -> None:
    written(town, "home", HOME)
    model = {"model.api_key": "sk-test", "model.base_url": api.url}
    given = {"redis_url": town.setup.settings.redis_url, "pacing.enabled": False, "sleep.enabled": False, "persona.name": "Sam"}
    setup = load({**given, **model}, {}, home=town.setup.places.config)
    async with screen(size=(100, 30), home=setup) as on:
        await opened(on, "home")
        for answer, told in (("Ya voy.", "Ya voy."), ("No, I am a human being, not a bot.", "The checks would hold this for you")):
            api.script = lambda _, answer=answer: Say(answer)
            await on.press("t")
            await on.dialog("LineDialog")
            await on.write("are you a bot?")
            await on.press("enter")
            await on.dialog("SheetDialog")
            assert told in shown(on)
            await on.press("escape")
            await on.closed()
    assert "warm" in str(api.requests[0].body["system"])
    assert await town.raw_keys("HELD:*") == []


async def test_without_a_model_the_owner_is_told_and_keeps_what_they_typed(town: Town, screen: OpenScreen) -> None:
    written(town, "home", HOME)
    async with screen(size=(100, 30)) as on:
        await opened(on, "home")
        await on.press("t")
        await on.dialog("LineDialog")
        await on.write("hello")
        await on.press("enter")
        await on.said("key")
        await on.dialog("LineDialog")
        assert on.input().value == "hello"


async def test_the_style_is_shown_over_all_and_to_one_contact(town: Town, screen: OpenScreen) -> None:
    for name in ("anna", "ben"):
        await town.let_in(name)
    began = datetime.now(UTC)
    said = [OwnMessage(id=f"o{number}", at=began - timedelta(hours=number), text="jaja voy 😘") for number in range(12)]
    async with screen(size=(100, 45)) as on:
        await opened(on, ".")
        await on.until(lambda: "it takes 10 messages" in sheet(on))
        await town.services.style.add(ANNA, said)
        await on.press("slash")
        await on.dialog("FindDialog")
        await on.write("an")
        await on.press("enter")
        await on.until(lambda: "How you write to Anna" in sheet(on))
        assert "From 12 messages of yours" in sheet(on)
        assert "Everything is written in lower case." in sheet(on)
        await on.press("slash")
        await on.dialog("FindDialog")
        await on.write("ben")
        await on.press("enter")
        await on.until(lambda: "How you write to Ben" in sheet(on) and "Not known yet" in sheet(on))
        await on.press("escape")
        await on.until(lambda: "How you write, all in all" in sheet(on) and "mostly 😘" in sheet(on))
