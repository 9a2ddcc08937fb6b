"""What somebody who waits wrote first: kept only where the owner wants it, for them alone, as long as the request; and answered on approval."""

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from fakes.town import Town
from fakes.watching import Ear, everything
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.enums import PairingMode, Tier
from secondme.core.errors import NotFoundError, UnavailableError
from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import Admission, Attachment, AttachmentKind, Challenge
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.text import first_line, safe_text

TownWith = Callable[..., Town]
ANNA = ContactId("local:anna")
WORDS = "is the flat still to let?"
FIRST = MessageId("first")


@pytest.fixture
def town(town_with: TownWith) -> Town:
    return town_with(pairing__keep_first_line=True)


async def keeps(town: Town) -> bytes | None:
    kept: bytes | None = await town.store.client.get(keys.first_message(ANNA))
    return kept


async def line_of(town: Town) -> str | None:
    return (await town.pairing.listing()).pending[0].first_line


async def test_by_default_nothing_of_a_strangers_words_is_kept(town_with: TownWith) -> None:
    town = town_with()
    await town.writes("anna", WORDS)
    assert await line_of(town) is None
    assert WORDS not in repr(await everything(town.store.client))
    await town.owner.approve(ANNA)
    assert await town.work() == []


async def test_the_first_line_is_the_owners_alone_to_see(town: Town, ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    await town.writes("anna", f"{WORDS}\nand the garden?", message_id=FIRST)
    await town.writes("anna", "hello???")
    assert await line_of(town) == WORDS
    events = repr(await ear.heard()) + repr(await town.store.client.xrange(keys.EVENTS_LOG))
    assert "flat" not in events
    assert "flat" not in caplog.text
    assert await town.conversation.said(ANNA) == []
    assert "flat" not in "".join(str(each.text) for prompt in town.model.prompts for each in prompt.turns)


async def _deny(town: Town) -> None:
    await town.owner.deny(ANNA)


async def _guess(town: Town) -> None:
    for number in range(5):
        await town.writes("anna", f"00000{number}")


async def _forget(town: Town) -> None:
    await town.services.persons.forget(ANNA, "local")


async def _approve(town: Town) -> None:
    await town.owner.approve(ANNA)


async def _link(town: Town) -> None:
    await town.let_in("ben")
    await town.services.contacts.link("local:ben", ANNA)


@pytest.mark.parametrize("end", [_deny, _guess, _forget, _approve, _link])
async def test_it_is_gone_with_the_request(town: Town, end: Callable[[Town], Awaitable[None]]) -> None:
    await town.writes("anna", WORDS)
    assert await keeps(town)
    await end(town)
    assert await keeps(town) is None


async def test_it_ends_when_the_request_does_and_a_new_one_brings_its_own(town: Town, town_with: TownWith) -> None:
    await town.writes("anna", WORDS)
    client = town.store.client
    assert abs(await client.pexpiretime(keys.first_message(ANNA)) - await client.pexpiretime(keys.pending(ANNA))) < 5
    await client.delete(keys.pending(ANNA))  # it expired, and what it wrote stayed by a fault
    await town.writes("anna", "anybody there?")
    assert await line_of(town) == "anybody there?"
    await client.delete(keys.pending(ANNA))
    await town_with().writes("anna", "switched off meanwhile")
    assert await keeps(town) is None


async def test_on_approval_it_is_answered_once_behind_the_welcome(town: Town) -> None:
    message = town.message("anna", f"{WORDS}\nmore", message_id=FIRST, thread="7")
    await town.gateway.receive(message)
    await town.owner.approve(ANNA)
    await town.owner.approve(ANNA)
    assert await town.gateway.receive(message) is Admission.DUPLICATE  # the channel offers it again
    (mail,) = (await town.services.conversations.detail(ANNA)).mail
    assert (mail.content, mail.message_id, mail.thread, mail.contact_name) == (WORDS, FIRST, "7", "Anna")
    assert await town.work() == ["answered"]
    await town.deliver()
    assert town.channel.texts(ANNA)[1:] == [f"re: {WORDS}"]
    asked = (await town.conversation.said(ANNA))[0]
    assert (asked.type, asked.content) == ("incoming", WORDS)
    assert await town.work() == []


@pytest.mark.parametrize("tier", list(Tier))
async def test_it_is_answered_as_the_tier_says(town: Town, tier: Tier) -> None:
    await town.writes("anna", WORDS)
    await town.owner.approve(ANNA, tier)
    await town.work()
    drafts, _ = await town.drafts.waiting()
    assert len(drafts) == (1 if tier is Tier.RESTRICTED else 0)


async def test_who_is_approved_late_is_answered_all_the_same(town_with: TownWith) -> None:
    town = town_with(pairing__keep_first_line=True, pairing__code_expiration_minutes=1440, pairing__prompt_max_age_minutes=10_000)
    await town.writes("anna", WORDS, sent_at=datetime.now(UTC) - timedelta(hours=20))
    await town.owner.approve(ANNA)
    assert await town.work() == ["answered"]


@pytest.mark.parametrize("how", ["everybody", "kill", "channel"])
async def test_while_nobody_is_answered_it_is_among_what_was_missed(town: Town, how: str) -> None:
    await town.writes("anna", WORDS)
    match how:
        case "everybody":
            await town.control.pause(None, None)
        case "kill":
            await town.control.kill()
        case _:
            await town.control.pause_channel("local")
    await town.owner.approve(ANNA)
    assert await town.work() == []
    assert await town.control.missed(ANNA) == {ANNA: 1}
    await town.control.resume(None, unkill=True)
    await town.control.resume_channel("local")
    await town.control.answer_missed(ANNA)
    assert await town.work() == ["answered"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"text": "", "attachments": (Attachment(AttachmentKind.VOICE, duration_s=12),)}, "[voice message, 12 s]"),
        ({"text": "", "attachments": (Attachment(AttachmentKind.PHOTO),)}, "[photo]"),
        ({"text": "/start"}, "/start"),
    ],
    ids=["voice", "photo", "command"],
)
async def test_what_has_no_words_is_shown_and_not_answered(town: Town, fields: dict[str, object], shown: str) -> None:
    text = str(fields.pop("text"))
    await town.writes("anna", text, **fields)
    assert await line_of(town) == shown
    await town.owner.approve(ANNA)
    assert (await town.work(), await town.conversation.said(ANNA), await keeps(town)) == ([], [], None)


async def test_a_caption_is_answered_as_text(town: Town) -> None:
    await town.writes("anna", "this one?", attachments=(Attachment(AttachmentKind.PHOTO),))
    assert await line_of(town) == "this one?"
    await town.owner.approve(ANNA)
    assert await town.work() == ["answered"]


@pytest.mark.parametrize("way", ["own code", "invite", "link", "same person"])
async def test_every_way_in_answers_it(town_with: TownWith, way: str) -> None:
    town = town_with(pairing__keep_first_line=True, pairing__mode=PairingMode.SELF_VERIFY)
    await town.let_in("ben")
    await town.writes("anna", WORDS)
    request = await town.pairing.find(ANNA)
    assert request is not None
    match way:
        case "own code":
            assert await town.writes("anna", request.code) is Challenge.WELCOMED
        case "invite":
            made = await town.owner.invite("Anna", Tier.STANDARD, timedelta(hours=1))
            assert await town.writes("anna", made.code) is Challenge.WELCOMED
        case "link":
            await town.services.contacts.link("local:ben", ANNA)
        case _:
            await town.owner.approve_as(request.code, ContactId("local:ben"))
    assert "answered" in await town.work()
    await town.deliver()
    assert [text for text in town.channel.texts(ANNA) if text.startswith("re:")] == [f"re: {WORDS}"]


class Dying(Store):
    """A store whose process dies around one script: before it ran, or with its answer on the way back."""

    at = ""

    async def run(self, name: str, *args: object, **of: object) -> object:  # type: ignore[override]  # as the real one
        if name == "approve" and self.at == "before":
            raise UnavailableError("died", "Killed.")
        answer = await super().run(name, *args, **of)  # type: ignore[arg-type]
        if name == "approve" and self.at == "after":
            raise UnavailableError("died", "Killed.")
        return answer


@pytest.mark.parametrize("at", ["before", "after"])
async def test_whoever_dies_while_approving_neither_loses_nor_doubles_it(town: Town, at: str) -> None:
    await town.writes("anna", WORDS, message_id=FIRST)
    store = Dying.__new__(Dying)
    store.__dict__.update(town.store.__dict__)
    real, town.pairing._store, store.at = town.pairing._store, store, at
    with pytest.raises(UnavailableError):
        await town.owner.approve(ANNA)
    assert await town.pairing.is_approved(ANNA) == (at == "after")
    assert bool(await keeps(town)) == (at == "before")
    town.pairing._store = real
    await town.owner.approve(ANNA)
    assert await town.work() == ["answered"]
    await town.deliver()
    assert [text for text in town.channel.texts(ANNA) if text.startswith("re:")] == [f"re: {WORDS}"]


async def test_a_record_that_cannot_be_read_keeps_nobody_out(town: Town) -> None:
    for garbage in ("", "garbage", "[]", "{}", '{"line":7,"id":"x","at":1}', '{"line":"x","id":7,"at":"soon"}'):
        await town.writes("anna", WORDS)
        await town.store.client.set(keys.first_message(ANNA), garbage)
        assert (await town.pairing.listing()).pending[0].contact_id == ANNA
        await town.owner.approve(ANNA)
        assert (await town.work(), await keeps(town)) == ([], None)
        await town.services.persons.forget(ANNA, "local")


async def test_nobody_without_a_request_is_given_words(town: Town) -> None:
    with pytest.raises(NotFoundError):
        await town.owner.approve("123456")
    await town.owner.approve("telegram:4711")
    assert await town.work() == []


HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\x1b\x9b\u202e\u2066\u200b\ufeff\u2028\n\r\t \u0301\u1160👩\u200d👧🏽")),
    max_size=400,
)


@given(HOSTILE)
def test_a_first_line_is_one_bounded_line_that_hides_nothing(text: str) -> None:
    line = first_line(text, 200)
    assert len(line) <= 200
    assert line == safe_text(line) == first_line(line, 200)
    assert line.splitlines() in ([line], [])
    assert json.loads(json.dumps(line)) == line
    if not line:
        assert first_line(text.strip() + "x", 200) or len(text) >= 200 * 20


@pytest.mark.parametrize(
    "text", ["\x1b]0;owned\x07hi", 'a"b\\c', "%s {0} $(id)", "\u202egnp.exe", "[photo]", "x" * 500, "🇩🇪" * 150, "e\u0301" * 300]
)
async def test_hostile_words_reach_the_history_as_they_are_shown(town: Town, text: str) -> None:
    await town.writes("anna", text)
    line = await line_of(town)
    await town.owner.approve(ANNA)
    assert [turn.content for turn in await town.conversation.said(ANNA)] == [line]
    assert await town.work() == ["answered"]
