"""Skills on the screen: seen, switched, set up, tried, approved; what they propose, decided; and the palette."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.screen import shown
from fakes.town import Town
from flows.test_proposals import CODE, TOOLS
from skills.folders import lay, skill_files
from textual.widgets import Input

from secondme.core.enums import Tier
from secondme.core.messages import Origin, ToolCall, ToolTurn

OpenScreen = Callable[..., Any]
CONFIG = {
    "key": {"type": "secret", "label": "API key", "required": True},
    "days": {"type": "integer", "default": 3, "label": "Days"},
    "quiet": {"type": "boolean", "default": False, "label": "Quiet"},
}


def put(town: Town, name: str = "list", **more: object) -> None:
    files = skill_files(name, **{"code": CODE, "permissions": ["storage"], "tools": TOOLS, **more})
    lay(town.setup.places.skills / name, files)


def states(on: Any) -> dict[str, str]:
    return {row[1].strip(): row[0].strip() for row in on.rows("skills")}


async def opened(on: Any) -> None:
    await on.press("0")
    await on.until(lambda: on.rows("skills"))


async def to(on: Any, name: str) -> None:
    """The cursor is on the row of this skill."""
    place = [row[1].strip() for row in on.rows("skills")].index(name)
    on.page("skills").table.move_cursor(row=place)
    await on.pilot.pause()


async def test_a_skill_is_switched_on_and_off_by_one_key(town: Town, screen: OpenScreen) -> None:
    async with screen(size=(100, 30)) as on:
        await opened(on)
        assert states(on)["clock"] == "○ off"
        await to(on, "clock")
        await on.press("e")
        await on.until(lambda: states(on)["clock"] == "● on")
        assert await town.services.skill_store.states() == {"clock": True}
        await on.press("e")
        await on.until(lambda: states(on)["clock"] == "○ off")


async def test_an_own_skill_is_looked_at_and_approved(town: Town, screen: OpenScreen) -> None:
    put(town)
    async with screen(size=(100, 40)) as on:
        await opened(on)
        await to(on, "list")
        assert "Press a." in on.text("#page-skills .detail")
        await on.press("e")
        await on.said("cannot be switched on")
        await on.press("a")
        await on.dialog("SheetDialog")
        text = shown(on)
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
        await on.until(lambda: states(on)["list"] == "● on")


async def test_what_changed_since_is_shown_before_it_is_approved_anew(town: Town, screen: OpenScreen) -> None:
    put(town)
    await town.services.skill_catalog.approve("list")
    put(town, permissions=["storage", "notify:owner"])
    async with screen(size=(100, 40)) as on:
        await opened(on)
        await to(on, "list")
        assert states(on)["list"] == "▲ changed"
        await on.press("a")
        await on.dialog("SheetDialog")
        assert "NEW tell you one line" in shown(on)
        await on.press("escape")
        await on.closed()
        assert states(on)["list"] == "▲ changed"


async def test_the_settings_are_a_form_and_a_secret_stays_one(town: Town, screen: OpenScreen) -> None:
    put(town, config=CONFIG)
    await town.services.skill_catalog.approve("list")
    async with screen(size=(100, 40)) as on:
        await opened(on)
        await to(on, "list")
        assert states(on)["list"] == "○ not set up"
        await on.press("c")
        await on.dialog("SettingsDialog")
        fields = {field.id: field for field in on.app.screen.query(Input)}
        assert (fields["set-key"].password, fields["set-days"].value) == (True, "3")
        fields["set-key"].value, fields["set-days"].value = "sk-canary", "many"
        await on.press("ctrl+s")
        assert "Days must be a whole number" in shown(on).replace("\n", " ")
        fields["set-days"].value = "5"
        await on.press("ctrl+s")
        await on.until(lambda: states(on)["list"] == "● on")
        assert "canary" not in shown(on)
        skill = await town.services.skills.get("list")
        assert await town.services.skills.config(skill) == {"days": 5, "quiet": False}
        assert town.services.skill_secret_names("list") == {"key"}


async def test_a_tool_is_tried(town: Town, screen: OpenScreen) -> None:
    await town.services.skill_store.set_state("clock", on=True)
    async with screen(size=(100, 40)) as on:
        await opened(on)
        await to(on, "clock")
        await on.press("t")
        await on.dialog("LineDialog")
        on.input().value = "no json"
        await on.press("enter")
        await on.said("That is no JSON")
        await on.press("t")
        await on.dialog("LineDialog")
        on.input().value = '{"place": "Tokyo"}'
        await on.press("enter")
        await on.dialog("SheetDialog")
        assert "+09:00" in shown(on).replace("\n", "").replace("│", "").replace(" ", "")
        await on.press("escape")
        await on.until(lambda: [row[4].strip() for row in on.rows("skills") if row[1].strip() == "clock"] != [""])


async def test_what_is_proposed_stands_first_and_is_decided_by_a_key(town: Town, screen: OpenScreen) -> None:
    put(town)
    await town.services.skill_catalog.approve("list")
    await town.let_in("anna", Tier.TRUSTED)
    turn = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:anna", "local", "m7")
    async with screen(size=(100, 30)) as on:
        await on.press("0")
        for title in ("milk", "bread"):
            await town.services.toolbox.call(turn, ToolCall("t", "list_add", {"title": title}))
        await on.until(lambda: len([row for row in on.rows("skills") if "asks you" in row[0]]) == 2)
        on.page("skills").table.move_cursor(row=0)
        await on.pilot.pause()
        assert "For Anna" in on.text("#page-skills .detail")
        await on.press("y")
        await on.said("^Done")
        await on.until(lambda: len([row for row in on.rows("skills") if "asks you" in row[0]]) == 1)
        assert await town.services.skill_store.remembered("list", "done", "local:owner") == "milk"
        await on.press("enter")
        await on.dialog("SheetDialog")
        assert "title: bread" in shown(on)
        await on.press("n")
        await on.until(lambda: not [row for row in on.rows("skills") if "asks you" in row[0]])
        assert await town.services.skill_store.remembered("list", "done", "local:owner") == "milk"


async def test_the_palette_leads_to_every_page_and_does_what_the_page_can_do(town: Town, screen: OpenScreen) -> None:
    del town
    async with screen(size=(100, 40)) as on:
        await opened(on)
        await to(on, "clock")
        await on.press("ctrl+p")
        await on.until(lambda: "Go to Waiting  1" in shown(on) and "Go to Skills  0" in shown(on))
        await on.write("on, off")
        await on.until(lambda: "On, off  e" in shown(on))
        await on.press("down", "enter")
        await on.until(lambda: states(on)["clock"] == "● on")
        await on.press("ctrl+p")
        await on.write("usage")
        await on.until(lambda: "Go to Usage  9" in shown(on))
        await on.press("down", "enter")
        await on.until(lambda: on.page("usage").is_shown)
