"""Skills on the screen: seen, switched, set up, tried, approved; and what they propose, decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.screen import Screen, shown
from fakes.town import Town
from flows.test_proposals import CODE, TOOLS
from skills.folders import lay, skill_files
from textual.widgets import Input

from secondme.core.enums import Tier
from secondme.core.errors import UnavailableError
from secondme.core.messages import Origin, ToolCall, ToolTurn
from secondme.skills.desk import SkillDesk

OpenScreen = Callable[..., Any]
CONFIG = {
    "key": {"type": "secret", "label": "API key", "required": True},
    "days": {"type": "integer", "default": 3, "label": "Days"},
    "quiet": {"type": "boolean", "default": False, "label": "Quiet"},
}


def put(town: Town, name: str = "list", **more: object) -> None:
    files = skill_files(name, **{"code": CODE, "permissions": ["storage"], "tools": TOOLS, **more})
    lay(town.setup.places.skills / name, files)


def row(on: Screen, key: str) -> str:
    """What a row says, in single blanks; empty while there is none."""
    return " ".join(on.page("skills").rows.text_of(key).split()) if key in on.keys("skills") else ""


def sheet(on: Screen) -> str:
    return " ".join(on.sheet("skills").split())


def asking(on: Screen) -> list[str]:
    return [key for key in on.keys("skills") if key.startswith("proposal:")]


async def opened(on: Screen, name: str) -> None:
    """The page is shown, its cursor on this skill."""
    await on.press("7")
    await on.until(lambda: name in on.keys("skills"))
    await on.at("skills", name)


async def test_a_skill_is_switched_on_and_off_by_one_key_and_enter_switches_nothing(town: Town, screen: OpenScreen) -> None:
    async with screen(size=(100, 30)) as on:
        await opened(on, "clock")
        assert row(on, "clock").endswith(" off")
        await on.press("enter", "escape")
        assert await town.services.skill_store.states() == {}
        await on.press("o")
        await on.until(lambda: row(on, "clock").endswith(" on"))
        assert await town.services.skill_store.states() == {"clock": True}
        await on.press("o")
        await on.until(lambda: row(on, "clock").endswith(" off"))
        await on.until(lambda: "May cause it everybody who is approved Used not yet May touch nothing" in sheet(on))


async def test_an_own_skill_is_looked_at_and_approved(town: Town, screen: OpenScreen) -> None:
    put(town)
    async with screen(size=(100, 40)) as on:
        await opened(on, "list")
        assert row(on, "list").endswith("not approved")
        await on.until(lambda: "a shows what it may do, to approve it." in sheet(on))
        await on.press("o")
        await on.said("cannot be switched on")
        await on.press("a")
        await on.dialog("SheetDialog")
        text = " ".join(shown(on).replace("│", " ").split())
        for words in (
            "Approve list?",
            "remember up to 1 MB about each contact",
            "list_add proposes, for trusted contacts",
            "sha256:",
        ):
            assert words in text
        await on.press("enter")
        assert len(on.app.screen_stack) == 2
        await on.press("a")
        await on.until(lambda: row(on, "list").endswith(" on"))


async def test_what_comes_with_secondme_needs_no_approval(town: Town, screen: OpenScreen) -> None:
    del town
    async with screen(size=(100, 30)) as on:
        await opened(on, "clock")
        await on.press("a")
        await on.said("clock comes with secondme. o switches it on.")
        assert row(on, "clock").endswith(" off")


async def test_what_changed_since_is_shown_before_it_is_approved_anew(town: Town, screen: OpenScreen) -> None:
    put(town)
    await town.services.skill_catalog.approve("list")
    put(town, permissions=["storage", "notify:owner"])
    async with screen(size=(100, 40)) as on:
        await opened(on, "list")
        assert row(on, "list").startswith("▲ list")
        assert row(on, "list").endswith("changed")
        await on.press("a")
        await on.dialog("SheetDialog")
        assert "NEW tell you one line" in shown(on)
        await on.press("escape")
        await on.closed()
        assert row(on, "list").endswith("changed")


async def test_the_settings_are_a_form_and_a_secret_stays_one(
    town: Town, screen: OpenScreen, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(town, config=CONFIG)
    await town.services.skill_catalog.approve("list")

    async def away(*_: object) -> None:
        raise UnavailableError("store_unreachable", "The store does not answer.", "Try again.")

    async with screen(size=(100, 40)) as on:
        await opened(on, "list")
        assert row(on, "list").endswith("not set up")
        await on.press("e")
        await on.dialog("SettingsDialog")
        fields = {field.id: field for field in on.app.screen.query(Input)}
        assert (fields["set-key"].password, fields["set-days"].value) == (True, "3")
        fields["set-key"].value, fields["set-days"].value = "sk-canary", "many"
        await on.press("ctrl+s")
        assert "Days must be a whole number" in shown(on).replace("\n", " ")
        fields["set-days"].value = "5"
        with monkeypatch.context() as lost:
            lost.setattr(SkillDesk, "configure", away)
            await on.press("ctrl+s")
            await on.said("The store does not answer")
            await on.dialog("SettingsDialog")
        fields = {field.id: field for field in on.app.screen.query(Input)}
        assert (fields["set-key"].value, fields["set-days"].value) == ("sk-canary", "5")
        await on.press("ctrl+s")
        await on.until(lambda: row(on, "list").endswith(" on"))
        assert "canary" not in shown(on)
        skill = await town.services.skills.get("list")
        assert await town.services.skills.config(skill) == {"days": 5, "quiet": False}
        assert town.services.skill_secret_names("list") == {"key"}


async def test_a_tool_is_tried_and_asked_for_again_when_that_is_no_input(town: Town, screen: OpenScreen) -> None:
    await town.services.skill_store.set_state("clock", on=True)
    async with screen(size=(100, 40)) as on:
        await opened(on, "clock")
        await on.press("t")
        await on.dialog("LineDialog")
        on.input().value = "no json"
        await on.press("enter")
        await on.said("That is no JSON")
        await on.dialog("LineDialog")
        assert on.input().value == "no json"
        on.input().value = '{"place": "Tokyo"}'
        await on.press("enter")
        await on.dialog("SheetDialog")
        assert "+09:00" in shown(on).replace("\n", "").replace("│", "").replace(" ", "")
        await on.press("escape")
        await on.until(lambda: "Used 1 time, last" in sheet(on))


async def proposed(town: Town, *titles: str) -> None:
    turn = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:anna", "local", "m7")
    for title in titles:
        await town.services.toolbox.call(turn, ToolCall("t", "list_add", {"title": title}))


async def test_what_is_proposed_stands_first_and_is_decided_by_a_key(town: Town, screen: OpenScreen) -> None:
    put(town)
    await town.services.skill_catalog.approve("list")
    await town.let_in("anna", Tier.TRUSTED)
    store = town.services.skill_store
    async with screen(size=(100, 30)) as on:
        await on.press("7")
        await proposed(town, "milk", "bread")
        await on.until(lambda: len(asking(on)) == 2)
        assert on.keys("skills")[:2] == asking(on)
        milk, bread = asking(on)
        assert row(on, milk).startswith("● Anna list add: milk asks")
        await on.at("skills", milk)
        await on.until(lambda: "For Anna, local:anna Skill list: add" in sheet(on))
        await on.press("enter", "o", "e", "t", "escape")
        assert len(asking(on)) == 2
        await on.press("a")
        await on.said("^Done")
        await on.until(lambda: asking(on) == [bread])
        assert await store.remembered("list", "done", "local:owner") == "milk"
        await on.at("skills", bread)
        await on.until(lambda: "title: bread" in sheet(on))
        for answer, left in (("enter", [bread]), ("y", [])):
            await on.press("d")
            await on.dialog("ConfirmDialog")
            await on.press(answer)
            await on.closed()
            await on.until(lambda left=left: asking(on) == left)
        await on.said("The proposal is dropped")
        assert await store.remembered("list", "done", "local:owner") == "milk"


async def test_what_another_decided_first_is_said(town: Town, screen: OpenScreen) -> None:
    put(town)
    await town.services.skill_catalog.approve("list")
    await town.let_in("anna", Tier.TRUSTED)
    await proposed(town, "[bold]milk[/]\x1b[2J")
    async with screen(size=(100, 30)) as on:
        await on.press("7")
        await on.until(lambda: asking(on))
        key = asking(on)[0]
        assert "[bold]milk[/]" in row(on, key)
        assert "\x1b" not in shown(on)
        await on.at("skills", key)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await town.services.proposals.drop(key.removeprefix("proposal:"))
        await on.press("y")
        await on.said("No proposal has that id")
        await on.until(lambda: not asking(on))


async def test_a_skill_is_asked_how_it_is_only_when_it_is_opened(town: Town, screen: OpenScreen) -> None:
    put(town, code=CODE + "\n\ndef ping(ask):\n    return {'code': 'no_key', 'text': 'No key.'}\n", health="ping")
    await town.services.skill_catalog.approve("list")
    report = await town.services.skill_desk.detail("list", health=False)
    assert report.health is None
    async with screen(size=(100, 40)) as on:
        await opened(on, "list")
        await on.until(lambda: "May touch" in sheet(on))
        assert "Health" not in sheet(on)
        await on.press("enter")
        await on.until(lambda: "Health" in sheet(on))
