"""The first page: what waits in the order of its urgency, decided where it stands; and what is worth a look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fakes.screen import Screen, StoppedClock, jobs_at_noon, shown, stand_at_noon, talk_at_noon, write_security_log
from fakes.town import Town
from redis import Redis

from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.store import keys

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
OpenScreen = Callable[..., Any]


async def ready(on: Screen, count: int) -> None:
    await on.until(lambda: len(on.keys("today")) == count)


async def test_requests_and_drafts_wait_in_one_list_and_are_decided_there(town: Town, screen: OpenScreen) -> None:
    await town.writes("anna", "hello")
    for who, text, fault in (("ben", "to ben", ""), ("cara", "I am a doctor", "advice")):
        await town.let_in(who)
        await town.drafts.suggest(ContactId(f"local:{who}"), "local", text, fault=fault)
    async with screen(size=(140, 45)) as on:
        await ready(on, 3)
        lines = on.lines("today")
        assert [line.split("  ")[0] for line in lines] == ["● Anna", "▲ Cara", "● Ben"]  # who asks, faults, by age
        assert "asks" in lines[0]
        assert "ends in " in lines[0]
        assert "Waiting for you  3" in shown(on)
        assert on.hints.startswith("a Approve   d Deny   y Copy code")
        await on.press("down")
        assert on.hints.startswith("e Write it yourself   d Drop")
        await on.press("s")
        await on.said("It can leave only in your own words")
        await on.press("down")
        assert on.hints.startswith("s Send   e Edit   d Drop")
        await on.press("s")
        await on.said("The reply to Ben is on its way")
        await ready(on, 2)
        await on.at("today", ANNA)
        await on.press("a")
        await on.dialog("TierDialog")
        await on.press("enter")
        await on.said("Anna is approved as standard")
        await ready(on, 1)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The reply to Cara is dropped")
        await ready(on, 0)
        await on.until(lambda: "Nobody waits for you." in shown(on))


async def test_enter_opens_what_waits_on_its_own_page(town: Town, screen: OpenScreen) -> None:
    await town.writes("anna", "hello")
    await town.let_in("ben", Tier.RESTRICTED)
    await town.writes("ben", "are you there?")
    await town.work()
    async with screen(size=(140, 45)) as on:
        await ready(on, 2)
        await on.press("enter")
        await on.until(lambda: on.app.page.page_id == "people" and on.list("people").current == ANNA)
        await on.press("1", "down", "enter")
        await on.until(lambda: on.app.page.page_id == "drafts" and "are you there?" in on.sheet("drafts"))
        await on.press("1", "tab")
        await on.until(lambda: on.list("lately").has_focus)
        await on.press("enter")
        await on.until(lambda: on.app.page.page_id == "chats" and on.list("chats").current == BEN)
        await on.press("1")
        await on.until(lambda: on.list("today").has_focus)
        await on.press("tab", "w")
        await on.until(lambda: on.app.page.page_id == "chats" and "Enter Send as you" in on.hints)


async def test_a_request_whose_time_is_over_goes_by_itself(town: Town, screen: OpenScreen) -> None:
    await town.writes("anna", "hello")
    async with screen() as on:
        await ready(on, 1)
        page = on.page("today")
        page.tick(on.app._now() + timedelta(minutes=31))
        assert on.keys("today") == []


async def test_what_is_worth_a_look_and_what_comes_next_is_said(screen: OpenScreen, redis_url: str, setup: Setup) -> None:
    with Redis.from_url(redis_url) as client:
        stand_at_noon(client)
        talk_at_noon(client)
        jobs_at_noon(client)
    write_security_log(setup)
    setup.places.personas.mkdir(parents=True, exist_ok=True)
    (setup.places.personas / "torn.md").write_text("---\nname: [\n---\n")
    async with screen(size=(140, 45), clock=StoppedClock()) as on:
        await on.until(lambda: "Rent reminder failed" in shown(on))
        text = shown(on)
        for words in (
            "Telegram needs you",
            "The persona torn is broken",
            "No backup was made yet",
            "1 wrong code from telegram:9988****66",
        ):
            assert words in text
        for words in ("42 in   17 out   3 held", "of $5", "Morning digest", "tomorrow 07:30", "WhatsApp"):
            assert words in text
    with Redis.from_url(redis_url) as client:
        client.set(keys.BACKUP_AT, 4_000_000_000_000)
    async with screen(size=(140, 45), clock=StoppedClock()) as on:
        await on.until(lambda: "Backup is" in shown(on))


async def test_a_backup_is_remembered(town: Town, tmp_path: Any) -> None:
    from secondme.core.backup.backup import make_backup

    with (tmp_path / "b").open("w+b") as into:
        await make_backup(town.setup, town.store, into, town.services.clock, None)
    assert int(await town.store.client.get(keys.BACKUP_AT)) > 0
