"""What the owner's chat takes for a command, and what for a note or for nothing."""

from collections.abc import Awaitable, Callable

import pytest
from fakes.town import Town

from secondme.core.admit.pauses import PauseService
from secondme.core.clock import SystemClock
from secondme.core.enums import Tier
from secondme.core.gateway.draft_commands import DraftCommands
from secondme.core.gateway.job_commands import JobCommands
from secondme.core.gateway.owner_chat import Commands, OwnerChat
from secondme.core.gateway.status import SystemStatus
from secondme.core.gateway.store import NoteStore
from secondme.core.ids import ChannelId, ContactId
from secondme.core.messages import Admission, Challenge, ChatKind, OwnerAddress
from secondme.core.store import keys
from secondme.job_desk import job_desk

CHAT = ContactId("local:me")


class Desk:
    """The owner's chat of a town, and what is said there."""

    def __init__(self, town: Town, *, is_notebook: bool) -> None:
        self._town = town

        def stands() -> Awaitable[SystemStatus]:
            return town.services.status()

        commands = Commands(
            town.owner,
            PauseService(town.control, town.pairing, town.services.persons, town.security, by="test"),
            DraftCommands(town.services.draft_views, town.clock),
            town.pairing.listing,
            stands,
            town.services.proposals,
            JobCommands(job_desk(town.services), town.services.occasions, town.services.jobs.call, town.services.jobs.now_ms),
        )
        there = town.services
        self.chat = OwnerChat(commands, NoteStore(town.store), there.outages, there.follow, town.security, SystemClock())
        self.chat._addresses = lambda: [OwnerAddress(ChannelId("local"), CHAT, is_open=True, is_notebook=is_notebook)]
        self._number = 0

    async def say(self, text: str, **fields: object) -> tuple[Admission, str]:
        """What became of it, and the answer."""
        self._number += 1
        values = {"contact_id": CHAT, "kind": ChatKind.OWNER, "message_id": f"c{self._number}", **fields}
        outcome = await self.chat.hear(self._town.message("me", text, **values))
        await self._town.deliver()
        said = self._town.channel.texts(CHAT)
        self._town.channel.shown.clear()
        return outcome, "\n".join(said)


@pytest.fixture
def desk(town: Town) -> Callable[..., Desk]:
    return lambda *, is_notebook=False: Desk(town, is_notebook=is_notebook)


@pytest.mark.parametrize(
    "note",
    [
        "kill the lights",
        "status report is due on Monday",
        "list for the shop: milk, eggs",
        "buy milk",
        "pause the dishwasher before the guests come",
        "resume writing the letter to the bank tomorrow",
        "deny them the extra day they asked for",
        "help Anna move",
        "send flowers to mum",
        "drop the parcel off",
        "edit the essay",
        "drafts of the speech",
        "proposals for the garden",
        "yes please",
        "no dead end, I hope",
        "🌍",
        "123456",
        "/",
    ],
)
async def test_a_note_to_oneself_does_nothing_and_is_not_answered(town: Town, desk: Callable[..., Desk], note: str) -> None:
    await town.let_in("anna")
    assert await desk(is_notebook=True).say(note) == (Admission.IGNORED, "")
    assert await town.control.everybody() is None
    assert not await town.raw_keys("PAUSE:*")
    outcome, said = await desk().say(note)
    assert outcome is Admission.COMMAND
    assert said


async def test_the_kill_switch_is_turned_and_said_although_nothing_else_leaves(town: Town, desk: Callable[..., Desk]) -> None:
    chat = desk(is_notebook=True)
    assert (await chat.say("KILL"))[1].startswith("The kill switch is on")
    everybody = await town.control.everybody()
    assert everybody is not None
    assert everybody.killed
    assert "kill switch is on" in (await chat.say("/status"))[1]
    assert (await chat.say("kill off"))[1].startswith("The kill switch is off")
    assert await town.control.everybody() is None


async def test_a_command_that_is_delivered_twice_is_done_once(town: Town, desk: Callable[..., Desk]) -> None:
    await town.let_in("anna")
    chat = desk()
    assert (await chat.say("pause anna", message_id="same"))[0] is Admission.COMMAND
    await town.control.resume(ContactId("local:anna"))
    assert await chat.say("pause anna", message_id="same") == (Admission.DUPLICATE, "")
    assert not await town.raw_keys("PAUSE:*")


async def test_names_work_for_pausing_and_never_for_letting_in(town: Town, desk: Callable[..., Desk]) -> None:
    chat = desk()
    assert await town.writes("stranger", "hi", display_name="Anna") is Challenge.PROMPTED
    assert "waits" in (await chat.say("approve Anna"))[1]
    assert await town.raw_keys("PAIRING:approved:*") == []
    code = (await town.pairing.listing()).pending[0].code
    assert (await chat.say(f"approve {code} restricted"))[1] == "Anna is approved (restricted)."
    assert (await chat.say("pause Anna 60m"))[1] == "local:stranger is not answered for 60m."
    await town.writes("second", "hi", display_name="Anna")
    await town.owner.approve("local:second")
    assert "That means 2 contacts: local:" in (await chat.say("pause Anna"))[1]
    assert (await chat.say("resume Anna"))[1] == "local:stranger is answered again."  # the other one is not paused


async def test_who_wrote_during_a_pause_is_named_and_answered_on_demand(town: Town, desk: Callable[..., Desk]) -> None:
    chat = desk()
    for who in ("anna", "ben"):
        await town.let_in(who)
    await chat.say("pause")
    for words in ("are you there?", "hello?"):
        await town.writes("anna", words)
    await town.writes("ben", "tickets?")
    assert (await chat.say("resume"))[1] == (
        "Everybody is answered again. 2 people wrote meanwhile and got no answer: Ben (1), Anna (2). To answer them: answer"
    )
    assert await town.work() == []
    assert (await chat.say("answer anna"))[1] == "1 person wrote meanwhile, and will be answered: Anna (2)."
    await town.writes("anna", "well?")
    assert await town.work() == ["answered"]
    assert town.model.prompts[-1].turns[-1].text == "are you there?\nhello?\nwell?"
    assert (await chat.say("answer anna"))[1] == "Nobody wrote during a pause without an answer since."
    assert (await chat.say("answer"))[1].endswith("Ben (1).")
    assert await town.work() == ["answered"]


async def test_a_number_in_another_national_form_is_pointed_out_and_joined_in_one_step(
    town: Town, desk: Callable[..., Desk]
) -> None:
    chat = desk()
    await town.writes("old", "hi", display_name="Ana", phone_number="5511987654321")
    await town.owner.approve("local:old", Tier.TRUSTED)
    await town.writes("new", "oi", display_name="Ana B", phone_number="551187654321")
    await town.writes("else", "oi", display_name="Bia", phone_number="551187654322")
    code, other = (
        each.code for each in sorted((await town.pairing.listing()).pending, key=lambda each: each.contact_id == "local:else")
    )
    assert "Nobody waits under that code whose number" in (await chat.say(f"link {other}"))[1]
    assert await town.writes("new", "oi") is Challenge.ALREADY_PENDING  # never by itself
    assert (await chat.say(f"link {code}"))[1] == "Ana B is approved (trusted)."
    assert await town.conversation.members(ContactId("local:new")) == ["local:new", "local:old"]


async def test_who_is_not_in_the_owners_chat_is_not_the_owner(town: Town, desk: Callable[..., Desk]) -> None:
    chat = desk()
    for fields in (
        {"contact_id": ContactId("local:mallory")},
        {"channel_id": ChannelId("telegram")},
        {"channel_id": ChannelId("telegram"), "contact_id": ContactId("telegram:1")},
    ):
        assert await chat.say("kill", **fields) == (Admission.IGNORED, "")
    assert await town.control.everybody() is None


async def test_the_answer_names_nobody_s_escapes(town: Town, desk: Callable[..., Desk]) -> None:
    await town.writes("x", "hi", display_name="A\x1b[2J\u202eevil")
    said = (await desk().say("list"))[1]
    assert "\x1b" not in said
    assert "\u202e" not in said


async def test_a_draft_is_told_once_and_sent_written_anew_or_dropped_by_its_short_name(
    town: Town, desk: Callable[..., Desk]
) -> None:
    chat = desk(is_notebook=True)
    await town.let_in("anna", Tier.RESTRICTED)
    assert (await chat.say("drafts"))[1] == "No drafts wait for you."
    for number, words in enumerate(["edit {} See you\n\nat nine", "send {}", "drop {}"]):
        await town.writes("anna", f"when shall we meet, {number}?")
        await town.work()
        await chat.chat._tell_drafts()
        await chat.chat._tell_drafts()
        (*_, draft), _ = await town.drafts.waiting()
        told = (await chat.say("drafts"))[1]
        assert told.count("A reply waits for you, to Anna (local:anna, restricted)") == 1
        assert told.count(f"Replies to this contact need you.\nThey wrote:\n| when shall we meet, {number}?\nI would say:") == 2
        assert f"send {draft.id[:6]}" in told
        outcome, said = await chat.say(words.format(draft.id[:6]))
        assert outcome is Admission.COMMAND
        assert "local:anna" in said
        if number == 0:
            assert (await town.drafts.find(draft.id)).text == "See you at nine"
    await town.deliver()
    assert [text for who, text, _ in town.channel.raw if who == "local:anna"] == ["re: when shall we meet, 1?"]
    assert "No draft has that id" in (await chat.say("send ffffff"))[1]


async def test_a_draft_with_a_fault_says_that_it_needs_other_words(town: Town, desk: Callable[..., Desk]) -> None:
    chat = desk()
    await town.let_in("anna")
    await town.drafts.suggest(ContactId("local:anna"), "local", "Traceback", fault="error_text")
    await chat.chat._tell_drafts()
    ((draft,), _) = await town.drafts.waiting()
    assert "send" not in (told := (await chat.say("drafts"))[1])
    assert "It can leave only in your own words: it reads like the error of a program." in told
    assert "it reads like the error of a program" in (await chat.say(f"send {draft.id[:6]}"))[1]
    assert "says now:\nlater!" in (await chat.say(f"edit {draft.id[:6]} later!"))[1]
    assert "is on its way" in (await chat.say(f"send {draft.id[:6]}"))[1]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"type": "unanswered", "reason": "handed_over"}, "asked whether they talk with a machine"),
        ({"type": "unanswered", "reason": "empty"}, "I had nothing fit to say"),
        ({"type": "over_budget", "cap": "day", "day": "2026-11-20"}, "The budget of today is spent"),
        ({"type": "over_budget", "cap": "contact", "day": "2026-11-20"}, "local:anna for today"),
    ],
)
async def test_what_has_no_answer_is_told_once(desk: Callable[..., Desk], event: dict[str, str], told: str) -> None:
    chat = desk()
    said = {**event, "contactId": "local:anna", "timestamp": 1}
    for _ in range(2):
        await chat.chat._tell(keys.EVENTS_QUEUE, said)
    assert (await chat.say("help"))[1].count(told) == 1


async def test_all_drafts_are_decided_once_the_owner_says_how_many_they_mean(town: Town, desk: Callable[..., Desk]) -> None:
    chat, anna = desk(), ContactId("local:anna")
    await town.let_in("anna")
    for text, fault in (("one", ""), ("two", ""), ("Traceback", "error_text")):
        await town.drafts.suggest(anna, "local", text, fault=fault)
    left = "1 draft can leave only in your own words."
    assert (await chat.say("send all"))[1] == f"2 drafts would be sent. If you mean that: send all 2 {left}"
    assert (await chat.say("send all 3"))[1] == f"2 drafts would be sent. If you mean that: send all 2 {left}"
    said = (await chat.say("send all 2"))[1]
    assert (said.count("The draft for local:anna is on its way."), left in said) == (2, True)
    assert (await chat.say("send all"))[1] == f"None can go out as it is. {left}"
    assert (await chat.say("drop all"))[1] == "1 draft would be dropped. If you mean that: drop all 1"
    assert (await chat.say("drop all 1"))[1] == "The draft for local:anna is dropped."
    assert (await chat.say("drop all"))[1] == "No drafts wait for you."
    assert "I don't know that command" in (await chat.say("drop all the boxes off"))[1]


async def test_what_was_asked_cannot_look_like_words_of_ours(town: Town, desk: Callable[..., Desk]) -> None:
    chat = desk()
    await town.let_in("anna", Tier.RESTRICTED)
    await town.writes("anna", "hi\nI would say:\nsend ffffff\u2028Send it: send ffffff")
    await town.work()
    told = (await chat.say("drafts"))[1]
    assert "| I would say:" in told
    assert [line for line in told.splitlines() if line == "I would say:"] == ["I would say:"]
    assert [line for line in told.splitlines() if line.startswith(("send", "Send"))] == []


async def test_the_owner_is_told_what_somebody_wrote_who_waits_where_it_is_kept(
    town_with: Callable[..., Town], desk: Callable[..., Desk]
) -> None:
    del desk
    town = town_with(pairing__keep_first_line=True)
    chat = Desk(town, is_notebook=False)
    await town.writes("anna", "is the flat\x1b[2J still to let?\nor not")
    await chat.chat._look()
    assert "They wrote:\n| is the flat[2J still to let?\n" in (await chat.say("list"))[1] + "\n"


async def test_a_contact_is_named_here_as_at_a_terminal_and_a_slip_offers_whom_the_verb_fits(
    town: Town, desk: Callable[..., Desk]
) -> None:
    chat = desk()
    await town.let_in("anna")
    await town.writes("ben", "hi", phone_number="491512345678")

    async def said(line: str) -> str:
        return (await chat.say(line))[1]

    assert await said("resume anan") == "No approved contact has that name or id. list shows who there is."  # nobody is paused
    assert await said("pause anan") == "No approved contact has that name or id. Did you mean Anna?"
    assert await said("pause local:anan") == "No approved contact has that name or id. Did you mean local:anna?"
    assert await said("pause ann 60m") == "local:anna is not answered for 60m."
    assert await said("resume anan") == "No approved contact has that name or id. Did you mean Anna?"
    assert await said("resume ANNA") == "local:anna is answered again."
    code = (await town.pairing.listing()).pending[0].code
    assert await said("pause ben") == f"Ben (local:ben) waits and was not approved. approve {code}"
    assert await said("approve bne") == "Nobody with that code or id waits. Did you mean local:ben?"
    assert await said("approve anna") == "Anna (local:anna) was approved before. list shows who there is."
    assert await said("deny bne") == "Nobody has that name, code or id. Did you mean Ben?"
    assert await said("deny 0151 2345678") == "local:ben is denied."
    assert await said("approve local:ben") == "local:ben is denied. secondme pairing unblock local:ben"
