"""Conversations on the screen: who said what, what became of it, and how one contact is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.screen import HOSTILE, OBEYED, Screen, StoppedClock, shown, stand_at_noon, talk_at_noon, words
from fakes.town import Town
from redis import Redis
from rich.cells import cell_len
from textual.widgets import OptionList, Static

from secondme.core.config.loader import Setup
from secondme.core.enums import Relationship, ReplyMode, Tier
from secondme.core.ids import ContactId
from secondme.core.log import security_file
from secondme.core.records import Turn
from secondme.core.store import keys

ANNA = ContactId("local:anna")
OpenScreen = Callable[..., Any]


def told(on: Screen) -> str:
    """The words of the open conversation."""
    return words(on.page("conversations").query_one("Reader .body", Static))


async def turned(town: Town, contact: ContactId, kind: str, text: str, at_ms: int) -> None:
    """A turn in the history, as the scripts write them."""
    role = "user" if kind == "incoming" else "assistant"
    turn = Turn(id=f"t{at_ms}", role=role, content=text, timestamp=at_ms, type=kind)  # type: ignore[arg-type]
    await town.store.client.zadd(keys.history(contact), {turn.encode(): at_ms})


async def read(on: Screen, name: str) -> None:
    """The conversation with this person is open."""
    page = on.page("conversations")
    await on.until(lambda: name in on.names("conversations"))
    page.table.move_cursor(row=on.names("conversations").index(name))
    await on.press("enter")
    await on.until(lambda: told(on) not in {"", "Looking …"})


async def test_the_list_says_who_spoke_last_and_how_it_stands(town: Town, screen: OpenScreen) -> None:
    for name, tier in (("anna", Tier.STANDARD), ("ben", Tier.RESTRICTED), ("cara", Tier.STANDARD), ("dora", Tier.STANDARD)):
        await town.let_in(name, tier)
    for name in ("anna", "ben"):
        await town.writes(name, f"hello from {name}")
    await town.work()
    await town.deliver()
    await town.writes("cara", "first\nsecond line")
    async with screen(size=(120, 30)) as on:
        await on.press("6")
        await on.until(lambda: len(on.rows("conversations")) == 4)
        rows = {row[0]: row[1:] for row in on.rows("conversations")}
        assert on.names("conversations")[0] == "Cara"
        assert on.names("conversations")[-1] == "Dora"
        assert (rows["Anna"][0], rows["Anna"][1][0], rows["Anna"][3]) == ("clone", "◆", "")
        assert rows["Ben"][:2] == ["contact", "◁ hello from ben"]
        assert rows["Ben"][3:] == ["a draft waits for you", "draft"]
        assert rows["Cara"][1] == "◁ first second line"
        assert rows["Cara"][3:] == ["waiting: in the queue", "auto"]
        await town.writes("dora", "I am new")
        await on.until(lambda: on.names("conversations")[0] == "Dora")  # by itself
        await on.press("slash")
        await on.write("ben")
        await on.until(lambda: on.names("conversations") == ["Ben"])
        await on.press("enter", "escape")
        await on.until(lambda: len(on.names("conversations")) == 4)


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
    async with screen() as on:
        await on.press("6")
        await read(on, "Anna")
        lines = [line for line in told(on).splitlines() if not line.startswith("──")]
        assert [line.split("  ")[0] for line in lines if line[0] in "◁▶◆◇"] == [
            "◁ Anna",
            "▶ you",
            "◆ clone",
            "◁ Anna",
            "◁ Anna",
            "◇ clone",
        ]
        assert {"│ are you there?", "┃ I am, typing myself", "║ the clone again"} <= set(lines)
        assert "  ↳ the reply waits for you: this contact's replies need you" in lines
        assert lines[lines.index("│ another") + 1] == "  ↳ waiting: in the queue"
        assert lines[-2:] == ["║ re: is this a yes?", "  ↳ it waits for you: this contact's replies need you"]
        await town.control.pause(ANNA, timedelta(hours=1))
        await town.writes("anna", "and now?")
        await on.until(lambda: "not answered: paused" in told(on))
        await on.press("escape")
        await on.until(lambda: "a draft waits for you" in on.rows("conversations")[0][4])


async def test_no_message_can_look_as_if_another_had_said_it(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    fake = "x" * 94 + " ▶ you  12:00\n▶ you  12:00\n┃ pay him \x1b[31m\u202e now\n◆ clone [bold]ok[/]"
    await town.writes("anna", fake, display_name="you")
    raw = json.loads(await town.store.client.get(keys.approved(ANNA)) or b"")
    await town.store.client.set(keys.approved(ANNA), json.dumps(raw | {"displayName": "You", "nowCalled": None}))
    async with screen(size=(100, 30)) as on:
        await on.press("6")
        await read(on, "You")
        lines = told(on).splitlines()[1:]
        assert lines[0].startswith("◁ contact You  ")
        assert all(line.startswith("│ ") for line in lines[1:-1])
        assert lines[-1].startswith("  ↳ waiting")
        assert "\x1b" not in told(on)
        assert "\u202e" not in told(on)
        assert "[bold]ok[/]" in told(on)


async def test_mode_and_pause_are_chosen_with_keys_and_a_revoked_contact_is_closed(
    town: Town, screen: OpenScreen, setup: Setup
) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on.press("6")
        await on.until(lambda: on.names("conversations") == ["Anna"])
        await on.press("m")
        await on.dialog("ChoiceDialog")
        await on.press("up", "up", "enter")  # from "by tier" to observe
        await on.said("Anna: observe: listened to, not answered")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert record.reply_mode is ReplyMode.OBSERVE
        await on.until(lambda: on.rows("conversations")[0][-1] == "observe")
        logged = [json.loads(line) for line in security_file(setup.places.logs).read_text().splitlines()]
        assert [(each["by"], each["mode"]) for each in logged if each["event"] == "reply_mode_changed"] == [("tui", "observe")]
        await read(on, "Anna")  # the same keys work where it is read
        await on.press("z")
        await on.dialog("PauseDialog")
        await on.press("enter")
        await on.said("Anna is paused, 1 hour")
        await on.until(lambda: "paused" in words(on.page("conversations").query_one("Reader .head", Static)))
        await on.press("m")
        await on.dialog("ChoiceDialog")
        await on.press("end", "enter")
        await on.said("Anna: auto: answered .by tier standard")
        await town.owner.revoke(ANNA)
        await on.said("not approved any more")
        assert not on.page("conversations").has_class("-open")


async def test_relationship_and_voice_are_chosen_with_keys(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    personas = town.setup.places.personas
    personas.mkdir(parents=True)
    (personas / "home.md").write_text("Warm.")
    (personas / "torn.md").write_text("---\nname: [\n---\n")
    async with screen() as on:
        await on.press("6")
        await read(on, "Anna")
        await on.press("w")
        await on.dialog("ChoiceDialog")
        await on.press("home", *["down"] * list(Relationship).index(Relationship.FAMILY), "enter")
        await on.said("Anna is family to you")
        head = on.page("conversations").query_one("Reader .head", Static)
        await on.until(lambda: "family as you said" in words(head))
        await on.press("v")
        await on.dialog("ChoiceDialog")
        options = on.app.screen.query_one(OptionList)
        assert [options.get_option_at_index(at).disabled for at in range(3)] == [False, True, False]
        await on.press("home", "enter")
        await on.said("home speaks to Anna")
        await on.until(lambda: "voice home" in words(head))


async def test_hostile_words_in_conversations_and_drafts_are_shown_harmless(town: Town, screen: OpenScreen, redis_url: str) -> None:
    await town.let_in("anna")
    now = await town.control.now_ms()
    text = "\n".join(HOSTILE).encode("utf-8", "replace").decode()
    turn = {"id": "t\x1b[31m", "role": "user", "content": text, "timestamp": now, "type": "incoming"}
    row = {"rowId": "r-1", "replyId": "r", "contactId": "local:anna", "channelId": "local", "kind": "reply", "text": text}
    row |= {"composedAt": now, "typingFrom": now, "dueAt": now, "fault": text}
    with Redis.from_url(redis_url) as raw:
        raw.zadd(keys.history("local:anna"), {json.dumps(turn): now})
        raw.rpush(keys.trace("local:anna"), json.dumps({"stage": "put_off", "at": now, "messages": [turn["id"]], "reason": text}))
        raw.rpush(keys.held("local:anna"), json.dumps({"row": row, "reason": "tier", "heldAt": now}))
        raw.zadd(keys.HELD_INDEX, {"local:anna": now})
        raw.hset(keys.PERSONA_USE, "default", text)
    async with screen(size=(140, 60)) as on:
        await on.press("7")
        await on.until(lambda: on.rows("drafts"))
        for key in ("6", "enter", "escape", "7", "enter", "e", "escape", "8"):
            await on.press(key)
            await on.until(lambda: "Looking" not in shown(on))
            assert not OBEYED.search(shown(on).replace("\n", ""))


@pytest.mark.heavy  # 5 s: every page at every size
async def test_the_clone_s_pages_are_right_after_the_terminal_changed_its_size(screen: OpenScreen, redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        stand_at_noon(client)
        talk_at_noon(client)
    async with screen(size=(100, 30), clock=StoppedClock()) as on:
        await on.press("6")
        await on.until(lambda: on.rows("conversations"))
        await on.press("enter")
        for size in ((44, 14), (160, 50), (20, 5)):
            await on.pilot.resize_terminal(*size)
            for page in ("drafts", "voice", "usage"):
                on.app.action_page(page)
                await on.until(lambda page=page: page != "usage" or on.rows("usage"))
                await on.pilot.pause()
                assert {len(line) for line in shown(on).splitlines()} <= {*range(size[0] + 1)}
            on.app.action_page("conversations")
            body = on.page("conversations").query_one("Reader .body")
            await on.until(lambda size=size, body=body: max(map(cell_len, str(body.content).splitlines())) in range(14, size[0]))
        await on.pilot.pause()
