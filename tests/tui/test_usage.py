"""Usage on the screen: today beside the cap, and sums by day, contact and model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.town import Town

from secondme.cli.tui.widgets import labels
from secondme.core.messages import Usage

OpenScreen = Callable[..., Any]


async def spend(town: Town, who: str, micros: int, model: str) -> None:
    spending = town.services.spending
    now = await town.control.now_ms()
    charge = await spending.reserve(who, now, micros, day_cap=10**9, contact_cap=10**9)
    assert not isinstance(charge, str)
    await spending.settle(charge, micros, Usage(1000, 50, cache_read_tokens=3000, model=model), now_ms=now, facts={})


async def test_what_was_spent_is_shown_by_day_contact_and_model(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen(size=(120, 30)) as on:
        await on.press("9")
        await on.until(lambda: "No model was called" in on.text("#page-usage .empty"))
        assert on.text("#page-usage .today").startswith("Today $0.0000 of $5.00  0%\n╌")
        await spend(town, "local:anna", 1_500_000, "large")
        await spend(town, "self", 1_000_000, "small")
        await on.until(lambda: on.rows("usage"))
        today, bar = on.text("#page-usage .today").splitlines()
        assert today == "Today $2.5000 of $5.00  50%"
        assert (bar.count("━"), bar.count("╌")) == (20, 20)
        ((_, calls, tokens_in, cached, out, cost),) = [[cell.strip() for cell in row] for row in on.rows("usage")]
        assert (calls, tokens_in, cached, out, cost) == ("2", "8,000", "75%", "100", "$2.5000")
        await on.press("b")
        await on.until(lambda: [row[0] for row in on.rows("usage")] == ["Anna", "you yourself"])
        assert "3,000 from the cache" in on.text("#page-usage .detail")
        await on.press("b")
        await on.until(lambda: [row[0] for row in on.rows("usage")] == ["large", "small"])
        await spend(town, "self", 3_000_000, "small")
        await on.until(lambda: "spent: messages wait until tomorrow (UTC)" in on.text("#page-usage .today"))
        assert "110%" in on.text("#page-usage .today")
        await on.press("b")
        await on.until(lambda: len(on.rows("usage")) == 1)


def test_the_tabs_fit_into_every_width_that_has_room_for_their_numbers() -> None:
    counts = {"pending": 3, "approved": 1234, "denied": 2, "drafts": 2}
    for width in range(48, 200):
        assert sum(len(label) + 2 for label in labels(width, counts, "conversations").values()) <= width
    assert labels(200, counts, "usage")["approved"] == "2 Approved 1234"
    assert labels(100, counts, "usage")["conversations"] == "6 Chats"
    assert labels(99, counts, "usage")["drafts"] == "7 Drafts 2"
    assert labels(80, counts, "usage")["drafts"] == "Drafts 2"
    assert labels(44, counts, "usage")["drafts"] == "7(2)"
    assert labels(20, counts, "usage")["usage"] == "9 Usage"
