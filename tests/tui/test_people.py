"""Every decision about people, taken with the keys of the screen and found again in the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from fakes.screen import Screen
from fakes.town import Town

from secondme.core.enums import Relationship, ReplyMode, Tier
from secondme.core.ids import ChannelId, ContactId
from secondme.core.store import keys

ANNA, BEN, CARA = ContactId("local:anna"), ContactId("local:ben"), ContactId("local:cara")
OpenScreen = Callable[..., Any]


async def knock(town: Town, *names: str) -> None:
    for name in names:
        await town.writes(name, "hello")


async def on_people(on: Screen, *contacts: str) -> None:
    """The page of people is shown, with these people, the first one under the cursor."""
    await on.press("4")
    await on.until(lambda: set(contacts) <= set(on.keys("people")))
    if contacts:
        await on.at("people", contacts[0])


async def test_a_request_appears_by_itself_with_name_code_age_and_countdown(town: Town, screen: OpenScreen) -> None:
    async with screen(size=(140, 30)) as on:
        await on_people(on)
        assert on.keys("people") == []
        await knock(town, "anna")
        await on.until(lambda: on.keys("people") == [ANNA])
        request = await town.pairing.find(ANNA)
        assert request is not None
        (line,) = on.lines("people")
        assert "● Anna" in line
        assert f"{request.code[:3]} {request.code[3:]}  ends in " in line
        assert "ends in 29:5" in line or "ends in 30:00" in line
        assert "local:anna on Local terminal" in line
        await on.until(lambda: request.code[:3] in on.sheet("people"))
        await on.until(lambda: "Their words are not kept." in on.sheet("people"))
        await on.until(lambda: "Asked" in on.sheet("people"))
        assert on.hints.startswith("a Approve   d Deny   y Copy code")
        assert "4 People 1" in on.text("#nav")


async def test_who_comes_in_by_a_code_is_said_whatever_page_is_shown(town: Town, screen: OpenScreen) -> None:
    invite = await town.owner.invite("Ben", Tier.STANDARD, timedelta(hours=1))
    async with screen() as on:
        await on.press("0")
        await town.writes("ben", invite.code)
        await on.said("Ben sent the right code and is approved.")
        await on_people(on, BEN)


async def test_a_and_enter_approve_somebody_as_standard(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("a")
        await on.dialog("TierDialog")
        await on.press("enter")
        await on.said("Anna is approved as standard")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert (record.tier, record.approved_by, record.notes) == (Tier.STANDARD, "tui", None)
        await on.until(lambda: "standard" in on.lines("people")[0])


async def test_a_tier_and_a_note_are_chosen_with_the_keys(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on_people(on, ANNA)
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
        await on_people(on, ANNA)
        for keys_, kind in (
            (("a",), "TierDialog"),
            (("d",), "ReasonDialog"),
            (("exclamation_mark",), "StopDialog"),
            (("p",), "PauseDialog"),
        ):
            await on.press(*keys_)
            await on.dialog(kind)
            await on.press("escape")
            await on.closed()
        assert await town.pairing.find(ANNA) is not None
        assert await town.control.everybody() is None
        assert on.toasts == []


async def test_denying_asks_for_a_reason_and_keeps_it(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("d")
        await on.dialog("ReasonDialog")
        await on.press("enter")  # alone it says no
        await on.closed()
        assert await town.pairing.find(ANNA) is not None
        await on.press("d")
        await on.dialog("ReasonDialog")
        await on.press("tab")
        await on.write("who is this?")
        await on.press("enter")
        await on.said("Anna is denied")
        record = await town.pairing.denied(ANNA)
        assert record is not None
        assert (record.reason, record.denied_by) == ("who is this?", "tui")
        await on.until(lambda: "who is this?" in on.lines("people")[0])
        await on.press("a")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Anna is unblocked")
        assert await town.pairing.denied(ANNA) is None


async def test_marked_people_are_decided_about_together(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna", "ben", "cara")
    async with screen() as on:
        await on_people(on, ANNA, BEN, CARA)
        await on.press("space", "down", "space")
        assert [line[0] for line in on.lines("people")] == ["✓", "●", "✓"]
        assert "2 marked" in str(on.page("people").list_pane.border_title)
        await on.press("d")
        await on.dialog("ReasonDialog")
        await on.press("y")
        await on.until(lambda: on.page("people")._drawing.parts("", "")[0][1] == [BEN])
        assert [await town.pairing.denied(each) is not None for each in (ANNA, BEN, CARA)] == [True, False, True]


async def test_everybody_is_approved_at_once_from_the_palette(town: Town, screen: OpenScreen) -> None:
    names = [f"guest{number}" for number in range(5)]
    await knock(town, *names)
    async with screen() as on:
        await on.press("ctrl+p")
        await on.write("everybody who waits")
        await on.until(lambda: on.app.screen.has_class("-ready"))
        await on.press("enter")
        await on.until(lambda: type(on.app.screen).__name__ in {"TierDialog", "CommandPalette"})
        if type(on.app.screen).__name__ == "CommandPalette":
            await on.press("enter")
        await on.dialog("TierDialog")
        await on.press("down", "enter")
        await on.said("5 people are approved as restricted")
        listing = await town.pairing.listing()
        assert {(each.contact_id, each.tier) for each in listing.approved} == {(f"local:{name}", Tier.RESTRICTED) for name in names}


async def test_a_request_that_ended_meanwhile_is_an_error_toast_and_not_an_approval(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("a")
        await on.dialog("TierDialog")
        await town.owner.deny(ANNA)
        await on.press("enter")
        await on.said("was denied meanwhile")
        assert await town.pairing.approved(ANNA) is None


async def test_search_and_filter_narrow_the_list_and_escape_shows_everybody(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await town.let_in("ben")
    await town.let_in("cara")
    tele = {"contact_id": ContactId("telegram:7"), "channel_id": ChannelId("telegram"), "display_name": "Tele"}
    await town.writes("tele", "hi", **tele)
    async with screen() as on:
        await on_people(on, ANNA, BEN, CARA, "telegram:7")
        await on.press("slash")
        await on.write("AN")
        await on.until(lambda: on.keys("people") == [ANNA])
        await on.press("enter", "escape")
        await on.until(lambda: len(on.keys("people")) == 4)
        for downs, expected in ((1, [ANNA]), (7, ["telegram:7"])):
            await on.press("f")
            await on.dialog("ChoiceDialog")
            await on.press("home", *["down"] * downs, "enter")
            await on.until(lambda expected=expected: on.keys("people") == expected)
        await on.press("slash")
        await on.write("nobody")
        await on.until(lambda: on.keys("people") == [])
        assert "Nobody fits" in on.list("people")._empty
        await on.press("escape", "escape")
        await on.until(lambda: len(on.keys("people")) == 4)


async def test_tier_note_and_relationship_are_changed(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    await town.owner.edit(ANNA, notes="old")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("e")
        await on.dialog("ChoiceDialog")
        await on.press("enter")
        await on.dialog("TierDialog")
        assert on.input().value == "old"
        await on.press("down", "tab")
        await on.press(*["backspace"] * 3)
        await on.press("enter")
        await on.said("Anna is restricted")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert (record.tier, record.notes) == (Tier.RESTRICTED, None)
        await on.press("e")
        await on.dialog("ChoiceDialog")
        await on.press("down", "enter")
        await on.until(lambda: len(on.app.screen_stack) == 2 and on.app.screen.query_one("OptionList").option_count > 3)
        await on.press("home", *["down"] * list(Relationship).index(Relationship.FAMILY), "enter")
        await on.said("Anna is family to you")
        await on.until(lambda: "family, as you said" in on.sheet("people"))


async def test_revoking_needs_a_confirmation_and_enter_alone_is_none(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert await town.pairing.is_approved(ANNA)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("Anna is not approved any more")
        assert not await town.pairing.is_approved(ANNA)
        await on.until(lambda: on.keys("people") == [])


async def test_one_contact_is_paused_and_answered_again(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("z")
        await on.dialog("PauseDialog")
        await on.press("up", "enter")
        await on.said("Anna is paused, 30 minutes")
        pause = await town.control.contact_pause(ANNA)
        assert pause is not None
        assert pause.until is not None
        await on.until(lambda: "paused 29:" in on.lines("people")[0] or "paused 30:" in on.lines("people")[0])
        await on.until(lambda: "z Answer again" in on.hints)
        await on.press("z")
        await on.said("Anna is answered again")
        assert await town.control.contact_pause(ANNA) is None


async def test_mode_is_chosen_and_the_sheet_says_who_decided_it(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen() as on:
        await on_people(on, ANNA)
        await on.press("m")
        await on.dialog("ChoiceDialog")
        await on.press("up", "up", "enter")  # from "by tier" to observe
        await on.said("Anna: observe: listened to, not answered")
        record = await town.pairing.approved(ANNA)
        assert record is not None
        assert record.reply_mode is ReplyMode.OBSERVE
        await on.until(lambda: "you said so" in on.sheet("people"))
        await on.until(lambda: "observe" in on.lines("people")[0])


async def test_copying_says_what_was_copied(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna")
    await town.let_in("ben")
    request = await town.pairing.find(ANNA)
    assert request is not None
    async with screen() as on:
        await on_people(on, ANNA, BEN)
        await on.press("y")
        await on.said(f"The code is copied: {request.code}")
        assert on.app.clipboard == request.code
        await on.at("people", BEN)
        await on.press("y")
        await on.said("The id is copied: local:ben")


async def test_somebody_is_invited_listed_and_the_invite_cancelled(town: Town, screen: OpenScreen) -> None:
    link = {
        "part": "all",
        "host": "elsewhere",
        "pid": 1,
        "at": 99999999999999,
        "channels": {"telegram": {"state": "connected", "inviteLink": "https://t.me/sam_bot?start="}},
    }
    import json

    await town.store.client.hset(keys.GATEWAYS, "g", json.dumps(link))
    async with screen(size=(100, 40)) as on:
        await on_people(on)
        await on.press("i")
        await on.dialog("LineDialog")
        await on.write("Rosa")
        await on.press("enter")
        await on.dialog("ChoiceDialog")
        await on.press("enter")
        await on.dialog("InviteDialog")
        (invite,), _ = await town.owner.invites()
        assert (invite.name, invite.tier) == ("Rosa", Tier.STANDARD)
        told = "\n".join(strip.text for strip in on.app.screen._compositor.render_strips())
        assert f"https://t.me/sam_bot?start={invite.code}" in told
        assert "▀" in told or "█" in told  # its QR code
        await on.press("y")
        await on.said("The link is copied")
        assert on.app.clipboard.endswith(invite.code)
        await on.press("i")
        await on.dialog("ChoiceDialog")
        await on.press("down", "enter")
        await on.dialog("InviteDialog")
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert len((await town.owner.invites())[0]) == 1
        await on.press("i")
        await on.dialog("ChoiceDialog")
        await on.press("down", "enter")
        await on.dialog("InviteDialog")
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("is cancelled")
        assert (await town.owner.invites())[0] == []


async def test_a_click_chooses_and_another_opens_and_neither_decides(town: Town, screen: OpenScreen) -> None:
    await knock(town, "anna", "ben")
    async with screen(size=(100, 30)) as on:
        await on_people(on, ANNA, BEN)
        rows = on.list("people")
        await on.pilot.click(rows, offset=(20, 2))
        await on.until(lambda: rows.current == BEN)
        assert not on.page("people").has_class("-open")
        await on.pilot.click(rows, offset=(20, 2))
        await on.until(lambda: on.page("people").has_class("-open"))
        assert await town.pairing.find(BEN) is not None
        await on.press("escape")
        await on.until(lambda: not on.page("people").has_class("-open"))
        at = on.hints.index("d Deny")
        await on.pilot.click("#hints", offset=(at + 2, 0))
        await on.dialog("ReasonDialog")
