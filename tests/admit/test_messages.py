"""Attachments, corrections, what a platform replays, and paused channels, on their way through the gate."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from fakes.town import Town
from fakes.watching import everything

from secondme.core.ids import ContactId
from secondme.core.messages import Admission, Attachment, AttachmentKind, Challenge
from secondme.core.records import Burst
from secondme.core.store import keys
from secondme.core.store.history import HistoryStore

ANNA = ContactId("local:anna")
VOICE = Attachment(AttachmentKind.VOICE, "audio/ogg", 4_096, 12, handle="file-1")
PHOTO = Attachment(AttachmentKind.PHOTO, "image/jpeg", handle="file-2")


async def said(town: Town) -> list[str]:
    return [turn.content for turn in await HistoryStore(town.store).recent(ANNA, 100)]


async def test_the_model_is_told_of_what_came_with_a_message(town: Town) -> None:
    await town.let_in("anna")
    assert await town.writes("anna", "", attachments=(VOICE,)) is Admission.QUEUED
    assert await town.writes("anna", "is this you?", attachments=(PHOTO, PHOTO)) is Admission.QUEUED
    assert await town.work() == ["reading"]
    await town.read()
    assert await town.work() == ["answered"]
    unseen = "[photo, could not be looked at]"
    assert town.model.prompts[-1].turns[-1].text == f"[voice message, 12 s]\n{unseen}\n{unseen}\nis this you?"


async def test_the_handle_waits_with_the_message_and_is_in_no_history(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "listen", attachments=(VOICE,), reply_to="q1")
    (token,) = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    assert isinstance(burst, Burst)
    (mail,) = burst.mail
    assert [(each.kind, each.handle, each.reading) for each in mail.attachments] == [(VOICE.kind, VOICE.handle, None)]
    assert mail.reply_to == "q1"
    assert b"file-1" not in b"".join(await town.store.client.zrange(keys.history(ANNA), 0, -1))


async def test_a_strangers_photo_makes_a_request_and_leaves_nothing(town: Town) -> None:
    assert await town.writes("anna", "secret words", attachments=(PHOTO,)) is Challenge.PROMPTED
    found = await everything(town.store.client)
    assert "secret words" not in str(found)
    assert "file-2" not in str(found)


async def test_a_code_as_the_caption_of_a_photo_is_a_code(town: Town) -> None:
    from secondme.core.enums import Tier

    invite = await town.owner.invite("Anna", Tier.STANDARD, timedelta(hours=1))
    assert await town.writes("anna", invite.code, attachments=(PHOTO,)) is Challenge.WELCOMED


async def test_a_message_with_nothing_in_it_is_ignored(town: Town) -> None:
    await town.let_in("anna")
    assert await town.writes("anna", "  ") is Admission.IGNORED


async def test_a_correction_changes_what_waits_and_what_was_said_and_is_not_answered(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "see you at fife", message_id="m-1")
    assert await town.writes("anna", "see you at five", message_id="m-1-edit-1", edit_of="m-1") is Admission.CORRECTED
    assert await said(town) == ["see you at five"]
    assert await town.work() == ["answered"]
    assert town.model.prompts[-1].turns[-1].text == "see you at five"
    await town.deliver()
    replies = len(town.channel.raw)
    assert await town.writes("anna", 'see you at "six" ü🌍\\', message_id="m-1-edit-2", edit_of="m-1") is Admission.CORRECTED
    assert (await said(town))[0] == 'see you at "six" ü🌍\\'
    assert await town.work() == []
    await town.deliver()
    assert len(town.channel.raw) == replies


async def test_a_corrected_turn_keeps_its_place_its_fields_and_their_order(town: Town) -> None:
    await town.let_in("anna")
    for number in range(3):
        await town.writes("anna", f"line {number}", message_id=f"m-{number}")
    before = await town.store.client.zrange(keys.history(ANNA), 0, -1, withscores=True)
    await town.writes("anna", "LINE 1", message_id="e", edit_of="m-1")
    after = await town.store.client.zrange(keys.history(ANNA), 0, -1, withscores=True)
    assert [score for _, score in after] == [score for _, score in before]
    assert [member.replace(b"LINE 1", b"line 1") for member, _ in after] == [member for member, _ in before]
    assert list(json.loads(after[1][0])) == ["id", "role", "content", "timestamp", "type"]


@pytest.mark.parametrize("who", ["a stranger", "an approved contact"])
async def test_a_correction_of_what_nobody_knows_writes_nothing(town: Town, who: str) -> None:
    if who == "an approved contact":
        await town.let_in("anna")
    before = await everything(town.store.client)
    outcome = await town.writes("anna", "new words", message_id="e", edit_of="never-seen")
    assert outcome in {Admission.IGNORED, Admission.STRANGER}
    assert await everything(town.store.client) == before


async def test_the_owners_own_correction_takes_nothing_over(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    outcome = await town.writes("anna", "whatever", from_me=True, edit_of="x", message_id="y")
    assert outcome is Admission.IGNORED
    assert not await town.raw_keys("PAUSE:*")


async def test_nobody_corrects_what_somebody_else_said(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    await town.work()
    await town.deliver()
    ours = next(turn for turn in await HistoryStore(town.store).recent(ANNA, 100) if turn.role == "assistant")
    before = await said(town)
    assert await town.writes("anna", "I owe Anna 100", message_id="e1", edit_of=ours.id) is Admission.IGNORED
    assert await said(town) == before
    assert await town.writes("anna", "I meant this", message_id="e2", edit_of=ours.id, from_me=True) is Admission.CORRECTED
    assert (await said(town))[-1] == "I meant this"


async def test_nobody_is_prompted_for_what_the_platform_replays(town: Town) -> None:
    before = await everything(town.store.client)
    assert await town.writes("anna", "hello?", backlog=True) is Challenge.TOO_OLD
    assert await everything(town.store.client) == before
    await town.let_in("anna")
    assert await town.writes("anna", "hello!", backlog=True) is Admission.QUEUED


async def test_who_is_denied_under_one_id_is_denied_under_every_id_the_platform_vouches_for(town: Town) -> None:
    await town.writes("anna", "hi")
    await town.owner.deny("local:anna")
    assert await town.writes("other", "hi", aliases=(ANNA,)) is Challenge.DENIED
    assert await town.writes("third", "123456", aliases=(ContactId("local:nobody"), ANNA)) is Challenge.DENIED
    assert await town.writes("fourth", "hi", aliases=(ContactId("local:nobody"),)) is Challenge.PROMPTED


async def test_a_paused_channel_keeps_what_is_written_and_answers_nobody(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "before")
    await town.control.pause_channel("local")
    assert await town.writes("anna", "meanwhile") is Admission.PAUSED
    assert await town.work() == ["paused"]
    assert await said(town) == ["before", "meanwhile"]
    assert await town.control.paused_channels(["local", "telegram"]) == {"local"}
    assert await town.control.resume_channel("local")
    assert not await town.control.resume_channel("local")
    await town.store.client.zadd(keys.QUEUE_LATER, {ANNA: 1})
    assert await town.writes("anna", "after") is Admission.QUEUED


async def test_a_reply_on_its_way_becomes_a_draft_when_its_channel_is_paused(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    assert await town.work() == ["answered"]
    await town.control.pause_channel("local")
    await town.deliver()
    assert town.channel.raw == []
    held, _ = await town.draft_store.held()
    assert [each.reason for each in held] == ["paused"]


async def test_a_message_may_carry_only_so_much(town: Town) -> None:
    await town.let_in("anna")
    sent = datetime.now(UTC)
    await town.writes("anna", "x" * 200_000, attachments=(PHOTO,) * 100, sent_at=sent)
    (token,) = await town.tokens()
    burst = await town.inbox.begin(token, "w")
    assert isinstance(burst, Burst)
    assert len(burst.mail[0].content.encode()) <= 64 * 1024
    assert len(burst.mail[0].attachments) == 32
