"""Voices on the screen: personas, for whom each speaks, broken ones, and how the owner writes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fakes.screen import Screen, words
from fakes.town import Town
from textual.widgets import Static

from secondme.core.ids import ContactId
from secondme.core.records import OwnMessage

ANNA = ContactId("local:anna")
OpenScreen = Callable[..., Any]


def style(on: Screen) -> str:
    return words(on.page("voice").query_one(".style Static", Static))


async def test_personas_are_listed_with_whom_they_serve_and_what_is_wrong_and_one_becomes_the_default(
    town: Town, screen: OpenScreen
) -> None:
    await town.let_in("anna")
    await town.services.choices.set_persona(ANNA, "home")
    used = town.services.persona_use
    await used.set("relationship:friend", "pals")
    async with screen(size=(120, 30)) as on:
        await on.press("8")
        await on.until(lambda: [row[0] for row in on.rows("voice")] == ["pals"])
        assert "is chosen for friend and is not there" in on.rows("voice")[0][1]
        folder = town.setup.places.personas
        folder.mkdir(parents=True)
        (folder / "home.md").write_text("---\nname: At home\ntone: warm\nlanguage: es\nrelationships: [family]\n---\nShort.\n")
        (folder / "work.md").write_text("---\nname: Work\nlangauge: en\n---\n")
        await on.until(lambda: ["home", "family, 1 contact", "At home, warm, es"] in on.rows("voice"))
        broken = next(row for row in on.rows("voice") if row[0] == "work")
        assert broken[1].startswith("work.md:3: ")
        on.page("voice").table.move_cursor(row=0)
        await on.press("u")
        await on.said("home speaks to everybody else")
        assert (await used.all())["default"] == "home"
        await on.until(lambda: on.rows("voice")[0][1] == "everybody else, family, 1 contact")
        on.page("voice").table.move_cursor(row=1)
        await on.press("u")
        await on.said("work.md:3")
        assert (await used.all())["default"] == "home"
        assert "secondme persona edit work" in on.text("#page-voice .detail")


async def test_the_style_is_shown_over_all_and_to_one_contact(town: Town, screen: OpenScreen) -> None:
    for name in ("anna", "ben"):
        await town.let_in(name)
    async with screen() as on:
        await on.press("8")
        await on.until(lambda: "it takes 10 messages" in style(on))
        assert on.page("voice").has_class("-empty")
    began = datetime.now(UTC)
    said = [OwnMessage(id=f"o{number}", at=began - timedelta(hours=number), text="jaja voy 😘") for number in range(12)]
    await town.services.style.add(ANNA, said)
    async with screen() as on:
        await on.press("8")
        await on.until(lambda: "How you write all in all" in style(on))
        assert "From 12 messages of yours" in style(on)
        assert "mostly 😘" in style(on)
        await on.press("slash")
        await on.dialog("FindDialog")
        await on.press("down")
        await on.write("an")
        await on.press("enter")
        await on.until(lambda: "How you write to Anna" in style(on))
        assert "Everything is written in lower case." in style(on)
        await on.press("slash")
        await on.dialog("FindDialog")
        await on.write("ben")
        await on.press("enter")
        await on.until(lambda: "How you write to Ben" in style(on) and "Not known yet" in style(on))
        await on.press("escape")
        await on.until(lambda: "How you write all in all" in style(on))
