"""Channels, health and the security log on the screen; linking, pausing and unlinking."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from fakes.bot_api import TOKEN, bot_api
from fakes.bot_api_rig import OWNER
from fakes.screen import Screen, write_security_log
from fakes.town import Town
from textual.widgets import Input, Static

from secondme.core.config.files import read_credentials
from secondme.core.config.loader import Setup, load
from secondme.core.store import keys

OpenScreen = Callable[..., Any]


async def gateway(town: Town, **channels: dict[str, object]) -> None:
    """A gateway says that these channels stand so."""
    facts = {"part": "all", "host": "elsewhere", "pid": 1, "at": 99999999999999, "channels": channels}
    await town.store.client.hset(keys.GATEWAYS, "g", json.dumps(facts))


async def test_a_channel_is_paused_after_a_confirmation_and_answered_again_with_a_key(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("0")
        await on.at("system", "telegram")
        await on.press("z")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert not await town.control.paused_channels(["telegram"])
        await on.press("z")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Nobody on Telegram is answered")
        assert await town.control.paused_channels(["telegram", "whatsapp"]) == {"telegram"}
        await on.until(lambda: "z Answer there again" in on.hints)
        await on.press("z")
        await on.said("Telegram is answered again")
        assert not await town.control.paused_channels(["telegram"])


async def test_a_channel_is_disconnected_after_a_confirmation(town: Town, screen: OpenScreen) -> None:
    await gateway(town, telegram={"state": "connected"})
    async with screen() as on:
        await on.press("0")
        await on.at("system", "telegram")
        await on.until(lambda: "connected" in on.sheet("system"))
        await on.press("enter")  # decides nothing
        await on.press("escape")
        await on.press("c")
        await on.dialog("ChoiceDialog")
        await on.press("escape")
        await on.closed()
        assert await town.control.desired_states() == {}
        await on.press("c")
        await on.dialog("ChoiceDialog")
        await on.press("enter")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Telegram is disconnected")
        assert not (await town.control.desired_states())["telegram"].on


async def test_a_channel_that_needs_its_owner_is_said_everywhere_with_what_mends_it(town: Town, screen: OpenScreen) -> None:
    await gateway(town, telegram={"state": "needs_owner", "code": "telegram_token_refused"})
    async with screen(size=(120, 30)) as on:
        await on.until(lambda: "Telegram needs you" in on.text("#bar"))
        assert "secondme channels connect telegram" in on.text("#banner")
        await on.press("0")
        await on.at("system", "telegram")
        await on.until(lambda: "refuses the bot's token" in on.sheet("system"))


async def answer(on: Screen, text: str) -> None:
    """The question that is asked is answered."""
    await on.until(lambda: type(on.app.screen).__name__ == "AnswerDialog" and not on.app.screen.query_one(Input).value)
    await on.write(text)
    await on.press("enter")


async def test_telegram_is_linked_by_its_token_and_unlinked_again(town: Town, screen: OpenScreen, setup: Setup) -> None:
    del town
    async with bot_api() as api:
        values = {"redis_url": setup.settings.redis_url.get_secret_value(), "sleep.enabled": False, "telegram.api_url": api.url}  # type: ignore[union-attr]
        home = load(values, {}, home=setup.places.config)
        async with screen(size=(110, 30), home=home) as on:
            await on.press("0")
            await on.at("system", "telegram")
            await on.press("c")
            await on.until(lambda: type(on.app.screen).__name__ == "AnswerDialog")
            assert on.app.screen.query_one(Input).password  # a secret is not shown
            await answer(on, TOKEN)
            await answer(on, "")

            def link() -> str | None:
                found = re.search(r"start=([A-Za-z0-9_-]{16})", "".join(str(each.content) for each in on.app.screen.query(Static)))
                return found and found[1]

            nonce = await on.until(link)
            api.write(OWNER, f"/start {nonce}")
            await on.said("Telegram is linked as @clone_bot")
            assert TOKEN in str(await asyncio.to_thread(read_credentials, home.places.credentials))
            assert (await on.app.desk.link.services.control.desired_states())["telegram"].on
            await on.closed()
            facts = {
                "part": "all",
                "host": "elsewhere",
                "pid": 1,
                "at": 99999999999999,
                "channels": {"telegram": {"state": "connected"}},
            }
            await on.app.desk.link.services.store.client.hset(keys.GATEWAYS, "g", json.dumps(facts))
            await on.until(lambda: "c Unlink it" in on.hints)
            await on.press("c")
            await on.dialog("ChoiceDialog")
            await on.press("down", "enter")
            await on.dialog("ConfirmDialog")
            await on.app.desk.link.services.store.client.hdel(keys.GATEWAYS, "g")
            await on.press("y")
            await on.said("Telegram is unlinked; its keys here are erased")
            assert TOKEN not in str(await asyncio.to_thread(read_credentials, home.places.credentials))


async def test_linking_that_is_refused_says_why_and_that_is_left_changes_nothing(
    town: Town, screen: OpenScreen, setup: Setup
) -> None:
    del town
    async with bot_api() as api:
        values = {"redis_url": setup.settings.redis_url.get_secret_value(), "sleep.enabled": False, "telegram.api_url": api.url}  # type: ignore[union-attr]
        home = load(values, {}, home=setup.places.config)
        async with screen(size=(110, 30), home=home) as on:
            await on.press("0")
            await on.at("system", "telegram")
            await on.press("c")
            await answer(on, "123456:" + "x" * 35)
            await on.until(lambda: "refused" in "".join(str(each.content) for each in on.app.screen.query(Static)))
            await on.press("escape")
            await on.closed()
            await on.press("c")
            await on.until(lambda: type(on.app.screen).__name__ == "AnswerDialog")
            await on.press("escape")
            await on.until(lambda: "was not linked" in "".join(str(each.content) for each in on.app.screen.query(Static)))
            await on.press("escape")
            await on.closed()
            assert not home.places.credentials.exists()


async def test_what_happened_is_listed_the_newest_first_also_with_no_store(town: Town, screen: OpenScreen, setup: Setup) -> None:
    del town
    write_security_log(setup)
    async with screen(size=(140, 40)) as on:
        await on.press("0")
        await on.until(lambda: sum(key.startswith("log:") for key in on.keys("system")) == 4)
        first = next(key for key in on.keys("system") if key.startswith("log:"))
        await on.at("system", first)
        assert "auth session expired" in on.list("system").text_of(first)
        await on.until(lambda: "whatsapp" in on.sheet("system"))
        await on.at("system", "health")
        await on.until(lambda: "secondme doctor" in on.sheet("system"))
