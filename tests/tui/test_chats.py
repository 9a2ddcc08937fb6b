"""Chats on the screen: who said what, what became of it, and the owner writing as themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.screen import HOSTILE, OBEYED, Screen, StoppedClock, shown, stand_at_noon, talk_at_noon
from fakes.town import Town
from redis import Redis
from rich.cells import cell_len
from textual.widgets import OptionList

from secondme.cli.tui.composer import ComposerArea
from secondme.core.config.loader import Setup
from secondme.core.enums import ReplyMode, Tier
from secondme.core.ids import ContactId
from secondme.core.log import security_file
from secondme.core.records import Turn
from secondme.core.store import keys

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
OpenScreen = Callable[..., Any]


async def turned(town: Town, contact: ContactId, kind: str, text: str, at_ms: int) -> None:
    """A turn in the history, as the scripts write them."""
    role = "user" if kind == "incoming" else "assistant"
    turn = Turn(id=f"t{at_ms}", role=role, content=text, timestamp=at_ms, type=kind)  # type: ignore[arg-type]
    await town.store.client.zadd(keys.history(contact), {turn.encode(): at_ms})


async def read(on: Screen, contact: str) -> None:
    """The conversation with this person is read."""
    await on.press("2")
    await on.at("chats", contact)
    await on.until(lambda: on.sheet("chats") not in {"", "Looking …"} and on.page("chats")._detail[0] == contact)


def typed(on: Screen) -> str:
    return str(on.app.screen.query_one(ComposerArea).text)


async def test_the_list_says_who_spoke_last_and_what_waits(town: Town, screen: OpenScreen) -> None:
    for name, tier in (("anna", Tier.STANDARD), ("ben", Tier.RESTRICTED), ("cara", Tier.STANDARD), ("dora", Tier.STANDARD)):
        await town.let_in(name, tier)
    for name in ("anna", "ben"):
        await town.writes(name, f"hello from {name}")
    await town.work()
    await town.deliver()
    await town.writes("cara", "first\nsecond line")
    async with screen(size=(140, 30)) as on:
        await on.press("2")
        await on.until(lambda: len(on.keys("chats")) == 4 and "Looking" not in "".join(on.lines("chats")))
        assert (on.keys("chats")[0], on.keys("chats")[-1]) == ("local:cara", "local:dora")
        lines = dict(zip(on.keys("chats"), on.lines("chats"), strict=True))
        assert "◆" in lines["local:anna"]
        assert "◁ hello from ben" in lines["local:ben"]
        assert lines["local:ben"].startswith("● Ben")
        assert "1 draft" in lines["local:ben"]
        assert "◁ first second line" in lines["local:cara"]
        assert "nothing was said yet" in lines["local:dora"]
        await town.writes("dora", "I am new")
        await on.until(lambda: on.keys("chats")[0] == "local:dora")  # by itself
        await on.press("slash")
        await on.write("ben")
        await on.until(lambda: on.keys("chats") == [BEN])
        await on.press("enter", "escape")
        await on.until(lambda: len(on.keys("chats")) == 4)


async def test_a_conversation_says_who_said_what_and_why_nothing_left(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    now = await town.control.now_ms()
    await turned(town, ANNA, "incoming", "are you there?", now - 3000)
    await turned(town, ANNA, "fromMe", "I am, typing myself", now - 2000)
    await turned(town, ANNA, "outgoing", "the clone again", now - 1000)
    await town.writes("anna", "is this a yes?")
    await town.work()
    await town.owner.edit(ANNA, tier=Tier.STANDARD)
    await town.writes("anna", "another")
    async with screen(size=(100, 60)) as on:
        await read(on, ANNA)
        lines = [line.strip() for line in on.sheet("chats").splitlines()]
        heads = [line.split("  ")[0] for line in lines if line[:1] and line[0] in "◁▶◆◇"]
        assert heads == ["◁ Anna", "▶ you", "◆ clone", "◁ Anna", "◇ clone, a draft"]
        assert {"│ are you there?", "┃ I am, typing myself", "┃ the clone again"} <= set(lines)
        await on.until(lambda: "Today" in on.sheet("chats"))
        assert lines[lines.index("│ another") + 1] == "↳ waiting: in the queue"
        assert "╎ re: is this a yes?" in lines
        assert lines[lines.index("╎ re: is this a yes?") + 1] == "↳ Replies to this contact need you."
        await town.control.pause(ANNA, timedelta(hours=1))
        await town.writes("anna", "and now?")
        await on.until(lambda: "not answered: paused" in on.sheet("chats"))
        await on.until(lambda: "paused" in str(on.page("chats").detail_pane.border_subtitle))


async def test_no_message_can_look_as_if_another_had_said_it(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    fake = "x" * 94 + " ▶ you  12:00\n▶ you  12:00\n              ┃ pay him \x1b[31m\u202e now\n◆ clone [bold]ok[/]"
    await town.writes("anna", fake, display_name="you")
    raw = json.loads(await town.store.client.get(keys.approved(ANNA)) or b"")
    await town.store.client.set(keys.approved(ANNA), json.dumps(raw | {"displayName": "You", "nowCalled": None}))
    async with screen(size=(100, 40)) as on:
        await read(on, ANNA)
        lines = on.sheet("chats").splitlines()
        start = next(number for number, line in enumerate(lines) if line.startswith("◁ contact You  "))
        assert all(line.startswith("│ ") for line in lines[start + 1 : -1])
        assert lines[-1].startswith("  ↳ waiting")
        for bad in ("\x1b", "\u202e"):
            assert bad not in on.sheet("chats")
        await on.until(lambda: "[bold]ok[/]" in on.sheet("chats"))


async def test_the_owner_writes_as_themselves_and_the_clone_stays_out_of_it(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.let_in("ben")
    await town.writes("anna", "lunch?")
    async with screen(size=(140, 40)) as on:
        await read(on, ANNA)
        await on.press("w")
        await on.until(lambda: "Enter Send as you   ^j New line   Esc Keep and go back" in on.hints)
        assert "! Stop" not in on.hints  # no letter is a key
        await on.write("Yes! q1p")
        await on.press("ctrl+j")
        await on.write("at two")
        assert typed(on) == "Yes! q1p\nat two"
        await on.press("escape")
        await on.at("chats", BEN)
        await on.until(lambda: typed(on) == "")
        await on.press("w")
        await on.write("other words")
        await on.press("escape")
        await on.at("chats", ANNA)
        await on.until(lambda: typed(on) == "Yes! q1p\nat two")  # kept for each contact
        await on.press("w", "enter")
        await on.said("On its way to Anna; the clone stays out of it for an hour.")
        await on.until(lambda: typed(on) == "")
        assert await town.control.contact_pause(ANNA) is not None
        await town.deliver()
        assert list(town.channel.shown.values()) == [(ANNA, "Yes! q1p\nat two")]
        await on.until(lambda: "▶ you" in on.sheet("chats"))
        await on.press("escape")
        await on.at("chats", BEN)
        await on.until(lambda: typed(on) == "other words")
    assert await town.work() == ["empty"]


async def test_words_that_may_not_have_arrived_are_kept_and_sent_once(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen(size=(140, 40)) as on:
        await read(on, ANNA)
        await on.press("w")
        await on.write("hello")
        link = on.app.desk.link
        services, link._services = link._services, None
        await on.press("enter")
        await on.said("does not answer")
        assert typed(on) == "hello"
        link._services = services
        await on.press("enter")
        await on.said("On its way to Anna")
        await on.until(lambda: typed(on) == "")
    await town.deliver()
    assert list(town.channel.shown.values()) == [(ANNA, "hello")]


async def test_with_the_kill_switch_on_nothing_is_written_and_the_words_stay(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.control.kill()
    async with screen(size=(140, 40)) as on:
        await read(on, ANNA)
        await on.press("w")
        await on.write("hello")
        await on.press("enter")
        await on.said("kill switch")
        assert typed(on) == "hello"
    await town.deliver()
    assert town.channel.shown == {}


async def test_mode_and_pause_are_chosen_with_keys_and_a_revoked_contact_is_closed(
    town: Town, screen: OpenScreen, setup: Setup
) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await read(on, ANNA)
        await on.press("m")
        await on.dialog("ChoiceDialog")
        await on.press("up", "up", "enter")  # from "by tier" to observe
        await on.said("Anna: observe: listened to, not answered")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert record.reply_mode is ReplyMode.OBSERVE
        await on.until(lambda: "observe" in str(on.page("chats").detail_pane.border_subtitle))
        logged = [json.loads(line) for line in security_file(setup.places.logs).read_text().splitlines()]
        assert [(each["by"], each["mode"]) for each in logged if each["event"] == "reply_mode_changed"] == [("tui", "observe")]
        await on.press("enter")  # the same keys work where it is read
        await on.press("z")
        await on.dialog("PauseDialog")
        await on.press("enter")
        await on.said("Anna is paused, 1 hour")
        await on.until(lambda: "paused" in str(on.page("chats").detail_pane.border_subtitle))
        await town.owner.revoke(ANNA)
        await on.said("not approved any more")
        assert not on.page("chats").has_class("-open")


async def test_a_voice_is_chosen_and_one_that_is_broken_cannot_be(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    personas = town.setup.places.personas
    personas.mkdir(parents=True)
    (personas / "home.md").write_text("Warm.")
    (personas / "torn.md").write_text("---\nname: [\n---\n")
    async with screen() as on:
        await read(on, ANNA)
        await on.press("v")
        await on.dialog("ChoiceDialog")
        options = on.app.screen.query_one(OptionList)
        assert [options.get_option_at_index(at).disabled for at in range(3)] == [False, True, False]
        await on.press("home", "enter")
        await on.said("home speaks to Anna")
        await on.until(lambda: "voice home" in str(on.page("chats").detail_pane.border_subtitle))


async def test_hostile_words_in_chats_and_drafts_are_shown_harmless(town: Town, screen: OpenScreen, redis_url: str) -> None:
    await town.let_in("anna")
    now = await town.control.now_ms()
    text = "\n".join(HOSTILE).encode("utf-8", "replace").decode()
    turn = {"id": "t\x1b[31m", "role": "user", "content": text, "timestamp": now, "type": "incoming"}
    row = {"rowId": "r-1", "replyId": "r", "contactId": "local:anna", "channelId": "local", "kind": "reply", "text": text}
    row |= {"composedAt": now, "typingFrom": now, "dueAt": now, "fault": text, "answers": ["t\x1b[31m"]}
    with Redis.from_url(redis_url) as raw:
        raw.zadd(keys.history("local:anna"), {json.dumps(turn): now})
        raw.rpush(keys.trace("local:anna"), json.dumps({"stage": "put_off", "at": now, "messages": [turn["id"]], "reason": text}))
        raw.rpush(keys.held("local:anna"), json.dumps({"row": row, "reason": "tier", "heldAt": now}))
        raw.zadd(keys.HELD_INDEX, {"local:anna": now})
        raw.hset(keys.PERSONA_USE, "default", text)
    async with screen(size=(140, 60)) as on:
        for key in ("1", "2", "enter", "escape", "3", "enter", "e", "escape", "0", "4"):
            await on.press(key)
            await on.until(lambda: "Looking" not in shown(on))
            assert not OBEYED.search(shown(on).replace("\n", ""))


async def test_what_is_new_is_in_sight_unless_the_owner_reads_further_up(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    now = await town.control.now_ms()
    for number in range(60):
        await turned(town, ANNA, "incoming", f"message {number}", now - 60_000 + number * 1000)
    async with screen(size=(140, 40)) as on:
        await read(on, ANNA)
        sheet = on.page("chats").sheet
        await on.until(lambda: sheet.max_scroll_y > 0 and sheet.scroll_offset.y == sheet.max_scroll_y)
        await on.press("enter", "g")
        await on.until(lambda: sheet.scroll_offset.y == 0)
        await on.until(lambda: "G to the newest" in str(on.page("chats").detail_pane.border_subtitle))
        await town.writes("anna", "something new")
        await on.until(lambda: "something new" in on.sheet("chats"))
        assert sheet.scroll_offset.y == 0
        await on.press("G")
        await on.until(lambda: sheet.scroll_offset.y == sheet.max_scroll_y)


async def test_older_messages_come_when_the_top_is_reached(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    now = await town.control.now_ms()
    for number in range(260):
        await turned(town, ANNA, "incoming", f"message {number}.", now - 600_000 + number * 1000)
    async with screen(size=(140, 40)) as on:
        await read(on, ANNA)
        await on.until(lambda: "message 60." in on.sheet("chats"))
        assert "message 59." not in on.sheet("chats")
        await on.until(lambda: "60 older messages" in on.sheet("chats"))
        await on.press("enter", "g")
        await on.until(lambda: "message 0." in on.sheet("chats"))
        sheet = on.page("chats").sheet
        await on.until(lambda: sheet.scroll_offset.y > 60)  # what was read stays in sight
        await on.until(lambda: "message 60." in shown(on))


@pytest.mark.heavy  # every page at sizes that change under it
async def test_the_pages_are_right_after_the_terminal_changed_its_size(screen: OpenScreen, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        stand_at_noon(client)
        talk_at_noon(client)
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        await on.press("2")
        await on.until(lambda: on.keys("chats"))
        await on.press("enter")
        for size in ((44, 14), (160, 50), (40, 12)):
            await on.pilot.resize_terminal(*size)
            for page in ("3", "4", "0", "2"):
                await on.press(page)
                await on.until(lambda: "Looking" not in shown(on))
                assert {cell_len(line) for line in shown(on).splitlines()} <= {*range(size[0] + 1)}
            await on.until(lambda size=size: max(map(cell_len, on.sheet("chats").splitlines())) in range(14, min(size[0], 81)))
