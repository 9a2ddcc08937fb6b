"""The whole way of a message, through every real room."""

from fakes.town import Town

from secondme.core.enums import Tier
from secondme.core.messages import Admission, Challenge


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
