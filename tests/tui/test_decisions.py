"""Every decision of the owner, taken with the keys of the screen and found again in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fakes.size import sized
from fakes.town import Town
from fakes.watching import Ear
from textual.widgets import TabbedContent

from secondme.core.enums import Tier
from secondme.core.ids import ContactId

ANNA, BEN, CARA = ContactId("local:anna"), ContactId("local:ben"), ContactId("local:cara")
OpenScreen = Callable[..., Any]


async def knock(town: Town, *names: str) -> None:
    for name in names:
        await town.writes(name, "hello")


async def test_a_request_appears_by_itself_with_name_id_channel_code_age_and_countdown(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.until(lambda: on.page("pending").has_class("-empty"))
        assert on.rows("pending") == []
        await knock(town, "anna")
        await on.until(lambda: on.names("pending") == ["Anna"])
        mark, name, contact, channel, code, asked, ends = on.rows("pending")[0]
        request = await town.pairing.find(ANNA)
        assert request is not None
        assert (mark, name, contact, channel, code) == (" ", "Anna", "local:anna", "local", request.code)
        assert asked in {"0 s", "1 s", "2 s", "3 s"}
        assert ends.startswith("29:5") or ends == "30:00"
        assert "1 waiting" in on.text("#bar")


async def test_who_comes_in_by_a_code_is_said_whatever_page_is_shown(town: Town, screen: OpenScreen) -> None:
    invite = await town.owner.invite("Ben", Tier.STANDARD, timedelta(hours=1))
    async with screen() as on:
        await on.press("3")
        await town.writes("ben", invite.code)
        await on.said("Ben sent the right code and is approved.")
        await on.press("2")
        await on.until(lambda: on.names("approved") == ["Ben"])


async def test_enter_and_enter_let_somebody_in_as_standard(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on.until(lambda: on.names("pending") == ["Anna"])
        await on.press("enter")
        await on.dialog("TierDialog")
        await on.press("enter")
        await on.said("Anna is approved as standard")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert (record.tier, record.approved_by, record.notes) == (Tier.STANDARD, "tui", None)
        await on.until(lambda: on.names("pending") == [])
        await on.press("2")
        await on.until(lambda: on.names("approved") == ["Anna"])


async def test_a_tier_and_a_note_are_chosen_with_the_keys(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on.until(lambda: on.names("pending") == ["Anna"])
        await on.press("a")
        await on.dialog("TierDialog")
        await on.press("up", "tab")
        await on.write("my sister")
        await on.press("enter")
        await on.said("Anna is approved as trusted")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert (record.tier, record.notes) == (Tier.TRUSTED, "my sister")


async def test_escape_decides_nothing(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on.until(lambda: on.names("pending") == ["Anna"])
        for key, kind in (
            ("a", "TierDialog"),
            ("d", "ReasonDialog"),
            ("A", "TierDialog"),
            ("k", "ConfirmDialog"),
            ("p", "PauseDialog"),
        ):
            await on.press(key)
            await on.dialog(kind)
            await on.press("escape")
            await on.closed()
        assert await town.pairing.find(ANNA) is not None
        assert await town.control.everybody() is None
        assert on.toasts == []


async def test_denying_asks_for_a_reason_and_keeps_it(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on.until(lambda: on.names("pending") == ["Anna"])
        await on.press("d")
        await on.dialog("ReasonDialog")
        await on.write("who is this?")
        await on.press("enter")
        await on.said("Anna is denied")
        record = await town.pairing.denied(ANNA)
        assert record is not None
        assert (record.reason, record.denied_by) == ("who is this?", "tui")
        await on.press("3")
        await on.until(lambda: on.names("denied") == ["Anna"])


async def test_marked_people_are_decided_about_together(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna", "ben", "cara")
    async with screen() as on:
        await on.until(lambda: len(on.names("pending")) == 3)
        await on.press("space", "down", "space")
        assert [row[0] for row in on.rows("pending")] == ["●", " ", "●"]
        await on.press("d")
        await on.dialog("ReasonDialog")
        await on.press("enter")
        await on.until(lambda: on.names("pending") == ["Ben"])
        assert [await town.pairing.denied(each) is not None for each in (ANNA, BEN, CARA)] == [True, False, True]


async def test_everybody_is_let_in_at_once(town: Town, screen: OpenScreen) -> None:
    names = [f"guest{number}" for number in range(5)]
    await knock(town, *names)
    async with screen() as on:
        await on.until(lambda: len(on.names("pending")) == 5)
        await on.press("A")
        await on.dialog("TierDialog")
        await on.press("down", "enter")
        await on.said("5 people are approved as restricted")
        listing = await town.pairing.listing()
        assert {(each.contact_id, each.tier) for each in listing.approved} == {(f"local:{name}", Tier.RESTRICTED) for name in names}


async def test_a_request_that_ended_meanwhile_is_an_error_toast_and_not_an_approval(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on.until(lambda: on.names("pending") == ["Anna"])
        await on.press("a")
        await on.dialog("TierDialog")
        await town.owner.deny(ANNA)
        await on.press("enter")
        await on.said("was denied meanwhile")
        assert await town.pairing.approved(ANNA) is None


async def test_search_by_name_and_number_and_the_tier_filter_narrow_the_approved(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await town.let_in("ben")
    await town.let_in("cara")
    async with screen() as on:
        await on.press("2")
        await on.until(lambda: on.names("approved") == ["Cara", "Ben", "Anna"])
        await on.press("slash")
        await on.write("AN")
        await on.until(lambda: on.names("approved") == ["Anna"])
        await on.press("enter", "escape")
        await on.until(lambda: len(on.names("approved")) == 3)
        await on.press("slash")
        await on.write("local:b")
        await on.until(lambda: on.names("approved") == ["Ben"])
        await on.press("enter", "escape", "t")
        await on.until(lambda: on.names("approved") == ["Anna"])
        assert "tier trusted" in on.text("#page-approved .filters")
        await on.press("t", "t")
        assert on.names("approved") == []
        assert "Nobody fits" in on.text("#page-approved .empty")
        await on.press("t")
        assert len(on.names("approved")) == 3


async def test_tier_and_note_of_an_approved_contact_are_changed(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.owner.edit(ANNA, notes="old")
    async with screen() as on:
        await on.press("2")
        await on.until(lambda: on.names("approved") == ["Anna"])
        await on.press("e")
        await on.dialog("TierDialog")
        assert on.input().value == "old"
        await on.press("down", "tab")
        await on.press(*["backspace"] * 3)
        await on.press("enter")
        await on.said("Anna is restricted")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert (record.tier, record.notes) == (Tier.RESTRICTED, None)


async def test_revoking_needs_a_confirmation_and_enter_alone_is_none(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on.press("2")
        await on.until(lambda: on.names("approved") == ["Anna"])
        await on.press("r")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert await town.pairing.is_approved(ANNA)
        await on.press("r")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Anna is not approved any more")
        assert not await town.pairing.is_approved(ANNA)
        await on.until(lambda: on.names("approved") == [])


async def test_one_contact_is_paused_and_answered_again(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on.press("2")
        await on.until(lambda: on.names("approved") == ["Anna"])
        await on.press("z")
        await on.dialog("PauseDialog")
        await on.press("up", "enter")
        await on.said("Anna is paused, 30 minutes")
        pause = await town.control.contact_pause(ANNA)
        assert pause is not None
        assert pause.until is not None
        await on.until(lambda: on.rows("approved")[0][3].startswith("paused "))
        await on.press("z")
        await on.said("Anna is answered again")
        assert await town.control.contact_pause(ANNA) is None


async def test_a_denied_contact_may_knock_again(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    await town.owner.deny(ANNA, "no")
    async with screen() as on:
        await on.press("3")
        await on.until(lambda: on.names("denied") == ["Anna"])
        await on.press("u")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Anna is unblocked")
        assert await town.pairing.denied(ANNA) is None


async def test_everybody_is_paused_and_answered_again(town: Town, screen: OpenScreen) -> None:
    async with screen() as on:
        await on.press("p")
        await on.dialog("PauseDialog")
        await on.press("enter")
        await on.said("Everybody is paused, 1 hour")
        await on.until(lambda: "paused 59:" in on.text("#bar") or "paused 1 h" in on.text("#bar"))
        await on.press("p")
        await on.said("Everybody is answered again")
        assert await town.control.everybody() is None


async def test_the_kill_switch_is_turned_on_and_lifted_and_a_pause_does_not_weaken_it(
    town: Town, ear: Ear, screen: OpenScreen
) -> None:
    async with screen() as on:
        await on.press("k")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The kill switch is on")
        everybody = await town.control.everybody()
        assert everybody is not None
        assert everybody.killed
        await on.until(lambda: "KILL SWITCH ON" in on.text("#bar"))
        await on.press("p")
        await on.said("stops everybody already")
        await on.press("k")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The kill switch is off")
        assert await town.control.everybody() is None
    actions = [event["action"] for event in await ear.heard() if event["channel"] == "events:pause"]
    assert actions == ["kill", "resume"]


async def test_lifting_a_pause_offers_to_answer_what_came_meanwhile(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.control.pause(None, None)
    await town.writes("anna", "are you there?")
    async with screen() as on:
        await on.until(lambda: "PAUSED" in on.text("#bar").upper())
        await on.press("p")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("1 message waits for an answer now.")
    assert await town.work() == ["answered"]


@pytest.mark.parametrize("target", ["pending", pytest.param("approved", marks=pytest.mark.heavy), "denied"])  # the same table
async def test_two_clicks_choose_and_decide(town: Town, screen: OpenScreen, target: str) -> None:
    await town.let_in("ben")
    await knock(town, "cara")
    await town.owner.deny(CARA)
    await knock(town, "anna")
    page, dialog, button = {
        "pending": ("1", "TierDialog", "#yes"),
        "approved": ("2", "TierDialog", "#yes"),
        "denied": ("3", "ConfirmDialog", "#yes"),
    }[target]
    async with screen() as on:
        await on.press(page)
        await on.until(lambda: len(on.names(target)) == 1)
        await on.pilot.pause()
        await on.pilot.click(on.page(target).table, offset=(45, 1))
        assert len(on.app.screen_stack) == 1  # a click chooses
        await on.pilot.click(on.page(target).table, offset=(45, 1))  # another on the chosen row decides
        await on.dialog(dialog)
        await on.pilot.click(button)
        await on.said("Anna is approved|Ben is standard|Cara is unblocked")


async def test_a_page_that_was_just_chosen_is_not_taken_back_by_the_one_before(town: Town, screen: OpenScreen) -> None:
    """The last request went and the owner pressed 3 in the same moment: the focus that the emptied page asked for comes late."""
    await knock(town, "anna")
    async with screen() as on:
        await on.until(lambda: on.names("pending") == ["Anna"])
        waiting = on.page("pending")
        rows = waiting._rows
        for turns in range(0, 10, sized(1, 3)):
            waiting.put([])
            for _ in range(turns):
                await asyncio.sleep(0)
            on.app.action_page("denied")
            await on.pilot.pause()
            assert on.app.query_one(TabbedContent).active == "denied", turns
            assert on.page("denied") in on.app.focused.ancestors_with_self, turns
            on.app.action_page("pending")
            waiting.put(rows)
            await on.pilot.pause()
