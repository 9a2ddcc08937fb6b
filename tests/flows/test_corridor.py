"""The whole way of a message, through every real room."""

import itertools
import re
from collections.abc import Callable

import pytest
from fakes.town import Town

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Challenge, Utterance
from secondme.core.records import Burst
from secondme.core.send.store import NotTaken, Sending

ANNA = ContactId("local:anna")


async def test_a_stranger_is_prompted_ignored_let_in_and_then_answered(town: Town) -> None:
    assert await town.writes("anna", "hi there") is Challenge.PROMPTED
    assert await town.writes("anna", "are you there?") is Challenge.ALREADY_PENDING
    await town.deliver()
    (prompt,) = town.channel.texts("local:anna")
    listing = await town.pairing.listing()
    assert listing.pending[0].code in prompt
    assert await town.raw_keys("HISTORY:*") == await town.raw_keys("INBOX:*") == []
    await town.owner.approve(listing.pending[0].code)
    assert await town.writes("anna", "how are you") is Admission.QUEUED
    assert await town.work() == ["answered"]
    await town.deliver()
    assert town.channel.texts("local:anna")[1:] == ["Welcome! You can now chat with me.", "re: how are you"]
    turns = await town.conversation.recent("local:anna", 10)
    assert [(turn.role, turn.content) for turn in turns] == [("user", "how are you"), ("assistant", "re: how are you")]


async def test_a_burst_gets_one_reply(town: Town) -> None:
    await town.let_in("anna")
    for text in ("one", "two", "three"):
        assert await town.writes("anna", text) is Admission.QUEUED
    assert await town.work() == ["answered"]
    await town.deliver()
    assert town.channel.texts("local:anna") == ["re: three"]
    assert town.model.prompts[0].turns[-1].text == "one\ntwo\nthree"


async def test_a_restricted_contacts_reply_is_held_until_the_owner_sends_it(town: Town) -> None:
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "hi")
    await town.work()
    assert await town.deliver() == []
    (held,), corrupt = await town.draft_store.held()
    assert (held.reason, held.row.text, corrupt) == ("tier", "re: hi", [])
    await town.drafts.send(held.row.reply_id)
    assert await town.deliver() == ["sent"]
    assert town.channel.texts("local:anna") == ["re: hi"]


async def test_a_reply_on_its_way_is_part_of_the_conversation_that_the_next_one_continues(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "one")
    await town.work()
    await town.writes("anna", "two")
    await town.work()
    assert [(turn.role, turn.text) for turn in town.model.prompts[1].turns] == [
        ("user", "one"),
        ("assistant", "re: one"),
        ("user", "two"),
    ]


@pytest.mark.parametrize(("waiting", "history", "failures"), itertools.product((1, 41, 95, 199), (1, 40, 100), (0, 3)))
async def test_no_prompt_shows_what_gets_an_answer_of_its_own_later(
    town_with: Callable[..., Town], waiting: int, history: int, failures: int
) -> None:
    town = town_with(limits__messages=1000, model__history_turns=history)
    await town.let_in("anna")
    for number in range(waiting):
        assert await town.writes("anna", f"question q{number:03d}?") is Admission.QUEUED
    for _ in range(failures):  # from the third attempt on each message is a burst of its own
        (token,) = await town.tokens()
        burst = await town.inbox.begin(token, "w")
        assert isinstance(burst, Burst)
        await town.inbox.defer(token, "w", burst.fence, delay_s=0, reason="error", forgive=False)
    while await town.work() == ["answered"]:
        await town.deliver()
    bursts = [set(re.findall(r"q\d{3}", prompt.turns[-1].text)) for prompt in town.model.prompts]
    assert sorted(itertools.chain(*bursts)) == [f"q{number:03d}" for number in range(waiting)]
    for at, prompt in enumerate(town.model.prompts):
        shown = set(re.findall(r"q\d{3}", "".join(turn.text for turn in prompt.turns[:-1] if turn.role == "user")))
        assert shown <= set().union(*bursts[:at])


async def test_a_reply_that_may_have_arrived_is_part_of_the_conversation_that_the_next_one_continues(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "dinner tonight?")
    await town.work()
    row = await town.outbox.take(ANNA, "local", "one that dies")
    assert isinstance(row, Sending)
    await town.store.client.hset("MAILBOX:local:anna", "send_until", 1)
    await town.store.client.zadd("OUTBOX:due:local", {ANNA: 1})
    held = await town.outbox.take(ANNA, "local", "another", collapses=False)
    assert isinstance(held, NotTaken)
    assert (held.why, held.reason) == ("held", "ambiguous")
    await town.writes("anna", "and bring wine please")
    await town.work()
    assert town.model.prompts[-1].turns == (
        Utterance("user", "dinner tonight?"),
        Utterance("assistant", "[may not have arrived] re: dinner tonight?"),
        Utterance("user", "and bring wine please"),
    )
