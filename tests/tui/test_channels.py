"""Channels on the screen: how they stand, pausing and disconnecting them, and finding contacts by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.town import Town

OpenScreen = Callable[..., Any]


async def test_a_channel_is_paused_and_resumed_with_a_key(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("5")
        await on.until(lambda: any(row[0].endswith("Local terminal") for row in on.rows("channels")))
        await on.press("down", "z")
        await on.said("Nobody on Telegram is answered")
        assert await town.control.paused_channels(["telegram", "whatsapp"]) == {"telegram"}
        await on.until(lambda: "paused" in on.rows("channels")[1][1])
        assert "telegram paused" in on.text("#bar")
        await on.press("z")
        await on.said("Telegram is answered again")
        assert not await town.control.paused_channels(["telegram"])


async def test_a_channel_is_disconnected_after_a_confirmation_and_connected_again(town: Town, screen: OpenScreen) -> None:
    from secondme.core.store import keys

    facts = b'{"part":"all","host":"elsewhere","pid":1,"at":99999999999999,"channels":{"telegram":{"state":"connected"}}}'
    await town.store.client.hset(keys.GATEWAYS, "g", facts)
    async with screen() as on:
        await on.press("5")
        await on.until(lambda: any("connected" in row[1] for row in on.rows("channels")))
        await on.press("down", "c")
        await on.dialog("ConfirmDialog")
        await on.press("escape")
        assert await town.control.desired_states() == {}
        await on.press("c")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Telegram is disconnected")
        assert not (await town.control.desired_states())["telegram"].on
        await town.store.client.hdel(keys.GATEWAYS, "g")
        await on.until(lambda: "off" in on.rows("channels")[1][1])
        await on.press("c")
        await on.said("Telegram starts")
        assert (await town.control.desired_states())["telegram"].on


async def test_what_is_the_matter_and_what_mends_it_is_said_below(town: Town, screen: OpenScreen) -> None:
    from secondme.core.store import keys

    facts = (
        b'{"part":"all","host":"elsewhere","pid":1,"at":99999999999999,'
        b'"channels":{"telegram":{"state":"needs_owner","code":"telegram_token_refused"}}}'
    )
    await town.store.client.hset(keys.GATEWAYS, "g", facts)
    async with screen() as on:
        await on.press("5")
        await on.until(lambda: on.rows("channels"))
        await on.press("down")
        await on.until(lambda: "refuses the bot's token" in on.text("#page-channels .detail"))
        assert "secondme channels connect telegram" in on.text("#page-channels .detail")
        assert "telegram needs you" in on.text("#bar")


async def test_contacts_are_found_by_their_channel(town: Town, screen: OpenScreen) -> None:
    from secondme.core.ids import ChannelId, ContactId

    await town.let_in("anna")
    tele = {"contact_id": ContactId("telegram:7"), "channel_id": ChannelId("telegram"), "display_name": "Tele"}
    await town.writes("tele", "hi", **tele)
    await town.owner.approve("telegram:7")
    async with screen(size=(140, 40)) as on:
        await on.press("2")
        await on.until(lambda: set(on.names("approved")) == {"Anna", "Tele"})
        assert {row[4] for row in on.rows("approved")} == {"> local", "✈ telegram"}
        await on.press("c")
        await on.until(lambda: on.names("approved") == ["Anna"])
        await on.press("c")
        await on.until(lambda: on.names("approved") == ["Tele"])
        await on.press("escape")
        await on.until(lambda: set(on.names("approved")) == {"Anna", "Tele"})
