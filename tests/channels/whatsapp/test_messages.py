"""Messages through the real device process: the library's own dispatcher in, the gateway's host out."""

import asyncio
from datetime import UTC, datetime

import pytest
from fakes.channel_host import RecordingHost
from fakes.whatsapp_phone import Phone, running
from fakes.whatsapp_protos import (
    EVENT_TO_INT,
    OWN_DEVICE,
    OWN_LID,
    OWN_PHONE,
    PEOPLE,
    e2e,
    from_contact,
    from_owner,
    info,
    jid,
    lid,
    message,
    pb,
    source,
    text,
    to_oneself,
)
from fakes.whatsapp_protos import phone as address

from secondme.core.errors import DataError
from secondme.core.messages import Admission, AttachmentKind, Challenge, ChatKind, InboundMessage, MessageContent, Sent

ENDS = {pb.LoggedOut, pb.StreamReplaced, pb.TemporaryBan, pb.ConnectFailure, pb.ClientOutdated}


async def test_every_event_there_is_crashes_nothing_and_hands_over_nothing(phone: Phone) -> None:
    async with running(phone) as host:
        numbers = [phone.filled(kind) for kind in EVENT_TO_INT if kind not in ENDS]
        await phone.until(lambda: phone.returned >= set(numbers))
        phone.event(pb.Connected(status=True))
        await phone.write("anna", "still there")
        (only,) = await host.heard(1)
        await phone.sync()
    assert len(numbers) + len(ENDS) == len(EVENT_TO_INT) >= 40
    assert only.text == "still there"
    assert host.offered == [only]
    subscribed = phone.named("Neonize")[0]["subscribed"]
    assert EVENT_TO_INT[pb.Message] in subscribed
    assert not {EVENT_TO_INT[pb.HistorySync], EVENT_TO_INT[pb.Receipt]} & set(subscribed), (
        "the library is asked for more than is used"
    )


async def test_a_message_has_its_person_its_aliases_and_its_facts(phone: Phone) -> None:
    at = phone.context.clock.now_ms()
    content = e2e.Message()
    content.audioMessage.PTT, content.audioMessage.seconds, content.audioMessage.fileLength = True, 12, 34_567
    content.audioMessage.mimetype, content.audioMessage.contextInfo.stanzaID = "audio/ogg; codecs=opus", "QUOTED"
    async with running(phone) as host:
        phone.event(message(info(source(lid("anna", 3), lid("anna", 3), SenderAlt=address("anna")), "V1", at, "Anna 🌻"), content))
        (found,) = await host.heard(1)
    assert (found.contact_id, found.phone_number) == ("4915112345678@c.us", "4915112345678")
    assert found.normalized_contact_id == "4915112345678"
    assert found.aliases == ("111222333444555@lid",)
    assert (found.display_name, found.reply_to, found.backlog) == ("Anna 🌻", "QUOTED", False)
    assert found.sent_at == datetime.fromtimestamp(at / 1000, UTC)
    (attachment,) = found.attachments
    assert (attachment.kind, attachment.duration_s, attachment.size_bytes) == (AttachmentKind.VOICE, 12, 34_567)


async def test_a_hidden_number_that_nobody_vouches_for_stays_itself(phone: Phone) -> None:
    phone.facts["lids"] = {"222333444555666": PEOPLE["bert"][0]}
    async with running(phone) as host:
        phone.event(message(info(source(lid("anna"), lid("anna")), "L1"), text("who am I?")))
        phone.event(message(info(source(lid("bert"), lid("bert")), "L2"), text("the store knows me")))
        anna, bert = await host.heard(2)
    assert (anna.contact_id, anna.phone_number, anna.aliases) == ("111222333444555@lid", "", ())
    assert anna.normalized_contact_id == "111222333444555@lid"
    assert (bert.contact_id, bert.aliases) == ("4917098765432@c.us", ("222333444555666@lid",))


async def test_edits_arrive_as_corrections_and_groups_not_at_all(phone: Phone) -> None:
    edit = e2e.Message()
    edit.editedMessage.message.protocolMessage.type = 14
    edit.editedMessage.message.protocolMessage.key.ID = "FIRST"
    edit.editedMessage.message.protocolMessage.editedMessage.conversation = "corrected"
    async with running(phone) as host:
        phone.event(message(info(source(jid("1203630", "g.us"), address("anna"), IsGroup=True), "G1"), text("in a group")))
        phone.event(message(info(source(jid("status", "broadcast"), address("anna")), "G2"), text("a status")))
        phone.event(message(info(source(address("anna"), address("anna")), "E1"), edit))
        (found,) = await host.heard(1)
        await phone.sync()
    assert (found.text, found.edit_of) == ("corrected", "FIRST")
    assert len(host.offered) == 1


async def test_what_was_sent_before_we_listened_is_backlog(phone: Phone) -> None:
    now = phone.context.clock.now_ms()
    async with running(phone) as host:
        phone.event(from_contact("anna", "old", "B1", at=now - 600_000))
        phone.filled(pb.OfflineSyncPreview)
        phone.event(from_contact("anna", "replayed", "B2", at=now))
        phone.filled(pb.OfflineSyncCompleted)
        phone.event(from_contact("anna", "live", "B3", at=now))
        messages = await host.heard(3)
    assert [(found.text, found.backlog) for found in messages] == [("old", True), ("replayed", True), ("live", False)]


async def test_what_the_owner_writes_on_the_phone_is_theirs_and_our_own_echo_is_dropped(phone: Phone) -> None:
    async with running(phone) as host:
        sent = await phone.channel.send(phone.contact_id("anna"), MessageContent("from the clone"), "row-1")
        assert isinstance(sent, Sent)
        phone.event(from_owner("anna", "from the clone", sent.native_id, device=7))  # our id, whatever device it names
        phone.event(from_owner("anna", "from the clone", "UNKNOWN", device=OWN_DEVICE))  # our device, whatever id
        phone.event(from_owner("anna", "from my phone", "OWN1", device=0))
        phone.event(from_owner("anna", "from my laptop", "OWN2", device=7))
        messages = await host.heard(2)
        await phone.sync()
    assert [(found.text, found.from_me, found.kind) for found in messages] == [
        ("from my phone", True, ChatKind.DIRECT),
        ("from my laptop", True, ChatKind.DIRECT),
    ]
    assert {found.contact_id for found in messages} == {phone.contact_id("anna")}
    assert len(host.offered) == 2


async def test_an_echo_that_comes_before_its_send_returns_is_waited_for(phone: Phone) -> None:
    phone.facts["next_id"] = "EARLY"
    async with running(phone) as host:
        await phone.hold("SendMessage")
        sending = asyncio.create_task(phone.channel.send(phone.contact_id("anna"), MessageContent("slow"), "row-1"))
        await phone.until(lambda: phone.named("SendMessage"))
        echo = phone.event(from_owner("anna", "slow", "EARLY", device=7))
        await asyncio.sleep(0.1)
        await phone.sync()
        assert echo not in phone.returned, "it was judged before anybody knew the id"
        phone.order(do="release", name="SendMessage")
        assert await sending == Sent("EARLY")
        await phone.write("anna", "after it")
        (found,) = await host.heard(1)
    assert found.text == "after it"
    assert len(host.offered) == 1


async def test_the_owners_messages_to_themselves_are_the_owners_chat(phone: Phone) -> None:
    own_lid = source(jid(OWN_LID, "lid"), jid(OWN_LID, "lid"), IsFromMe=True, RecipientAlt=jid(OWN_PHONE))
    async with running(phone) as host:
        phone.event(to_oneself("status", "S1"))
        phone.event(message(info(own_lid, "S2"), text("pause all")))
        phone.event(to_oneself("what we said there ourselves", "S3", device=OWN_DEVICE))
        messages = await host.heard(2)
        await phone.sync()
    assert [(found.text, found.kind, found.contact_id) for found in messages] == [
        ("status", ChatKind.OWNER, f"{OWN_PHONE}@c.us"),
        ("pause all", ChatKind.OWNER, f"{OWN_PHONE}@c.us"),
    ]
    assert phone.channel.owner_chat == f"{OWN_PHONE}@c.us"
    assert len(host.offered) == 2


async def test_a_message_that_the_line_cannot_take_as_it_is_does_not_hold_up_the_next(phone: Phone) -> None:
    class Picky(RecordingHost):
        async def receive(self, message: InboundMessage) -> Admission | Challenge:
            if message.text == "bad":
                raise DataError("bad", "No.")
            return await super().receive(message)

    async with running(phone, Picky()) as host:
        await phone.write("anna", "bad")
        await phone.write("anna", "good")
        assert [found.text for found in await host.heard(1)] == ["good"]


async def test_a_persons_message_that_cannot_be_decrypted_is_noted_and_a_groups_is_not(
    phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(phone) as host:
        for place in (source(address("anna"), address("anna")), source(jid("1203630", "g.us"), address("anna"), IsGroup=True)):
            phone.event(pb.UndecryptableMessage(Info=info(place), IsUnavailable=False, DecryptFailMode=1))
        await phone.write("anna", "readable")
        assert [found.text for found in await host.heard(1)] == ["readable"]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["whatsapp_message_lost"]


async def test_what_was_taken_back_and_what_was_sent_as_one_is_said(phone: Phone) -> None:
    at = phone.context.clock.now_ms()
    announced, picture, taken_back = e2e.Message(), e2e.Message(), e2e.Message()
    announced.albumMessage.expectedImageCount = 2
    picture.imageMessage.mimetype = "image/jpeg"
    claimed = e2e.Message()
    claimed.CopyFrom(picture)
    claimed.messageContextInfo.messageAssociation.parentMessageKey.ID = "ALBUM2"
    taken_back.protocolMessage.type, taken_back.protocolMessage.key.ID = 0, "P1"
    async with running(phone) as host:
        for name, content in (
            ("ALBUM", announced),
            ("P1", picture),
            ("P2", picture),
            ("P3", picture),
            ("P4", claimed),
            ("R", taken_back),
        ):
            phone.event(message(info(source(address("anna"), address("anna")), name, at), content))
        found = await host.heard(5)
    assert [(each.message_id, each.album, each.revokes) for each in found] == [
        ("P1", "ALBUM", ""),
        ("P2", "ALBUM", ""),
        ("P3", "", ""),
        ("P4", "ALBUM2", ""),
        ("R", "", "P1"),
    ]


async def test_a_reply_disappears_with_its_chat(phone: Phone) -> None:
    async with running(phone):
        sent = await phone.channel.send(phone.contact_id("anna"), MessageContent("hi", expires_s=604_800), "c1")
        assert isinstance(sent, Sent)
    (call,) = phone.named("SendMessage")
    assert (call["text"], call["expires"]) == ("hi", 604_800)
