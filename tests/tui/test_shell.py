"""The shell of the screen: themes, the row of pages, hints, keys with one meaning each, states, and sizes down to the smallest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from fakes.screen import Screen, StoppedClock, jobs_at_noon, shown, stand_at_noon, still, talk_at_noon, write_security_log
from fakes.size import IS_WHOLE, sized
from fakes.town import Town
from redis import Redis
from rich.cells import cell_len
from textual.binding import Binding
from textual.events import Key
from textual.widgets import Input, TextArea

import secondme.cli.tui
from secondme.cli.tui.app import _MODULES, SecondmeApp
from secondme.cli.tui.help import EVERYWHERE, PAGE_KEYS
from secondme.cli.tui.nav import BEHIND, DIGITS, PAGES
from secondme.cli.tui.panes import Panel
from secondme.cli.tui.rows import Rows
from secondme.cli.tui.theme import NIGHT, PAPER
from secondme.core.config.loader import Setup
from secondme.core.ids import ContactId
from secondme.core.store import keys

OpenScreen = Callable[..., Any]
GROUNDS = ("ground", "raised", "picked", "sheet")
FIELDS = {"waits": "waits", "good": "good", "bad": "bad", "guard": "guard", "quiet": "soft"}
"""Field of a chip -> the role of the words on it."""
SIZES = [(40, 12), (57, 16), (76, 20), (80, 24), (100, 30), (109, 27), (110, 28), (140, 45)]


# Colours


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("roles", [NIGHT, PAPER], ids=["night", "paper"])
def test_every_text_can_be_read_on_every_ground(roles: dict[str, str]) -> None:
    texts = [role for role in roles if role not in {*GROUNDS, "rule"} and not role.endswith("-field")]
    found = {(text, ground): ratio(roles[text], roles[ground]) for text in texts for ground in GROUNDS}
    found |= {(text, f"{field}-field"): ratio(roles[text], roles[f"{field}-field"]) for field, text in FIELDS.items()}
    assert {pair: round(each, 2) for pair, each in found.items() if each < 4.5} == {}
    assert NIGHT.keys() == PAPER.keys()


def test_no_page_names_a_colour_and_styles_are_roles() -> None:
    folder = Path(secondme.cli.tui.__file__).parent
    for path in folder.rglob("*.py"):
        source = path.read_text()
        if path.name != "theme.py":
            assert re.findall(r"#[0-9a-fA-F]{6}\b", source) == [], path
            assert "rich.text" not in source, path
    styles = (folder / "theme.tcss").read_text()
    assert re.findall(r"#[0-9a-fA-F]{6}\b", styles) == []
    assert set(re.findall(r"\$sm-([a-z-]+)", styles)) <= set(NIGHT)


# Keys


def bindings() -> Iterator[tuple[str, Binding]]:
    """Every binding of every page, and of the app: where it is, and what it does."""
    for page, where in _MODULES.items():
        module, _, name = where.partition(":")
        cls = getattr(import_module(module), name)
        for parent in cls.__mro__:
            if parent.__module__.startswith("secondme."):
                yield from ((page, each) for each in vars(parent).get("BINDINGS", ()) if isinstance(each, Binding))
    yield from (("app", each) for each in SecondmeApp.BINDINGS if isinstance(each, Binding))


def test_one_letter_has_one_meaning_on_all_pages() -> None:
    meanings: dict[str, set[str]] = defaultdict(set)
    for _, binding in bindings():
        for key in binding.key.split(","):
            meanings[key].add(binding.action.partition("(")[0])
    assert {key: found for key, found in meanings.items() if len(found) > 1} == {"b": {"turn", "blind"}}  # sums by, blind test
    for letter, action in {"a": "yes", "d": "no", "e": "edit", "s": "send", "p": "pause", "exclamation_mark": "stop"}.items():
        assert meanings[letter] == {action}
    assert "k" not in meanings  # it moves up, and is the second key of the chord


def test_the_help_names_every_key_of_every_page() -> None:
    named = {"slash": "/", "space": "Space", "escape": "Esc", "enter": "Enter"}
    everywhere = {key for keys_, _ in EVERYWHERE for key in keys_.split()}
    for page, binding in bindings():
        if page == "app":
            continue
        told = {key for keys_, _ in PAGE_KEYS[page] for key in keys_.split()} | everywhere
        assert any(named.get(key, key) in told or key.startswith("ctrl+") for key in binding.key.split(",")), (page, binding.key)
    assert set(PAGE_KEYS) == set(PAGES) | set(BEHIND)


async def test_digits_and_clicks_choose_pages_and_the_focus_is_always_somewhere(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen(size=(140, 30)) as on:
        for page, digit in DIGITS.items():
            await on.press(digit)
            await on.until(lambda page=page: on.app.page.page_id == page and on.app.focused is not None)
            assert f"{digit} {PAGES[page]}" in on.text("#nav")
        at = on.text("#nav").index("2 Chats")
        await on.pilot.click("#nav", offset=(at + 3, 0))
        await on.until(lambda: on.app.page.page_id == "chats")


async def test_enter_leaves_the_store_as_it_is_on_every_page(screen: OpenScreen, redis_url: str, setup: Setup) -> None:
    with Redis.from_url(redis_url) as client:
        stand_at_noon(client)
        talk_at_noon(client)
        jobs_at_noon(client)
        write_security_log(setup)

        def everything() -> dict[bytes, Any]:
            return {key: client.dump(key) for key in sorted(client.keys())}

        async with screen(size=(140, 45), clock=StoppedClock()) as on:
            before = everything()
            for digit in DIGITS.values():
                await on.press(digit)
                await on.until(lambda: "Looking" not in shown(on))
                for _ in range(sized(3, 1)):  # rows
                    await on.press("enter", "enter")
                    while len(on.app.screen_stack) > 1:
                        await on.press("escape")
                    await on.press("escape", "j")
                await on.press("1")
            for keys_ in (
                ("exclamation_mark", "enter", "escape"),
                ("exclamation_mark", "j", "d", "escape"),
                ("ctrl+p", "escape"),
                ("question_mark", "enter", "escape"),
            ):
                await on.press(*keys_)
            assert everything() == before


async def test_the_kill_switch_is_a_chord_and_a_pause_does_not_weaken_it(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("k", "j", "k")  # up and down, and nothing else
        await on.press("exclamation_mark")
        await on.dialog("StopDialog")
        await on.press("enter", "x")
        assert await town.control.everybody() is None
        await on.press("k")
        await on.said("The kill switch is on")
        everybody = await town.control.everybody()
        assert everybody is not None
        assert everybody.killed
        await on.until(lambda: "KILL SWITCH ON" in on.text("#bar"))
        assert "! k lifts the kill switch" in on.text("#banner")
        await on.press("p")
        await on.said("stops everybody already")
        await on.press("exclamation_mark")
        await on.dialog("StopDialog")
        assert "Lift the kill switch" in shown(on)
        await on.press("k")
        await on.said("The kill switch is off")
        assert await town.control.everybody() is None


async def test_everybody_or_one_chat_is_paused_and_answered_again(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on.press("p")
        await on.dialog("PauseDialog")
        await on.press("enter")
        await on.said("Everybody is paused, 1 hour")
        await on.until(lambda: "paused 59:" in on.text("#bar") or "paused 1 h" in on.text("#bar"))
        await on.press("exclamation_mark", "p")
        await on.said("Everybody is answered again")
        assert await town.control.everybody() is None
        await on.press("2")
        await on.at("chats", "local:anna")
        await on.press("exclamation_mark")
        await on.dialog("StopDialog")
        assert "Pause Anna only" in shown(on)
        await on.press("c")
        await on.dialog("PauseDialog")
        await on.press("enter")
        await on.said("Anna is paused, 1 hour")


async def test_lifting_a_pause_offers_to_answer_what_came_meanwhile(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.control.pause(None, None)
    await town.writes("anna", "are you there?")
    async with screen() as on:
        await on.until(lambda: "paused" in on.text("#bar"))
        await on.press("p")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("1 message waits for an answer now.")
    assert await town.work() == ["answered"]


async def test_the_palette_has_what_waits_every_page_and_every_theme_and_keeps_the_choice(
    town: Town, screen: OpenScreen, setup: Setup
) -> None:
    await town.writes("anna", "hello")
    async with screen(size=(100, 40)) as on:
        await on.until(lambda: on.keys("today"))
        await on.press("ctrl+p")
        await on.until(lambda: "Decide about Anna" in shown(on))
        await on.write("theme paper")
        await on.until(lambda: "Theme: paper" in shown(on) and "Decide about" not in shown(on))
        await on.press("down", "enter")
        await on.said("keeps the theme paper")
        assert on.app.theme == "paper"
        assert 'theme = "paper"' in setup.places.config_file.read_text()
        await on.press("ctrl+p")
        await on.write("decide anna")
        await on.until(lambda: "Decide about Anna" in shown(on) and "Theme" not in shown(on))
        await on.press("down", "enter")
        await on.until(lambda: on.app.page.page_id == "people" and on.list("people").current == "local:anna")


def feed(on: Screen, keys_: str) -> None:
    """The keys arrive together, before the screen has done anything about the first one."""
    for key in keys_.split(" "):
        on.app.post_message(Key(key, key if len(key) == 1 else None))


async def test_keys_that_come_in_one_burst_go_where_they_were_meant_to(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen(size=(140, 40)) as on:
        await on.press("2")
        await on.at("chats", "local:anna")
        feed(on, "enter w k e p t z d a")
        await on.until(lambda: on.app.screen.query_one(TextArea).text == "keptzda")
        assert len(on.app.screen_stack) == 1
        await on.press("escape")
        feed(on, "z z z p p")
        await on.until(lambda: len(on.app.screen_stack) == 2)
        await on.pilot.pause()
        assert len(on.app.screen_stack) == 2  # one question at a time
        await on.press("escape")
        await on.closed()
        assert await town.control.everybody() is None
        assert await town.control.contact_pause(ContactId("local:anna")) is None


async def test_lists_to_choose_from_are_moved_through_with_the_same_letters(town: Town, screen: OpenScreen) -> None:
    await town.writes("anna", "hello")
    async with screen() as on:
        await on.until(lambda: on.keys("today"))
        await on.press("a")
        await on.dialog("TierDialog")
        await on.press("j", "enter")
        await on.said("Anna is approved as restricted")


async def test_ctrl_c_leaves_only_when_it_is_said_twice(screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("ctrl+c")
        await on.said("Ctrl.C again leaves")
        assert on.app.is_running
        await on.press("ctrl+c")
        await on.until(lambda: not on.app.is_running or on.app._exit)


# States


async def test_before_anything_is_known_nothing_is_claimed(setup: Setup) -> None:
    app = SecondmeApp(setup, StoppedClock())
    async with app.run_test(size=(100, 30)):
        text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
        assert "Nobody waits" not in text
        assert "Nobody wrote" not in text


async def test_every_page_of_an_empty_home_says_what_fills_it(town: Town, screen: OpenScreen) -> None:
    del town
    async with screen(size=(100, 30)) as on:
        for page, digit in DIGITS.items():
            await on.press(digit)
            await on.until(lambda page=page: on.app.page.page_id == page and "Looking" not in shown(on))
            for each in on.app.page.query(Rows):
                assert each.keys or len(each._empty) > 20, each
            assert "No gateway runs, so nobody is answered." in on.text("#banner")
            assert on.app.focused is not None


# Sizes


@pytest.fixture
def people(redis_url: str, setup: Setup) -> None:
    """Everything there is at NOON."""
    with Redis.from_url(redis_url) as client:
        stand_at_noon(client)
        talk_at_noon(client)
        jobs_at_noon(client)
    write_security_log(setup)


async def check(on: Screen, size: tuple[int, int]) -> None:
    """Nothing is cut that must be whole: no row wraps, no hint or tab is cut, and something has the focus."""
    app = on.app
    lines = list(app.screen._compositor.render_strips())
    assert len(lines) == size[1]
    assert {strip.cell_length for strip in lines} == {size[0]}
    assert cell_len(on.text("#hints").rstrip()) <= size[0] - 2
    assert cell_len(on.text("#nav")) <= size[0]
    assert cell_len(on.text("#bar")) <= size[0] - 2
    assert on.hints.rstrip().endswith("? Help") or app.page.is_typing
    assert app.focused is not None
    framed = [panel for panel in app.page.query(Panel) if panel.has_pseudo_class("focus-within") and panel.display]
    assert len(framed) == 1, framed  # one frame has the accent
    for rows in app.page.query(Rows):
        if rows.region.width > 6:
            for key in rows.keys:
                told = rows._draw(key, rows._room, rows.is_tight)
                assert told.plain.count("\n") + 1 <= (1 if rows.is_tight else 2), key
                assert max(cell_len(line) for line in told.plain.split("\n")) <= rows._room, (key, told.plain)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("theme", "sizes"), [("night", SIZES if IS_WHOLE else SIZES[::2]), ("paper", SIZES if IS_WHOLE else SIZES[-1:])]
)  # 4 s for each size
async def test_every_page_fits_at_every_size(screen: OpenScreen, setup: Setup, theme: str, sizes: list[tuple[int, int]]) -> None:
    home = setup.model_copy(
        update={"settings": setup.settings.model_copy(update={"tui": setup.settings.tui.model_copy(update={"theme": theme})})}
    )
    async with screen(size=SIZES[-1], clock=StoppedClock(), home=home) as on:
        assert on.app.theme == theme
        for digit in DIGITS.values():
            await on.press(digit)
            await on.until(lambda: "Looking" not in shown(on))
        for size in sizes:
            await on.pilot.resize_terminal(*size)
            for digit in DIGITS.values():
                await on.press(digit)
                await check(on, size)
                if size[0] < 110:
                    await on.press("enter")
                    while len(on.app.screen_stack) > 1:
                        await on.press("escape")
                    if on.app.page.page_id != "today" and not on.app.page.page_id.startswith(PAGES[on.app.page.page_id]):
                        await check(on, size)
                    await on.press("escape")


DIALOGS = (
    *(("1", "a"), ("1", "d"), ("4", "i"), ("4", "f"), ("4", "exclamation_mark"), ("question_mark",), ("p",), ("ctrl+p",)),
    *(("2", "m"), ("v",), ("3", "e"), ("3", "d"), ("0", "c")),
)


@pytest.mark.heavy  # 4 s: all of it
@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("size", [(40, 12), pytest.param((160, 50), marks=pytest.mark.slow)])
async def test_every_dialog_opens_at_every_size_and_escape_leaves_it(size: tuple[int, int], screen: OpenScreen) -> None:
    async with screen(size=size, clock=StoppedClock()) as on:
        for keys_ in DIALOGS:
            await on.press(*keys_[:-1])
            await on.until(lambda: "Looking" not in shown(on))
            await on.until(lambda: on.app.page.page_id != "drafts" or on.app.page._views)
            await on.press(keys_[-1])
            await on.until(lambda: len(on.app.screen_stack) == 2)
            while len(on.app.screen_stack) > 1:
                await on.press("escape")


async def test_letters_are_text_where_text_is_typed(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    keys_ = [*"!kqpa3d1", "slash", "question_mark"]
    typed = "!kqpa3d1/?"
    async with screen(size=(140, 40)) as on:
        await on.press("4")
        await on.at("people", "local:anna")
        await on.press("slash", *keys_)
        assert on.app.screen.query_one("#page-people Input", Input).value == typed
        await on.press("escape", "e")
        await on.dialog("ChoiceDialog")
        await on.press("enter")
        await on.dialog("TierDialog")
        await on.press("tab", *keys_)
        assert on.input().value == typed
        await on.press("escape", "2")
        await on.at("chats", "local:anna")
        await on.press("w", *keys_)
        assert on.app.screen.query_one(TextArea).text == typed
        assert await town.control.everybody() is None


@pytest.mark.usefixtures("people")
async def test_in_ascii_nothing_else_is_drawn_and_widths_stay(screen: OpenScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECONDME_ASCII", "1")
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        for digit in ("1", "2", "3", "4"):
            await on.press(digit)
            await still(on.app)
            text = on.app.export_screenshot()
            said = re.sub(r"&#x?[0-9a-fA-F]+;|<[^>]+>", "", text)
            assert said.isascii(), {char for char in said if not char.isascii()}


@pytest.mark.usefixtures("people")
async def test_without_colour_no_colour_is_used_and_every_state_is_a_word(
    screen: OpenScreen, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with Redis.from_url(redis_url) as client:
        client.set(keys.PAUSE_ALL, "4076500000000")
        client.set(keys.KILLED, "1")
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        await on.press("4")
        await on.until(lambda: on.keys("people"))
        await on.at("people", "telegram:1234")
        text = shown(on)
        assert "KILL SWITCH ON" in text
        assert "[restricted]" in text
        assert "(3)" in on.text("#nav")
        for strip in on.app.screen._compositor.render_strips():
            for segment in strip:
                filtered = on.app.get_line_filters()[-1].apply(
                    [segment], on.app.current_theme and on.app.screen.background_colors[1]
                )
                style = filtered[0].style
                assert style is None or (
                    (style.color is None or style.color.is_default) and (style.bgcolor is None or style.bgcolor.is_default)
                )
