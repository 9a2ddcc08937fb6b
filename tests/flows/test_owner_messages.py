"""The owner writes to a contact as themselves: never lost, never twice, and never taken for a second message of theirs when the platform shows it."""

from collections.abc import Callable

import pytest
from fakes.town import Town
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.enums import Tier
from secondme.core.errors import BusyError
from secondme.core.gateway.store import TraceStore
from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import Admission, MessageContent
from secondme.core.send.split import LIMIT, split_where_needed
from secondme.core.send.store import NotTaken, Sending
from secondme.core.store import keys

ANNA = ContactId("local:anna")
TownWith = Callable[..., Town]


async def owns(town: Town) -> list[str]:
    return [turn.content for turn in await town.conversation.said(ANNA) if turn.type == "fromMe"]


async def begun(town: Town, *, collapses: bool = True) -> Sending:
    step = await town.outbox.take(ANNA, "local", "s", collapses=collapses)
    assert isinstance(step, Sending)
    return step


async def lease_ends(town: Town) -> None:
    """Whoever was sending has died long ago."""
    await town.store.client.hset(keys.mailbox(ANNA), "send_until", "1")
    await town.store.client.zadd(keys.outbox_due("local"), {ANNA: 1})


async def echo(town: Town, row: str, text: str) -> object:
    """The platform shows us what was sent from the owner's account."""
    return await town.writes("anna", text, from_me=True, message_id=MessageId(row))


@pytest.mark.parametrize("when", ["sending", "sent", "long after"])
async def test_an_echo_of_what_we_sent_is_no_second_message(town: Town, when: str) -> None:
    await town.let_in("anna")
    (row,) = (await town.services.owner_messages.write(ANNA, "on my way")).row_ids
    sending = await begun(town)
    if when == "sending":
        assert await echo(town, row, "on my way") is Admission.OWN_ECHO
    await town.outbox.sent(sending, row)
    paused = await town.store.client.get(keys.pause(ANNA))
    for _ in range(2 if when == "long after" else 1):
        assert await echo(town, row, "on my way") is Admission.OWN_ECHO
    assert (await owns(town), await town.store.client.get(keys.pause(ANNA))) == (["on my way"], paused)


@pytest.mark.parametrize("collapses", [True, False], ids=["shows an id once", "may show it twice"])
@pytest.mark.parametrize("died", ["before it was taken", "before it was sent", "after it was sent"])
async def test_it_is_neither_lost_nor_sent_twice_whenever_the_sender_dies(town: Town, died: str, collapses: bool) -> None:
    await town.let_in("anna")
    (row,) = (await town.services.owner_messages.write(ANNA, "on my way")).row_ids
    if died != "before it was taken":
        sending = await begun(town, collapses=collapses)
        if died == "after it was sent":
            await town.channel.send(ANNA, MessageContent(sending.row.text), sending.row.row_id)
        await lease_ends(town)
    step = await town.outbox.take(ANNA, "local", "another", collapses=collapses)
    drafts, _ = await town.drafts.waiting()
    if collapses or died == "before it was taken":
        assert isinstance(step, Sending)
        await town.channel.send(
            ANNA, MessageContent(step.row.text), step.row.row_id
        )  # the fake, like a platform that collapses, shows an id once
        await town.outbox.sent(step, row)
        assert (town.channel.texts(ANNA), await owns(town), drafts) == (["on my way"], ["on my way"], [])
    else:
        assert step == NotTaken("held", "ambiguous", 1)
        assert [(draft.text, draft.own, draft.reason) for draft in drafts] == [("on my way", True, "ambiguous")]


async def test_words_of_which_nobody_knew_are_no_draft_any_more_once_the_platform_shows_them(town: Town) -> None:
    await town.let_in("anna")
    (row,) = (await town.services.owner_messages.write(ANNA, "on my way")).row_ids
    await begun(town, collapses=False)
    await lease_ends(town)
    await town.outbox.take(ANNA, "local", "another", collapses=False)
    assert await echo(town, row, "on my way") is Admission.TAKEN_OVER
    assert (await owns(town), (await town.drafts.waiting())[0]) == (["on my way"], [])


async def test_several_leave_in_order_and_a_message_from_the_phone_keeps_those_that_wait(town: Town) -> None:
    await town.let_in("anna")
    for text in ("one", "two"):
        await town.services.owner_messages.write(ANNA, text)
    assert await town.writes("anna", "from the phone", from_me=True) is Admission.TAKEN_OVER
    await town.services.owner_messages.write(ANNA, "three")
    await town.deliver()
    assert town.channel.texts(ANNA) == ["one", "two", "three"]
    assert await owns(town) == ["from the phone", "one", "two", "three"]


async def test_while_one_is_being_sent_the_next_waits_its_turn(town: Town) -> None:
    await town.let_in("anna")
    await town.services.owner_messages.write(ANNA, "one")
    sending = await begun(town)
    due = await town.store.client.zscore(keys.outbox_due("local"), ANNA)
    await town.services.owner_messages.write(ANNA, "two")
    assert await town.store.client.zscore(keys.outbox_due("local"), ANNA) == due
    assert await town.outbox.sent(sending, sending.row.row_id) == "next"
    await town.deliver()
    assert await owns(town) == ["one", "two"]


async def test_what_the_clone_had_to_say_is_dropped_and_what_became_of_its_drafts_is_traced(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "shall we meet?")
    await town.work()
    ((draft,), _) = await town.drafts.waiting()
    await town.writes("anna", "well?")
    await town.services.owner_messages.write(ANNA, "yes, at eight")
    await town.work()
    assert (await town.drafts.waiting())[0] == []
    await town.deliver()
    assert town.channel.texts(ANNA) == ["yes, at eight"]
    last = [each for each in await TraceStore(town.store).of_contact(ANNA) if each.stage == "taken_over"][-1]
    assert last.replies == (draft.id,)
    assert await town.store.client.get(keys.pause(ANNA))


async def test_a_draft_that_the_owner_wrote_anew_stays(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "shall we meet?")
    await town.work()
    ((draft,), _) = await town.drafts.waiting()
    await town.drafts.edit(draft.id, "at nine")
    await town.services.owner_messages.write(ANNA, "hello")
    assert [each.text for each in (await town.drafts.waiting())[0]] == ["at nine"]


async def test_the_kill_switch_that_comes_between_holds_it_and_it_leaves_afterwards(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.services.owner_messages.write(ANNA, "on my way")
    await town.control.kill()
    await town.deliver()
    ((draft,), _) = await town.drafts.waiting()
    assert (draft.own, draft.reason, draft.may_send) == (True, "paused", True)
    with pytest.raises(BusyError):
        await town.drafts.send(draft.id)
    with pytest.raises(BusyError, match="kill switch"):
        await town.services.owner_messages.write(ANNA, "again")
    await town.control.resume(None, unkill=True)
    edited = await town.drafts.edit(draft.id, "I was on my way")
    await town.drafts.send(edited.id)  # the contact is paused by the takeover, which stops the clone alone
    await town.deliver()
    assert (town.channel.texts(ANNA), await owns(town)) == (["I was on my way"], ["I was on my way"])


async def test_what_the_platform_refuses_waits_for_the_owner(town: Town) -> None:
    await town.let_in("anna")
    await town.services.owner_messages.write(ANNA, "on my way")
    assert await town.outbox.retry(await begun(town), delay_s=0, final=True) == "held"
    ((draft,), _) = await town.drafts.waiting()
    assert (draft.text, draft.own, draft.reason) == ("on my way", True, "undeliverable")
    await town.writes("anna", "hello?", from_me=True)
    assert len((await town.drafts.waiting())[0]) == 1


async def test_much_that_has_not_left_is_enough(town: Town) -> None:
    await town.let_in("anna")
    for number in range(50):
        await town.services.owner_messages.write(ANNA, f"{number}")
    with pytest.raises(BusyError, match="have not left"):
        await town.services.owner_messages.write(ANNA, "one more")
    await town.deliver()
    assert len(town.channel.texts(ANNA)) == 50


async def test_it_is_forgotten_by_a_chat_that_forgets(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "shh", expires_s=86_400)
    await town.services.owner_messages.write(ANNA, "ok")
    assert (await begun(town)).row.expires_s in range(86_000, 86_401)


@given(st.text(max_size=300), st.integers(0, 30))
def test_words_are_cut_only_where_a_platform_takes_no_more(text: str, times: int) -> None:
    words = (text * times)[: 4 * LIMIT].encode("utf-8", "ignore").decode()
    parts = split_where_needed(words)
    assert all(0 < len(part.encode("utf-16-le")) // 2 <= LIMIT for part in parts)
    assert "".join("".join(parts).split()) == "".join(words.split())
    if len(words.strip().encode("utf-16-le")) // 2 <= LIMIT:
        assert parts == ([words.strip()] if words.strip() else [])
