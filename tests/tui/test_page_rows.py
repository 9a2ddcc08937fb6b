"""Rows and sheets of the pages at every width: a row is as high as it is laid out, nothing is wider than its room, nobody's words are obeyed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fakes.screen import HOSTILE, OBEYED, StoppedClock, jobs_at_noon, stand_at_noon, talk_at_noon
from fakes.town import Town
from redis import Redis
from tui.test_skills import proposed, put

from secondme.cli.tui.pages.page import ListPage
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.memory.facts import Fact
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Speaker

OpenScreen = Callable[..., Any]
SIZES = ((40, 12), (80, 24), (140, 45))
WIDTHS = (24, 33, 47, 56, 76, 118, 200)
PAGES = {
    "2": "chats",
    "3": "drafts",
    "4": "people",
    "5": "jobs",
    "6": "memory",
    "7": "skills",
    "8": "voice",
    "9": "usage",
    "0": "system",
}


async def fill(town: Town, redis_url: str) -> None:
    """Something on every page, with words that nobody should trust."""
    with Redis.from_url(redis_url) as client:
        stand_at_noon(client)
        talk_at_noon(client)
        jobs_at_noon(client)
    await town.let_in("anna", Tier.TRUSTED)
    anna = ContactId("local:anna")
    memories = town.services.memories
    memories.append(anna, [MemoryMessage(f"m{n}", n, "contact", text or "x") for n, text in enumerate(HOSTILE)])
    facts = [
        Fact(text or "contact", "likes", text or "x", text or "x", Speaker.CONTACT, n, (f"m{n}",)) for n, text in enumerate(HOSTILE)
    ]
    memories.add_facts(anna, [each for each in facts if each.object.isprintable()])
    put(town, "list")
    await town.services.skill_catalog.approve("list")
    await proposed(town, *[each for each in HOSTILE[:8] if each.isprintable()])
    folder = town.setup.places.personas
    folder.mkdir(parents=True)
    (folder / "home.md").write_text("---\nname: At home\ntone: warm\n---\n" + "Short words and a longoneinbetween " * 9)
    (folder / "work.md").write_text("---\nlangauge: en\n---\n")


def faults(page: ListPage, key: str, width: int) -> list[str]:
    """What is wrong with a row and its sheet, drawn for this width."""
    found = []
    for tight, most in ((True, 1), (False, 2)):
        lines = page.draw_row(key, width, tight).split("\n", allow_blank=True)
        found += [f"{len(lines)} lines for {most}"] if len(lines) > most else []
        found += [f"{line.cell_length} > {width}: {line.plain!r}" for line in lines if line.cell_length > width]
    drawn = page.draw_sheet(key, width).plain
    found += [f"obeyed: {match[0]!r}" for match in [OBEYED.search(drawn)] if match]
    return [f"{page.page_id} {key!r} {words}" for words in found]


async def test_rows_fit_every_width(town: Town, screen: OpenScreen, redis_url: str) -> None:
    await fill(town, redis_url)
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        found = []
        for digit, name in PAGES.items():
            await on.press(digit)
            await on.until(lambda name=name: on.keys(name))
            found += [fault for key in on.keys(name) for width in WIDTHS for fault in faults(on.page(name), key, width)]
        assert found == []


async def test_the_row_under_the_cursor_is_in_sight_on_every_screen(town: Town, screen: OpenScreen, redis_url: str) -> None:
    """Also when the terminal becomes another while the cursor stands at the end."""
    await fill(town, redis_url)
    async with screen(size=SIZES[0], clock=StoppedClock()) as on:
        for size in SIZES:
            await on.pilot.resize_terminal(*size)
            for digit, name in PAGES.items():
                await on.press(digit)
                await on.until(lambda name=name: on.keys(name))
                await on.press("G")
                rows = on.page(name).rows
                await on.until(lambda rows=rows: _is_in_sight(rows))
                await on.until(lambda name=name, size=size: re.search(r"\S", on.sheet(name)) or size[1] < 20)


def _is_in_sight(rows: Any) -> bool:
    """The list is inside its frame, and the cursor's line inside the list."""
    frame, start = rows.parent.content_region, rows._line_of(rows._at)
    return frame.contains_region(rows.region) and 0 <= start - rows.scroll_offset.y < rows.size.height
