"""The phone page, driven by taps in a real browser beside a real gateway: what was decided stands in the store, and nothing else happens."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from fakes.browser import BINARY
from fakes.phone import House, Phone, house, phone
from fakes.process import GatewayProcess, contact, eventually, knock, let_in, until
from fakes.screen import HOSTILE

from secondme.channels.local.protocol import contact_of
from secondme.core.admit.control_store import EverybodyPaused
from secondme.core.enums import Tier
from secondme.core.records import Turn
from secondme.core.store.client import Store
from secondme.core.store.server import Role

pytestmark = pytest.mark.heavy  # a gateway, the server of its pages and a browser each time


@pytest.fixture(scope="module", autouse=True)
def _chromium() -> None:
    if BINARY is None:
        said = "needs Chromium: apt-get install chromium"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)


@pytest.fixture(scope="module")
def home_of_many() -> Iterator[House]:
    """One for all tests that leave the gateway alone; each has people of its own."""
    with house() as running:
        yield running


async def knocked(there: House, *names: str) -> None:
    async with Store(there.setup, Role.BORROW) as store:
        for name in names:
            await knock(store, there.setup, name)


async def states(there: House) -> dict[str, str]:
    """Contact -> its tier, or `pending` or `denied`."""
    async with there.services() as services:
        listing = await services.pairing_store.listing()
    found = {each.contact_id.removeprefix("local:"): each.tier.value for each in listing.approved}
    found |= {each.contact_id.removeprefix("local:"): "pending" for each in listing.pending}
    return found | {each.contact_id.removeprefix("local:"): "denied" for each in listing.denied}


async def drafts(there: House, name: str) -> list[tuple[str, ...]]:
    async with there.services() as services:
        waiting, _ = await services.drafts.waiting()
    return [draft.texts for draft in waiting if draft.contact_id == contact_of(name)]


async def stopped(there: House) -> EverybodyPaused | None:
    async with there.services() as services:
        return await services.control.everybody()


async def said(there: House, name: str) -> list[Turn]:
    async with there.services() as services:
        return list(await services.history.said(contact_of(name)))


def fine(there: House, page: Phone) -> None:
    """Nothing of another place was asked for, and the browser complained of nothing: no script of anybody, no breach of the policy."""
    hosts = {re.sub(r"(?<=[^/:])/.*", "", url) for url in page.browser.requests}
    assert hosts == {there.web.origin}
    assert page.browser.errors == []


async def test_people_are_approved_and_denied_by_taps_and_a_denial_can_be_undone(home_of_many: House) -> None:
    there = home_of_many
    await knocked(there, "anna", "ben", "carl", "dora")
    async with phone(there) as page:
        await page.tap("Approve…", "anna")
        await page.shows("Approve anna?")
        assert (await states(there))["anna"] == "pending"  # opening it decided nothing
        await page.tap("Cancel")
        await page.tap("Approve…", "anna")
        await page.tap("Trusted")
        await page.shows("Approved as trusted.")
        await page.tap("Deny", "ben")
        await page.tap("Deny", "carl")
        await page.tap("Undo", "ben")
        await page.shows("Denied.")
        await eventually(lambda: _is(there, anna="trusted", ben="pending", carl="denied", dora="pending"))
        await page.tap_and_leave("Deny", "dora")  # gone before it was sent: it is not sent
        await page.shows("you left the page")
        await asyncio.sleep(0)
        assert await _is(there, dora="pending")
        fine(there, page)


async def _is(there: House, **wanted: str) -> bool:
    now = await states(there)
    return all(now.get(name) == state for name, state in wanted.items())


async def test_drafts_are_sent_written_anew_and_dropped_and_what_they_answer_stands_beside_them(home_of_many: House) -> None:
    there = home_of_many
    await there.asks("rita", "did the chairs arrive?")
    await let_in(there.setup, "sam", "tom", "uwe")
    await there.draft("sam", "see you at nine")
    await there.draft("tom", "you should sell the shares", fault="advice")
    await there.draft("uwe", "first words")
    async with (
        phone(there) as page,
        contact(there.home, "rita") as rita,
        contact(there.home, "sam") as sam,
        contact(there.home, "tom") as tom,
    ):
        await page.tab("drafts")
        await page.shows("did the chairs arrive?")
        (answer,) = (await drafts(there, "rita"))[0]
        await page.tap("Send", "did the chairs arrive?")
        assert [event.text for event in await until(rita, "message")] == [answer]
        await page.tap("Edit", "see you at nine")
        await page.write("see you at ten")
        await page.tap("Send", "In your own words")
        assert [event.text for event in await until(sam, "message")] == ["see you at ten"]
        card = "[...document.querySelectorAll('.card')].find(card => card.innerText.includes('sell the shares')).innerText"
        assert "\nSend\n" not in await page.browser.evaluate(card)  # a fault leaves only in the owner's own words
        await page.tap("Write it yourself", "sell the shares")
        await page.write("ask your bank")
        await page.tap("Save", "In your own words")
        await page.shows("It still waits.")
        assert await drafts(there, "tom") == [("ask your bank",)]
        await page.shows("ask your bank")
        await page.browser.evaluate(_TWICE)
        assert [event.text for event in await until(tom, "message")] == ["ask your bank"]
        await page.hides("ask your bank")  # what stands below it moves up, and a finger would miss it
        await page.tap("Drop", "first words")
        await page.tap("Undo", "first words")
        assert await drafts(there, "uwe") == [("first words",)]
        await page.tap("Drop", "first words")
        await page.hides("first words")
        assert await drafts(there, "uwe") == []
        sent = Counter(url.rpartition("/drafts/")[2] for url in page.browser.requests if url.endswith("/send"))
        assert set(sent.values()) == {1}
        assert len(sent) == 3
        fine(there, page)


async def test_words_of_the_owner_are_neither_lost_nor_sent_as_another_than_was_read(home_of_many: House) -> None:
    there = home_of_many
    await let_in(there.setup, "vera", "will")
    await there.draft("vera", "old words")
    other = await there.draft("will", "what was read")
    async with phone(there) as page, there.services() as services:
        await page.tab("drafts")
        await page.tap("Edit", "old words")
        await page.write("half a sent")
        await there.draft("will", "something more")  # a look at the lists draws anew
        await page.shows("something more")
        await page.browser.type("ence")
        await page.tab("switches")
        await page.tab("drafts")
        assert await page.browser.evaluate("document.querySelector('main textarea').value") == "half a sentence"
        await page.browser.call("Page.reload")
        await page.tap("Edit", "old words")
        assert await page.browser.evaluate("document.querySelector('main textarea').value") == "half a sentence"
        (vera,) = [draft for draft in (await services.drafts.waiting())[0] if draft.contact_id == contact_of("vera")]
        await services.drafts.drop(vera.id)
        await knocked(there, "yuri")  # that something happened is told
        await page.shows("This draft is gone")
        await page.tap("Take them to the chat")
        await eventually(lambda: page.browser.evaluate("document.querySelector('.composer textarea')?.value === 'half a sentence'"))
        await page.tab("drafts")
        await page.browser.evaluate(_SLOW)
        await services.drafts.edit(other, "what was not read")
        await page.tap("Send", "what was read")
        await page.shows("It says something else by now.")
        assert ("what was not read",) in await drafts(there, "will")


_TWICE = """(() => {
  const card = [...document.querySelectorAll(".card")].find((each) => each.innerText.includes("ask your bank"));
  const send = [...card.querySelectorAll("button")].find((each) => each.innerText === "Send");
  send.click();
  send.click();
})()"""
_SLOW = """(async () => {
  const real = fetch, url = (given) => String(given[0]), old = await (await real(new URL("../api/drafts", location.href))).text();
  let isFresh = false;
  window.fetch = (...given) => !isFresh && url(given).endsWith("/drafts")
    ? Promise.resolve(new Response(old, { headers: { "Content-Type": "application/json" } })) : real(...given);
  addEventListener("click", () => { isFresh = true; }, true);
})()"""
"""Until the next tap the page shows the drafts as they were."""


async def test_in_a_chat_the_owner_writes_as_themselves_once(home_of_many: House) -> None:
    there = home_of_many
    await let_in(there.setup, "xena")
    async with phone(there, 360, 640, "light") as page, contact(there.home, "xena") as xena:
        for number in range(3):
            xena.say(f"question {number}")
            await until(xena, "message")
        await page.tab("chats")
        await page.tap("xena")
        await page.shows("question 2")
        await page.write("it is me <b>now</b>")
        await page.shows("stays out of it for 60 minutes")
        await page.browser.evaluate(_LOSSY)
        await page.tap("Send")
        assert [event.text for event in await until(xena, "message")] == ["it is me <b>now</b>"]
        await page.shows("Look before you try again.")
        await page.tap("Send")  # the same words by the same key
        await eventually(lambda: page.browser.evaluate("document.querySelector('.composer textarea').value === ''"))
        turns = await eventually(lambda: _own(there, "xena"))
        assert [turn.content for turn in turns] == ["it is me <b>now</b>"]
        await page.shows("your clone is silent here")
        await page.tap("Answer again")
        await page.hides("your clone is silent here")
        assert await page.browser.evaluate("document.querySelector('.composer textarea').value") == ""
        fine(there, page)


_LOSSY = """(() => {
  const real = fetch;
  window.fetch = async (...given) => {
    const answer = await real(...given);
    if (given[1]?.method !== "POST") return answer;
    window.fetch = real;
    throw new TypeError("cut");
  };
})()"""
"""The answer to the next decision is lost on its way."""


async def _own(there: House, name: str) -> list[Turn]:
    return [turn for turn in await said(there, name) if turn.type == "fromMe"]


async def test_everything_is_stopped_by_two_taps_and_begun_again(home_of_many: House) -> None:
    there = home_of_many
    async with phone(there) as page:
        await page.browser.tap("document.getElementById('stop')")
        await page.shows("Stop what?")
        assert await page.browser.evaluate("document.activeElement.innerText") == "Stop nothing"
        await page.tap("Stop nothing")
        assert await stopped(there) is None
        await page.browser.tap("document.getElementById('stop')")
        await page.tap("Pause everybody for 1 hour")
        await eventually(
            lambda: page.browser.evaluate(r"/^❚❚\s*paused\s*(59:|1 h)/.test(document.getElementById('state').innerText)")
        )
        everybody = await stopped(there)
        assert everybody is not None
        assert not everybody.killed
        await page.tab("switches")
        await page.tap("Answering")
        await page.shows("answering")
        assert await stopped(there) is None
        await page.tap("Answering")
        await page.tap("Until you switch it on again")
        await page.shows("Paused until you switch it on")
        await page.browser.tap("document.getElementById('stop')")
        await page.tap("Kill switch: send nothing")
        await page.shows("KILL SWITCH ON")
        everybody = await stopped(there)
        assert everybody is not None
        assert everybody.killed
        await page.tap("Lift the kill switch…")
        await page.tap("Cancel")
        assert await stopped(there) == everybody
        await page.tap("Lift the kill switch…")
        await page.tap("Lift it")
        await page.shows("answering")
        assert await stopped(there) is None
        await _a_channel_and_an_invite(there, page)
        fine(there, page)


async def _a_channel_and_an_invite(there: House, page: Phone) -> None:
    async with there.services() as services:
        await page.tap("Local terminal")
        await page.shows("what they write is kept")
        assert [facts.id for facts in (await services.status()).channels if facts.paused] == ["local"]
        await page.tap("Local terminal")
        await page.shows("connected")
        assert not any(facts.paused for facts in (await services.status()).channels)
        await page.tap("Invite…")
        await page.write("Mum <i>")
        await page.tap("Make a code")
        await page.shows("For Mum <i>")
        (made,) = (await services.pairing_store.listing()).invites
        assert (made.name, made.tier) == ("Mum <i>", Tier.STANDARD)
        await page.shows(f"{made.code[:3]} {made.code[3:]}")
        await page.tap("Done")
        await page.tap("Cancel invite")
        await page.shows("0 open")
        assert (await services.pairing_store.listing()).invites == []


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "dark"), (360, 640, "light")])
async def test_whatever_people_are_called_and_write_is_text_and_fits(
    home_of_many: House, width: int, height: int, scheme: str
) -> None:
    there = home_of_many
    names = ["<img src=x onerror=alert(1)>", f"{width}W" + "W" * 60, "\u202egnilgnats\u202c " + scheme, "x" * 9 + "表" * 30]
    async with Store(there.setup, Role.BORROW) as store:
        for name in names:
            await knock(store, there.setup, name)
    await let_in(there.setup, f"long{width}")
    async with contact(there.home, f"long{width}") as client:
        client.say("<img src=x onerror=document.title='in'>" + "A" * 10_000)
        await until(client, "accepted")
        await eventually(lambda: drafts(there, f"long{width}"))  # a reply takes the place of what was ordered
    await there.draft(f"long{width}", "W" * 9_000 + " " + "".join(HOSTILE) + "<script>document.title='in'</script>")
    async with phone(there, width, height, scheme) as page:
        await page.shows("<img src=x onerror")
        for tab in ("waiting", "drafts", "chats", "switches"):
            await page.tab(tab)
            await page.shows("secondme")
            assert (tab, await page.sideways(), await page.small()) == (tab, 0, [])
        await page.tab("drafts")
        await page.tap("Edit", f"long{width}")
        assert (await page.sideways(), await page.small()) == (0, [])
        await page.tab("chats")
        await page.tap(f"long{width}")
        await page.shows("Show all of it")
        assert (await page.sideways(), await page.small()) == (0, [])
        await page.tab("waiting")
        await page.tap("Approve…", "WWWW")
        assert (await page.sideways(), await page.small()) == (0, [])
        assert (
            await page.browser.evaluate("[document.title, document.images.length, document.scripts.length].join()")
            == "secondme,0,1"
        )
        ground = await page.browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert ground == {"dark": "rgb(16, 20, 26)", "light": "rgb(243, 240, 233)"}[scheme]
        await page.browser.prefer(scheme, prefers_reduced_motion="reduce", prefers_contrast="more")
        assert await page.browser.evaluate(
            "getComputedStyle(document.querySelector('.about')).color"
        ) == await page.browser.evaluate("getComputedStyle(document.body).color")
        fine(there, page)


async def test_offline_and_without_a_gateway_nothing_is_decided_nothing_is_lost_and_it_comes_back_by_itself() -> None:
    with house() as there:
        await knocked(there, "anna")
        await let_in(there.setup, "ben")
        await there.draft("ben", "a draft")
        async with phone(there, 360, 640) as page:
            await page.shows("anna")
            await page.tab("drafts")
            await page.tap("Edit", "a draft")
            await page.write("typed before")
            await page.browser.go_offline()
            await page.shows("You are offline.")
            await page.tap("Send", "In your own words")
            await eventually(
                lambda: page.browser.evaluate("document.querySelector('.trouble')?.innerText.startsWith('You are offline.')")
            )
            assert await drafts(there, "ben") == [("a draft",)]
            await page.browser.go_offline(is_offline=False)
            await page.shows("answering")
            there.gateway.close()
            await page.shows("No gateway runs, so nobody is answered. Start it: secondme serve")
            await page.tap("Send", "In your own words")
            await eventually(
                lambda: page.browser.evaluate("document.querySelector('.trouble')?.innerText.includes('No gateway runs')")
            )
            page.browser.errors.clear()  # that an answer is missing is what they say
            with GatewayProcess(there.home) as gateway:
                gateway.hears()
                await page.shows("answering")
                assert await page.browser.evaluate("document.querySelector('main textarea').value") == "typed before"
                await page.tap("Save", "In your own words")
                await page.shows("It still waits.")
                assert await drafts(there, "ben") == [("typed before",)]
                await page.tab("waiting")
                await knocked(there, "carl")
                await page.shows("carl")  # by the event
                there.web.process.terminate()
                there.web.process.wait()
                await page.shows("The way to your computer is cut.")


async def test_the_link_opens_the_page_once_and_each_page_leads_to_the_other(home_of_many: House) -> None:
    there = home_of_many
    async with phone(there) as page:
        browser = page.browser
        assert await browser.open(there.web.phone_link) == 200
        await page.shows("answering")
        assert (await browser.evaluate("location.pathname")) == f"{there.web.path}/phone/"
        assert await browser.open(there.web.phone_link) == 403
        assert await browser.open(f"{there.web.origin}{there.web.path}/") == 200
        await eventually(
            lambda: browser.evaluate(
                "document.querySelector('.to-phone')?.click() === undefined && location.pathname.endsWith('/phone/')"
            )
        )
        await page.shows("answering")
        await page.tab("switches")
        await page.shows("The whole screen")
        assert await browser.evaluate("document.querySelector('a.link').href") == f"{there.web.origin}{there.web.path}/"
