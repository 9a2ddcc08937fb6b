"""Usage on the screen: today beside the cap, and sums by day, contact and model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.screen import Screen, shown
from fakes.town import Town

from secondme.core.messages import Usage

OpenScreen = Callable[..., Any]


async def spend(town: Town, who: str, micros: int, model: str) -> None:
    spending = town.services.spending
    now = await town.control.now_ms()
    charge = await spending.reserve(who, now, micros, day_cap=10**9, contact_cap=10**9)
    assert not isinstance(charge, str)
    await spending.settle(charge, micros, Usage(1000, 50, cache_read_tokens=3000, model=model), now_ms=now, facts={})


def lines(on: Screen) -> list[str]:
    """Rows without their bars, in single blanks."""
    return [" ".join(each.replace("━", " ").replace("─", " ").split()) for each in on.lines("usage")]


def today(on: Screen) -> str:
    return on.text("#page-usage .today")


def sheet(on: Screen) -> str:
    return " ".join(on.sheet("usage").split())


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_what_was_spent_is_shown_by_day_contact_and_model(town: Town, screen: OpenScreen, size: tuple[int, int]) -> None:
    await town.let_in("anna")
    async with screen(size=size) as on:
        await on.press("9")
        await on.until(lambda: "No model was called" in shown(on))
        assert today(on).startswith("Today $0.00 of $5.00   0%\n─")
        await spend(town, "local:anna", 1_500_000, "large")
        await spend(town, "self", 1_000_000, "small")
        await on.until(lambda: len(on.keys("usage")) == 7)
        words, bar = today(on).splitlines()
        assert words == "Today $2.50 of $5.00   50%"
        assert bar.count("━") == round(len(bar) / 2)
        assert [line.split()[-1] for line in lines(on)] == ["$2.50", *["$0.00"] * 6]
        await on.until(lambda: "Cost $2.50 100% of the 7 days Calls 2 Tokens in 8,000 From cache 6,000 75%" in sheet(on))
        assert "Tokens out 100" in sheet(on)
        await on.press("b")
        await on.until(lambda: lines(on) == ["Anna $1.50", "you yourself $1.00"])
        assert on.lines("usage")[0].count("━") > on.lines("usage")[1].count("━") > 0
        await on.until(lambda: "Cost $1.50 60% of the 7 days" in sheet(on))
        await on.press("b")
        await on.until(lambda: lines(on) == ["large $1.50", "small $1.00"])
        await spend(town, "self", 3_000_000, "small")
        await on.until(lambda: "spent: messages wait until tomorrow (UTC)" in today(on))
        assert "110%" in today(on)
        await on.press("b")
        await on.until(lambda: len(on.keys("usage")) == 7)


async def test_the_last_row_is_in_sight_when_the_cursor_stands_on_it(town: Town, screen: OpenScreen) -> None:
    await spend(town, "self", 4_200, "small")
    async with screen(size=(60, 20)) as on:
        await on.press("9")
        await on.until(lambda: len(on.keys("usage")) == 7)
        await on.press("G")
        await on.until(lambda: any("▌" in line for line in shown(on).splitlines()))
        assert today(on).startswith("Today $0.0042 of $5.00   0%\n━─")


async def test_names_of_others_are_shown_and_not_obeyed(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await spend(town, "local:anna", 10_000, "[@click=app.quit]x[/]\x1b[2J")
    async with screen(size=(100, 30)) as on:
        await on.press("9", "b", "b")
        await on.until(lambda: len(on.keys("usage")) == 1)
        assert lines(on)[0].startswith("[@click=app.quit]x[")
        assert "\x1b" not in shown(on)
