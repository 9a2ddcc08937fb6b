"""Drafts on the screen: seen at once, read whole, sent, written anew, dropped, and never sent unseen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fakes.screen import Screen, shown
from fakes.town import Town
from textual.widgets import TabbedContent, TextArea

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobWish
from secondme.core.records import NewRow
from secondme.core.send.drafts import Draft
from secondme.job_desk import job_desk

ANNA, BEN = ContactId("local:anna"), ContactId("local:ben")
OpenScreen = Callable[..., Any]


async def held(town: Town, who: str, text: str, fault: str = "") -> str:
    """A draft to this contact, who is let in; its id."""
    contact = ContactId(f"local:{who}")
    if not await town.pairing.is_approved(contact):
        await town.let_in(who)
    return await town.drafts.suggest(contact, "local", text, fault=fault)


async def waiting(town: Town) -> dict[str, Draft]:
    return {draft.id: draft for draft in (await town.drafts.waiting())[0]}


def tab(on: Screen) -> str:
    return str(on.app.query_one(TabbedContent).get_tab("drafts").label)


async def test_a_reply_that_is_held_is_said_counted_and_listed_at_once(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    async with screen(size=(120, 30)) as on:
        assert tab(on) == "7 Drafts"
        await town.writes("anna", "are you coming?")
        await town.work()
        await on.said("A reply to Anna waits for you. Press 7.")
        await on.until(lambda: tab(on) == "7 Drafts 1")
        assert "1 draft" in on.text("#bar")
        await on.press("7")
        await on.until(lambda: len(on.rows("drafts")) == 1)
        who, age, why, job, text = on.rows("drafts")[0]
        assert (who, why, job, text) == ("Anna", "this contact's replies need you", "", "re: are you coming?")
        assert age.endswith(" s")
        said = len(on.toasts)
        await held(town, "anna", "words of mine")
        await on.until(lambda: [row[-1] for row in on.rows("drafts")] == ["re: are you coming?", "words of mine"])
        assert len(on.toasts) <= said  # their page is shown: nothing more is said
        await on.press("1")
        for name in ("ben", "cara", "dora", "emil"):
            await town.let_in(name)
        for name in ("ben", "cara", "dora", "emil"):
            await held(town, name, "hi")
        await on.until(lambda: tab(on).endswith("6"))
        assert 1 <= sum("Press 7" in toast for toast in on.toasts) <= 5


async def test_drafts_are_read_sent_and_dropped(town: Town, screen: OpenScreen) -> None:
    long = "\n\n".join(f"Paragraph {number} of a long answer." for number in range(30))
    first, second, third = [await held(town, who, text) for who, text in (("anna", long), ("ben", "to ben"), ("cara", "to cara"))]
    async with screen() as on:
        await on.press("7")
        await on.until(lambda: len(on.rows("drafts")) == 3)
        await on.press("enter")
        await on.dialog("DraftDialog")
        await on.press("enter", "escape")  # Enter alone decides nothing
        await on.closed()
        assert len(await waiting(town)) == 3
        await on.press("enter")
        await on.dialog("DraftDialog")
        await on.press("s")
        await on.said("The reply to Anna is on its way")
        assert first not in await waiting(town)
        await on.until(lambda: len(on.rows("drafts")) == 2)
        await on.press("s")
        await on.said("The reply to Ben is on its way")
        assert second not in await waiting(town)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("enter")
        await on.closed()
        assert third in await waiting(town)
        await on.press("d")
        await on.dialog("ConfirmDialog")
        await on.press("y")
        await on.said("The reply to Cara is dropped")
        await on.until(lambda: tab(on) == "7 Drafts")
        await town.deliver()
        assert {contact for contact, _ in town.channel.shown.values()} == {ANNA, BEN}


async def test_a_draft_is_written_anew_and_nothing_typed_is_lost_by_one_key(town: Town, screen: OpenScreen) -> None:
    draft = await held(town, "anna", "as the model said it", fault="medical_advice")
    async with screen(size=(120, 30)) as on:
        await on.press("7")
        await on.until(lambda: [row[2] for row in on.rows("drafts")] == ["only in your own words: medical advice"])
        await on.press("s")
        await on.said("It can only leave in your own words")
        await on.press("enter")
        await on.dialog("DraftDialog")
        assert not on.app.screen.query("#send")
        await on.press("s", "e")
        await on.dialog("WriteDialog")
        await on.write(" q1?")  # the keys of pages are letters here
        await on.press("escape")
        assert "Esc again" in on.text(".keys")
        await on.press("enter", "x")
        area = on.app.screen.query_one(TextArea)
        assert area.text == "as the model said it q1?\nx"
        await on.press("ctrl+s")
        await on.said("is in your words and waits")
        assert (await waiting(town))[draft].fault == ""
        await on.until(lambda: "q1?" in on.rows("drafts")[0][-1])  # what is opened next is what was read last
        await town.control.pause(ANNA, None)
        await on.press("e")
        await on.dialog("WriteDialog")
        await on.pilot.click("#send")
        await on.said("are kept and not sent: local:anna is paused")
        await on.closed()  # a key that comes while the dialog goes is the dialog's
        await town.control.resume(ANNA)
        await on.until(lambda: "q1?" in on.rows("drafts")[0][-1])
        await on.press("s")
        await on.said("The reply to Anna is on its way")
    await town.deliver()
    assert "".join(text for _, text in town.channel.shown.values()).startswith("as the model said it q1?")


async def test_nothing_is_sent_that_the_owner_has_not_seen(town: Town, screen: OpenScreen) -> None:
    first, second = await held(town, "anna", "to anna"), await held(town, "ben", "to ben")
    async with screen() as on:
        await on.press("7")
        await on.until(lambda: len(on.rows("drafts")) == 2)
        await on.press("enter")
        await on.dialog("DraftDialog")
        await town.drafts.edit(first, "other words")
        await on.press("s")
        await on.said("was changed meanwhile")
        await on.until(lambda: on.rows("drafts")[0][-1] == "other words")
        await town.drafts.drop(first)
        await on.until(lambda: len(on.rows("drafts")) == 1)
        await on.press("s")  # aimed at the draft that was here
        await on.said("The draft that was here is gone")
        assert set(await waiting(town)) == {second}
        await on.press("e")
        await on.dialog("WriteDialog")
        await on.write("!")
        await town.drafts.drop(second)
        await on.press("ctrl+s")
        await on.said("No draft has that id")
        await on.dialog("WriteDialog")
        assert on.app.screen.query_one(TextArea).text == "to ben!"


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
        await on.press("7")
        await on.until(lambda: [row[3] for row in on.rows("drafts")] == ["Sunday call"])
        assert "overtaken" not in on.rows("drafts")[0][2]
        await town.writes("anna", "I am in hospital")
        await on.until(lambda: on.rows("drafts")[0][2].startswith("overtaken"))
        for leave in ("escape", "n"):
            await on.press("s")
            await on.dialog("ConfirmDialog")
            assert 'by Anna: "I am in hospital"' in " ".join(shown(on).replace("│", " ").split())
            await on.press(leave)
            await on.closed()
        assert set(await waiting(town)) == {row.reply_id}
        await on.press("enter")
        await on.dialog("DraftDialog")
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
        await on.press("7")
        await on.until(lambda: [row[3] for row in on.rows("drafts")] == ["j1"])
        page = on.page("drafts")
        page._drafts = {key: replace(draft, overtaken=False) for key, draft in page._drafts.items()}
        before = page.show
        page.show = lambda *_: None  # it has not looked since
        await town.writes("anna", "wait")
        await on.press("s")
        await on.said("Something was said in that conversation since")
        page.show = before
        assert set(await waiting(town)) == {row.reply_id}
