"""Drafts on the screen: seen at once beside their question, sent, written anew, dropped, and never sent unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes.screen import Screen, shown
from fakes.town import Town
from textual.widgets import TextArea

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobWish
from secondme.core.records import NewRow
from secondme.core.send.drafts import Draft
from secondme.job_desk import job_desk

ANNA, BEN, CARA = ContactId("local:anna"), ContactId("local:ben"), ContactId("local:cara")
OpenScreen = Callable[..., Any]


async def held(town: Town, who: str, text: str, fault: str = "") -> str:
    """A draft to this contact, who is approved; its id."""
    contact = ContactId(f"local:{who}")
    if not await town.pairing.is_approved(contact):
        await town.let_in(who)
    return await town.drafts.suggest(contact, "local", text, fault=fault)


async def waiting(town: Town) -> dict[str, Draft]:
    return {draft.id: draft for draft in (await town.drafts.waiting())[0]}


def tab(on: Screen) -> str:
    """What the row of pages says of drafts."""
    words = on.text("#nav")
    return words[words.index("3 Drafts") : words.index("4 People")].strip()


async def on_drafts(on: Screen, *drafts: str) -> None:
    """The page is shown with these drafts, the first one under the cursor and read."""
    await on.press("3")
    await on.until(lambda: set(drafts) <= set(on.keys("drafts")))
    if drafts:
        await on.at("drafts", drafts[0])
        await on.until(lambda: on.page("drafts")._views.get(drafts[0]) is not None)


async def test_a_reply_that_is_held_is_said_counted_and_stands_beside_its_question(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    async with screen(size=(140, 40)) as on:
        await on.press("0")
        assert tab(on) == "3 Drafts"
        await town.writes("anna", "are you coming?")
        await town.work()
        await on.said("A reply to Anna waits for you. Press 3.")
        await on.until(lambda: tab(on) == "3 Drafts 1")
        (draft,) = await waiting(town)
        await on_drafts(on, draft)
        await on.until(lambda: "restricted" in on.lines("drafts")[0])
        assert "◇ re: are you coming?" in on.lines("drafts")[0]
        await on.until(lambda: "╎ re: are you coming?" in on.sheet("drafts") and "◁ Anna wrote" in on.sheet("drafts"))
        sheet = on.sheet("drafts")
        order = [sheet.index(each) for each in ("restricted", "Replies to this contact need you.", "◁ Anna wrote", "│ are you coming?", "◇ Your clone would say", "╎ re: are you coming?", "s Send   e Edit   d Drop")]  # fmt: skip
        assert order == sorted(order)
        assert "expires in" in sheet
        said = len(on.toasts)
        await held(town, "anna", "words of mine")
        await on.until(lambda: len(on.keys("drafts")) == 2)
        assert len(on.toasts) <= said  # their page is shown: nothing more is said
        await on.press("0")
        for name in ("ben", "cara", "dora", "emil"):
            await town.let_in(name)
        for name in ("ben", "cara", "dora", "emil"):
            await held(town, name, "hi")
        await on.until(lambda: any("Press 3" in toast for toast in on.toasts))
        await on.until(lambda: tab(on).endswith("6"))
        assert sum("Press 3" in toast for toast in on.toasts) <= 5


async def test_drafts_are_read_sent_and_dropped(town: Town, screen: OpenScreen) -> None:
    long = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(30))
    first, second, third = [await held(town, who, text) for who, text in (("anna", long), ("ben", "to ben"), ("cara", "to cara"))]
    async with screen() as on:
        await on_drafts(on, first, second, third)
        await on.press("enter")
        await on.until(lambda: "Paragraph 29" in on.sheet("drafts"))
        await on.press("enter")  # it decides nothing
        assert len(await waiting(town)) == 3
        await on.press("s")
        await on.said("The reply to Anna is on its way")
        assert first not in await waiting(town)
        await on.press("escape")
        await on_drafts(on, second)
        await on.press("s")
        await on.said("The reply to Ben is on its way")
        assert second not in await waiting(town)
        await on_drafts(on, third)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert third in await waiting(town)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The reply to Cara is dropped")
        await on.until(lambda: tab(on) == "3 Drafts")
        assert "Nothing waits for you." in on.list("drafts")._empty
        await town.deliver()
        assert {contact for contact, _ in town.channel.shown.values()} == {ANNA, BEN}


async def test_marked_drafts_are_sent_together_and_what_may_not_leave_stays(town: Town, screen: OpenScreen) -> None:
    faulty = await held(town, "anna", "I am a doctor", fault="advice")
    others = [await held(town, who, f"to {who}") for who in ("ben", "cara")]
    async with screen() as on:
        await on_drafts(on, faulty, *others)
        assert on.keys("drafts")[0] == faulty  # faults first
        assert "s Send" not in on.hints
        await on.press("space", "space", "space")
        assert "3 marked" in str(on.page("drafts").list_pane.border_title)
        await on.press("s")
        await on.dialog("ConfirmDialog")
        assert "1 other may not leave" in shown(on)
        await on.press("enter")
        await on.closed()
        assert len(await waiting(town)) == 3
        await on.press("s")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.until(lambda: on.keys("drafts") == [faulty])
        assert set(await waiting(town)) == {faulty}
        await on.press("space", "s")
        await on.said("None of these may leave")
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.until(lambda: on.keys("drafts") == [])
    await town.deliver()
    assert {contact for contact, _ in town.channel.shown.values()} == {BEN, CARA}


async def test_a_draft_is_written_anew_and_nothing_typed_is_lost_by_one_key(town: Town, screen: OpenScreen) -> None:
    draft = await held(town, "anna", "as the model said it", fault="advice")
    async with screen(size=(120, 30)) as on:
        await on_drafts(on, draft)
        await on.until(lambda: "your words only" in on.lines("drafts")[0])
        await on.until(lambda: "e Write it yourself   d Drop" in on.sheet("drafts"))
        assert "s Send" not in on.sheet("drafts") + on.hints
        await on.press("s")
        await on.said("It can leave only in your own words")
        await on.press("e")
        await on.dialog("WriteDialog")
        await on.write(" q1?!k")  # the keys of pages are letters here
        await on.press("escape")
        assert "Esc again" in on.text(".keys")
        await on.press("enter", "x")
        area = on.app.screen.query_one(TextArea)
        assert area.text == "as the model said it q1?!k\nx"
        await on.press("ctrl+s")
        await on.said("is in your words and waits")
        assert (await waiting(town))[draft].fault == ""
        await on.until(lambda: "q1?!k" in on.sheet("drafts"))  # what is opened next is what was read last
        await town.control.pause(ANNA, None)
        await on.press("e")
        await on.dialog("WriteDialog")
        await on.pilot.click("#send")
        await on.said("are kept and not sent: local:anna is paused")
        await on.closed()  # a key that comes while the dialog goes is the dialog's
        await town.control.resume(ANNA)
        await on.press("s")
        await on.said("The reply to Anna is on its way")
    await town.deliver()
    assert "".join(text for _, text in town.channel.shown.values()).startswith("as the model said it q1?!k")


async def test_nothing_is_sent_that_the_owner_has_not_seen(town: Town, screen: OpenScreen) -> None:
    first, second = await held(town, "anna", "to anna"), await held(town, "ben", "to ben")
    async with screen() as on:
        await on_drafts(on, first, second)
        page = on.page("drafts")
        before = page.show
        page.show = lambda *_: None  # it has not looked since
        seen = dict(page._views)
        page.read = _nothing
        await town.drafts.edit(first, "other words")
        page._views = seen
        await on.press("s")
        await on.said("was changed meanwhile")
        page.show = before
        del page.read
        await on.until(lambda: "other words" in on.sheet("drafts"))
        await town.drafts.drop(first)
        await on.until(lambda: on.keys("drafts") == [second])
        assert "It is gone" in on.sheet("drafts")  # what was read stays, and says so
        await on.press("s")  # aimed at the draft that was here
        await on.said("The draft that was here is gone")
        assert set(await waiting(town)) == {second}
        await on.until(lambda: "to ben" in on.sheet("drafts"))
        await on.press("e")
        await on.dialog("WriteDialog")
        await on.write("!")
        await town.drafts.drop(second)
        await on.press("ctrl+s")
        await on.said("No draft has that id")
        await on.dialog("WriteDialog")
        assert on.app.screen.query_one(TextArea).text == "to ben!"


async def _nothing(*_: object) -> None:
    """Nothing is read."""


async def test_a_draft_that_a_newer_reply_replaced_says_so(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "first")
    await town.work()
    (old,) = await waiting(town)
    async with screen(size=(140, 40)) as on:
        await on_drafts(on, old)
        await town.writes("anna", "second")
        await town.work()
        await on.until(lambda: old not in on.keys("drafts"))
        await on.until(lambda: "A newer reply took its place." in on.sheet("drafts"))
        await on.press("s")
        await on.said("The draft that was here is gone")
        assert len(await waiting(town)) == 1


async def test_what_a_job_wrote_says_so_and_is_asked_about_twice_behind_newer_words(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    job = await job_desk(town.services).add(JobWish("Sunday call", "write", text="Ask her.", on_call=True, target=ANNA))
    basis = await town.services.jobs.newest_turn(ANNA)
    row = NewRow(
        row_id="d1-0",
        reply_id="d1d1d1d1",
        contact_id=ANNA,
        channel_id="local",
        kind="reply",
        text="Shall I ring?",
        job=job.id,
        basis=basis,
    )
    await town.draft_store.suggest(ANNA, row.reply_id, [row])
    async with screen(size=(120, 30)) as on:
        await on_drafts(on, row.reply_id)
        await on.until(lambda: "from a job" in on.lines("drafts")[0])
        await on.until(lambda: "◷ They wrote nothing; a job began it  Sunday call" in on.sheet("drafts"))
        await town.writes("anna", "I am in hospital")
        await on.until(lambda: "overtaken" in on.lines("drafts")[0])
        for leave in ("escape", "n"):
            await on.press("s")
            await on.dialog("ConfirmDialog")
            assert "by Anna: “I am in hospital”" in " ".join(shown(on).replace("│", " ").split())
            await on.press(leave)
            await on.closed()
        assert set(await waiting(town)) == {row.reply_id}
        await on.press("s")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The reply to Anna is on its way")
    assert await waiting(town) == {}


async def test_what_was_overtaken_a_moment_ago_is_not_sent_by_the_first_key(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    row = NewRow(
        row_id="d1-0", reply_id="d1d1d1d1", contact_id=ANNA, channel_id="local", kind="reply", text="Hi", job="j1", basis=""
    )
    await town.draft_store.suggest(ANNA, row.reply_id, [row])
    async with screen(size=(120, 30)) as on:
        await on_drafts(on, row.reply_id)
        page = on.page("drafts")
        seen = page._views[row.reply_id]
        page._views = {row.reply_id: replace(seen, draft=replace(seen.draft, overtaken=False))}
        before, page.read, page.show = page.show, _nothing, lambda *_: None  # it has not looked since
        await town.writes("anna", "wait")
        await on.press("s")
        await on.said("Something was said in that conversation since")
        page.show = before
        assert set(await waiting(town)) == {row.reply_id}


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_store_going_away_under_a_decision_loses_no_word(town: Town, screen: OpenScreen, size: tuple[int, int]) -> None:
    draft = await held(town, "anna", "to anna")
    async with screen(size=size) as on:
        await on_drafts(on, draft)
        await on.press("e")
        await on.dialog("WriteDialog")
        await on.write(" and more")
        services = on.app.desk.link._services
        on.app.desk.link._services = None
        await on.press("ctrl+s")
        await on.said("does not answer")
        await on.dialog("WriteDialog")
        assert on.app.screen.query_one(TextArea).text == "to anna and more"
        on.app.desk.link._services = services
        await on.press("ctrl+s")
        await on.said("is in your words and waits")
        assert (await waiting(town))[draft].text == "to anna and more"
