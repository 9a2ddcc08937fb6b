"""The owner's own chat, through a whole gateway: what its commands do and answer, what the owner is told, and that nobody else commands."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.bot_api import BotApi, bot_api
from fakes.bot_api_rig import OWNER, context_of
from fakes.bot_api_updates import elsewhere, person, private, update
from fakes.channel import FakeChannel
from fakes.house import House, house
from fakes.process import eventually
from fakes.town import Town
from fakes.watching import by_approval, everything

from secondme.channels.telegram.manifest import MANIFEST as TELEGRAM
from secondme.channels.telegram.setup import build
from secondme.core.channel_manifest import Manifest
from secondme.core.channel_plugin import ChannelFactory
from secondme.core.clock import SystemClock
from secondme.core.enums import Tier
from secondme.core.errors import CredentialsError
from secondme.core.gateway.gateway import Part
from secondme.core.ids import ChannelId, ContactId, MessageId
from secondme.core.messages import Admission, Challenge, ChannelState, ChatKind, Composed, InboundMessage
from secondme.core.ports import ChannelHost
from secondme.core.store import keys

CHAT = ContactId("local:owner")
TOLD_WITHIN_S = 20.0
"""Far beyond the second that it takes."""
CODE = re.compile(r"approve ([0-9]{6})")
COMMANDS = [
    "approve {code}", "approve {code} trusted", "/approve {code}", "approve {victim}", "deny {code}", "deny {victim}", "deny {friend}",
    "pause", "pause all", "pause {friend}", "pause {friend} 60m", "resume", "resume all", "resume {paused}", "kill", "kill off", "/kill --off",
    "list", "status", "help", "/start", "nonsense",
]  # fmt: skip
EFFECTS = (
    "PAIRING:*",
    "PAUSE*",
    "CONTROL:*",
    "OWNER:commands",
    "CHANNEL:*",
    "PERSON:*",
    "OUTBOX:*owner*",
    "OUTBOX:telegram:4200000",
)


class Chat:
    """The owner's end of their chat with the program."""

    def __init__(self, town: Town) -> None:
        self.town = town

    def said(self, text: str, **fields: Any) -> InboundMessage:
        return self.town.message("owner", text, kind=ChatKind.OWNER, **fields)

    async def hears(self, message: InboundMessage) -> Admission | Challenge:
        assert self.town.channel.host is not None
        return await self.town.channel.host.receive(message)

    @property
    def told(self) -> list[str]:
        return self.town.channel.texts(CHAT)

    async def asks(self, text: str) -> str:
        """What the owner is answered."""
        before = len(self.told)
        assert await self.hears(self.said(text)) is Admission.COMMAND
        return await self.next(before)

    async def next(self, before: int) -> str:
        """What the owner was told after the first `before` messages."""
        await eventually(lambda: len(self.told) > before)
        assert len(self.told) == before + 1, self.told[before:]
        return self.told[before]

    async def once(self, pattern: str) -> str:
        """What the owner was told that matches; only one thing does."""
        async with asyncio.timeout(TOLD_WITHIN_S):
            found = await eventually(lambda: [text for text in self.told if re.search(pattern, text)])
        assert len(found) == 1, found
        return str(found[0])

    async def quiet(self) -> None:
        """All that was to be said is said: of what is asked now, the answer is the last."""
        await eventually(self._is_empty)

    async def _is_empty(self) -> bool:
        return not await self.town.store.client.exists(keys.outbox(CHAT))


@asynccontextmanager
async def talking(town: Town, *more: ChannelFactory, part: Part = "all") -> AsyncIterator[tuple[House, Chat]]:
    """A gateway with a channel on which the owner can be reached."""
    town.channel.owner_chat = CHAT
    async with house(town, town.channel.factory(), *more, part=part) as there:
        await there.connected("local")
        yield there, Chat(town)


async def knocks(town: Town, who: str) -> str:
    """The code of somebody who knocks; the owner is told by and by."""
    assert town.channel.host is not None
    await town.channel.host.receive(town.message(who, "hello"))
    request = await town.pairing.find(f"local:{who}")
    assert request is not None
    return request.code


async def heard_of(town: Town, chat: Chat, who: str) -> str:
    """The code, as the owner is told it."""
    code = await knocks(town, who)
    note = await chat.once(rf"\(local:{who}\) wants to talk")
    assert CODE.findall(note) == [code]
    return code


async def tier_of(town: Town, who: str) -> str | None:
    approved = await town.pairing.approved(ContactId(f"local:{who}"))
    return approved.tier.value if approved else None


async def test_the_owner_lets_in_and_turns_away_by_code_with_a_tier_or_without(town: Town) -> None:
    async with talking(town) as (_, chat):
        anna, ben, cleo, dan = [await heard_of(town, chat, who) for who in ("anna", "ben", "cleo", "dan")]
        assert await chat.asks(f"approve {anna}") == "Anna is approved (standard)."
        assert await chat.asks(f"/Approve {ben} TRUSTED") == "Ben is approved (trusted)."
        assert await chat.asks(f"approve {cleo} restricted") == "Cleo is approved (restricted)."
        assert [await tier_of(town, who) for who in ("anna", "ben", "cleo", "dan")] == ["standard", "trusted", "restricted", None]
        await eventually(lambda: all("Welcome" in " ".join(town.channel.texts(f"local:{who}")) for who in ("anna", "ben", "cleo")))
        assert await chat.asks(f"approve {anna}") == "No request has this code; it may have expired. secondme pairing list"
        assert await chat.asks("approve local:anna") == "Anna was approved before."
        said = "Nobody with that code or id waits. Did you mean local:dan?"  # a name is never enough
        assert [await chat.asks(f"approve {name}") for name in ("Dan", "dan")] == [said] * 2
        assert await tier_of(town, "dan") is None
        assert await chat.asks("approve") == "approve needs a code, like: approve 123456"
        assert await chat.asks(f"deny {dan}") == "local:dan is denied."
        assert await chat.asks("deny ben") == "local:ben is denied."
        assert await chat.asks("deny local:ben") == "local:ben was denied before."
        assert await chat.asks("deny") == "deny needs a code, like: deny 123456"
        assert (await chat.asks("deny zoe")).startswith("Nobody has that name, code or id.")
        assert [await tier_of(town, who) for who in ("anna", "ben", "dan")] == ["standard", None, None]
        assert await town.writes("ben", "hi") is await town.writes("dan", "hi") is Admission.DENIED


async def test_the_owner_pauses_and_resumes_one_or_everybody(town: Town) -> None:
    await town.let_in("anna")
    async with talking(town) as (_, chat):
        assert await chat.asks("pause anna 60m") == "local:anna is not answered for 60m."
        pause = await town.control.contact_pause(ContactId("local:anna"))
        assert pause is not None
        assert 3_590 <= await town.store.client.ttl("PAUSE:local:anna") <= 3_600
        assert await town.writes("anna", "hi") is Admission.PAUSED
        missed = "1 person wrote meanwhile and got no answer: Anna (1). To answer them: answer Anna"
        assert await chat.asks("resume Anna") == f"local:anna is answered again. {missed}"
        assert (await chat.asks("resume local:anna")).startswith("local:anna was not paused.")
        assert await chat.asks("pause local:anna") == "local:anna is not answered until you resume."
        assert await town.store.client.ttl("PAUSE:local:anna") == -1
        assert (await chat.asks("resume anna")).startswith("local:anna is answered again.")
        assert await chat.asks("pause") == "Nobody is answered until you resume."
        assert await town.writes("anna", "hi") is Admission.KILLED
        assert (await chat.asks("resume")).startswith("Everybody is answered again.")
        assert (await chat.asks("resume all")).startswith("Nobody was paused as a whole.")
        assert await chat.asks("pause everybody 90s") == "Nobody is answered for 90s."
        assert 80 <= await town.store.client.ttl(keys.PAUSE_ALL) <= 90
        assert (await chat.asks("resume")).startswith("Everybody is answered again.")
        assert (await chat.asks("pause zoe")) == "No approved contact has that name or id. list shows who there is."
        assert (await chat.asks("pause local:zoe")).startswith("No approved contact has that name or id.")
        assert await town.raw_keys("PAUSE*") == []


async def test_the_answer_to_kill_and_all_later_ones_arrive_although_nothing_else_does(town: Town) -> None:
    await town.let_in("anna")
    async with talking(town) as (_, chat):
        assert await chat.asks("kill") == "The kill switch is on: nothing is sent to anybody. Lift it with: kill off"
        assert await town.store.client.exists(keys.PAUSE_ALL, keys.KILLED) == 2
        assert await town.writes("anna", "hi") is Admission.KILLED
        assert (await chat.asks("status")).splitlines()[0] == "The kill switch is on."
        assert await chat.asks("resume") == "The kill switch is on. secondme kill --off"
        assert (await chat.asks("pause")).startswith("The kill switch is on, which stops everybody already.")
        assert (await chat.asks("kill")).startswith("The kill switch is on")
        assert town.channel.texts("local:anna") == []
        assert await chat.asks("kill off") == "The kill switch is off. Contacts are answered again."
        assert (await chat.asks("status")).splitlines()[0] == "Contacts are answered."
        assert await town.writes("anna", "still there?") is Admission.QUEUED
        await eventually(lambda: town.channel.texts("local:anna") == ["re: still there?"])
        assert await town.raw_keys("PAUSE*") == await town.raw_keys("CONTROL:killed") == []


async def test_the_owner_asks_what_there_is_and_is_helped_with_what_is_no_command(town: Town) -> None:
    await town.let_in("anna")
    async with talking(town) as (_, chat):
        ben = await heard_of(town, chat, "ben")
        assert await chat.asks("list") == (
            f"Waiting:\nBen (local:ben): approve {ben}\nApproved:\nAnna (local:anna), standard"
        )  # fmt: skip
        assert await chat.asks("status") == "Contacts are answered.\n1 waiting, 0 unanswered, 0 drafts."
        helped = await chat.asks("help")
        assert {line.split()[0].rstrip(",") for line in helped.splitlines()[:20]} >= {
            "approve",
            "deny",
            "pause",
            "resume",
            "kill",
            "list",
        }
        assert await chat.asks("/start") == await chat.asks("?") == helped
        for nonsense in ("good morning", "approved 123456", "\u0430pprove 123456", ben, "x" * 9_000):
            assert await chat.asks(nonsense) == "I don't know that command. This is what I do:\n" + helped
        before = len(chat.told)
        assert await chat.hears(chat.said("  \n ")) is Admission.IGNORED
        assert await chat.hears(chat.said("kill", edit_of="m1")) is Admission.IGNORED
        await chat.quiet()
        assert len(chat.told) == before
        assert await town.raw_keys("PAUSE*") == []
        assert await tier_of(town, "ben") is None


async def test_a_command_that_is_delivered_again_is_carried_out_once(town: Town) -> None:
    async with talking(town) as (_, chat):
        code = await heard_of(town, chat, "anna")
        approve, kill = chat.said(f"approve {code}"), chat.said("kill")
        assert await chat.hears(approve) is Admission.COMMAND
        assert await chat.hears(kill) is Admission.COMMAND
        await chat.once("kill switch is on")
        await town.owner.revoke("local:anna")
        await chat.asks("kill off")
        for again in (approve, kill) * 3:
            assert await chat.hears(again) is Admission.DUPLICATE
    async with talking(town) as (_, chat):  # and the next gateway knows it too
        for again in (approve, kill):
            assert await chat.hears(again) is Admission.DUPLICATE
        await chat.quiet()
        assert await tier_of(town, "anna") is None
        assert await town.raw_keys("PAUSE*") == []
        assert [len([text for text in chat.told if pattern in text]) for pattern in ("is approved (", "Lift it with")] == [1, 1]


async def test_the_owner_is_told_of_each_request_once_also_of_one_from_before_and_never_again(town: Town) -> None:
    earlier = town.message("anna", "hello")  # came while another gateway ran that had no owner's chat
    assert await town.gateway.receive(earlier) is Challenge.PROMPTED
    async with talking(town) as (_, chat):
        await chat.once(r"Anna \(local:anna\) wants to talk")
        await heard_of(town, chat, "ben")
        assert await town.writes("ben", "hello?") is Challenge.ALREADY_PENDING
    async with talking(town) as (_, chat):
        await heard_of(town, chat, "cleo")  # told in the order they were looked at: whoever came before was passed over
        await chat.quiet()
        names = [found[1] for text in chat.told if (found := re.search(r"\(local:(\w+)\) wants", text))]
        assert names == ["anna", "ben", "cleo"]


async def test_the_owner_is_told_of_a_draft_once_with_its_words_and_why_it_waits(town: Town) -> None:
    await town.let_in("rita", Tier.RESTRICTED)
    async with talking(town) as (_, chat):
        assert await town.writes("rita", "may I?") is Admission.QUEUED
        note = await chat.once("A reply waits for you, to Rita")
        ((draft,), _) = await town.drafts.waiting()
        short = draft.id[:6]
        assert re.sub(r"\d+ (s|min|h|d)\b", "…", note) == (
            "A reply waits for you, to Rita (local:rita, restricted), … old, dropped in …. Replies to this contact need you.\n"
            "They wrote:\n| may I?\nI would say:\n| re: may I?\n"
            f"Send it: send {short}\nDrop it: drop {short}\nSay it your way: edit {short} ..."
        )
    async with talking(town) as (_, chat):
        assert await town.writes("rita", "and I?") is Admission.QUEUED
        await chat.once("re: and I")
        await chat.quiet()
        assert sum("re: may I?" in text for text in chat.told) == 1
        assert town.channel.texts("local:rita") == []


def broken(name: str, error: Exception, *, later: bool = False) -> ChannelFactory:
    """A channel that only the owner can mend: from the start, or as soon as it has connected."""

    class Broken(FakeChannel):
        async def run(self, host: ChannelHost) -> None:
            host.report(ChannelState.CONNECTED)
            await SystemClock().sleep(0.3)
            raise error

    def build_it() -> Any:
        if not later:
            raise error
        return Broken(name)

    return ChannelFactory(Manifest(name, name.title(), name[0], "nowhere"), build_it)


async def test_the_owner_is_told_of_a_channel_that_needs_them_when_it_fails_later(town: Town) -> None:
    refused = CredentialsError("telegram_token_refused", "Refused.", "connect")
    async with talking(town, broken("telegram", refused, later=True)) as (there, chat):
        assert await chat.once("^telegram") == "telegram: Telegram refuses the bot's token. secondme channels connect telegram"
        assert there.state("telegram") == ("needs_owner", "telegram_token_refused")


async def test_the_owner_is_told_of_a_channel_that_needs_them_from_the_start(town: Town) -> None:
    town.channel.owner_chat = CHAT

    def slow() -> Any:
        time.sleep(0.5)  # a platform's library is imported; only then it is known where the owner is
        return town.channel

    refused = CredentialsError("whatsapp_logged_out", "Refused.", "connect")
    async with house(town, broken("whatsapp", refused), ChannelFactory(town.channel.manifest, slow)) as there:
        chat = Chat(town)
        await there.connected("local")
        assert there.state("whatsapp") == ("needs_owner", "whatsapp_logged_out")
        assert await chat.once("^whatsapp: ") == "whatsapp: The phone has unlinked this device. secondme channels connect whatsapp"


async def test_the_owner_is_told_when_the_door_is_full_and_when_it_is_closed(town_with: Callable[..., Town]) -> None:
    town = town_with(pairing__max_pending_requests=1, pairing__wrong_codes_per_hour=3)
    async with talking(town) as (_, chat):
        await heard_of(town, chat, "anna")
        assert await town.writes("ben", "hello") is Challenge.CLOSED
        await chat.once("Too many strangers")
        for number in range(4):
            await town.writes("cleo", f"00000{number}")
        await eventually(lambda: sum("Too many strangers" in text for text in chat.told) == 2)


async def test_the_owner_is_told_who_came_in_by_an_invite_and_who_wrote_too_much(town: Town) -> None:
    async with talking(town) as (_, chat):
        invite = await town.pairing.invite(
            name="Anna", tier=Tier.STANDARD, ttl=SystemClock().now() - datetime(2020, 1, 1, tzinfo=UTC)
        )
        assert await town.writes("anna", invite.code) is Challenge.WELCOMED
        assert await chat.once("is approved") == "Anna (local:anna) is approved: with your invite."
        for number in range(12):
            await town.writes("anna", f"again {number}")
        assert (
            await chat.once("wrote too much at once and is paused")
            == "local:anna wrote too much at once and is paused for a while."
        )


# Row 9: nobody else commands


async def effects(town: Town) -> dict[str, Any]:
    """Everything that a command can change, or that an answer would be in. A takeover is no command: `mine` is left out."""
    found = {
        name: value for pattern in EFFECTS for name, value in by_approval(await everything(town.store.client, pattern)).items()
    }
    found.pop("PAUSE:local:mine", None)
    if keys.PAUSED_INDEX in found:
        found[keys.PAUSED_INDEX] = [pair for pair in found[keys.PAUSED_INDEX] if pair[0] != b"local:mine"]
    return found


async def populate(town: Town) -> dict[str, str]:
    """People of every standing, one of them paused; the door is full. What commands can name."""
    for who, tier in (
        ("standard", Tier.STANDARD),
        ("trusted", Tier.TRUSTED),
        ("restricted", Tier.RESTRICTED),
        ("mine", Tier.STANDARD),
    ):
        await town.let_in(who, tier)
    for who in ("denied", "pending", "victim"):
        await town.writes(who, "hi")
        if who == "denied":
            await town.owner.deny("local:denied")
    await town.writes("full", "hi")
    await town.control.pause(ContactId("local:trusted"), None)
    await town.writes("mine", "my own words", from_me=True)
    victim = await town.pairing.find("local:victim")
    assert victim is not None
    return {"code": victim.code, "victim": "local:victim", "friend": "local:standard", "paused": "local:trusted"}


def pretenders(town: Town, text: str) -> dict[str, InboundMessage]:
    """The same words from everybody who is not the owner in the owner's own chat."""
    owner = {"contact_id": CHAT, "normalized_contact_id": CHAT, "display_name": "Owner"}
    plain = ("stranger", "pending", "denied", "standard", "trusted", "restricted")
    found = {who: town.message(who, text) for who in plain}
    return found | {
        "a group": town.message("standard", text, kind=ChatKind.GROUP),
        "the owner in a group": town.message("standard", text, kind=ChatKind.GROUP, **owner),
        "the owner in a broadcast": town.message("standard", text, kind=ChatKind.BROADCAST, **owner),
        "the owner's status": town.message("standard", text, kind=ChatKind.STATUS, **owner),
        "the owner's name": town.message("standard", text, display_name="Owner", phone_number="owner"),
        "the owner's identity claimed": town.message("trusted", text, normalized_contact_id=CHAT, aliases=(CHAT,)),
        "a forward of the owner's": town.message("standard", text, reply_to="m1", display_name="Owner"),
        "from me, to a friend": town.message("mine", text, from_me=True),
        "from me, to a stranger": town.message("stranger", text, from_me=True),
        "the owner's id, not vouched for": town.message("owner", text, **owner),
        "an owner that the channel does not know": town.message("standard", text, kind=ChatKind.OWNER),
        "an edit of a command": town.message("owner", text, kind=ChatKind.OWNER, edit_of="m1"),
    }


async def test_no_command_works_for_anybody_but_the_owner_in_the_owners_own_chat(town_with: Callable[..., Town]) -> None:
    town = town_with(limits__messages=1_000_000, pairing__max_pending_requests=4)
    values = await populate(town)
    outcomes: dict[str, Counter[str]] = {}
    async with talking(town, part="gateway") as (_, chat):  # nobody composes replies, and so no draft is told either
        await chat.once(r"\(local:victim\) wants")
        await chat.once(r"\(local:pending\) wants")
        for killed in (False, True):
            if killed:
                await town.control.kill()
            await chat.quiet()
            before, told = await effects(town), len(chat.told)
            for command in COMMANDS:
                for who, message in pretenders(town, command.format(**values)).items():
                    outcomes.setdefault(who, Counter())[(await chat.hears(message)).value] += 1
            await chat.quiet()
            assert await effects(town) == before
            assert chat.told[told:] == []
            if not killed:
                assert (
                    await chat.asks("pause local:standard 60m") == "local:standard is not answered for 60m."
                )  # and the owner's works
    tried = sum(counter.total() for counter in outcomes.values())
    print(f"{len(COMMANDS)} commands x {len(outcomes)} pretenders x 2: {tried} tried, 0 effects")
    print({who: dict(counter) for who, counter in outcomes.items()})
    assert tried == 2 * len(COMMANDS) * 18
    assert not any("command" in counter for counter in outcomes.values())


@pytest.fixture
async def api() -> AsyncIterator[BotApi]:
    async with bot_api() as server:
        yield server


def telegram_plug(api: BotApi) -> ChannelFactory:
    return ChannelFactory(TELEGRAM, lambda: build(context_of(api, SystemClock(), poll_s=10)))  # type: ignore[arg-type]


def telegram_pretenders(text: str, number: int) -> list[dict[str, Any]]:
    """Payloads with the words of a command from everybody who is not the owner in the private chat with the bot."""
    now, mallory, friend, boss = int(SystemClock().now().timestamp()), 5_550_001, 4_500_001, person(OWNER, "Owner")
    chat = {"id": OWNER, "type": "private", "first_name": "Owner"}

    def of(user: int, **more: Any) -> dict[str, Any]:
        return {**private(user, number, text=text, date=now), **more}

    messages = [
        of(mallory), of(friend), of(mallory, **{"from": person(mallory, "Owner", username="owner")}),
        of(friend, forward_origin={"type": "user", "sender_user": boss, "date": now}), of(friend, forward_from=boss, forward_date=now),
        of(friend, reply_to_message={**private(OWNER, 3, text="kill")}), of(friend, quote={"text": text}), of(friend, via_bot={**boss, "is_bot": True}),
        of(friend, contact={"phone_number": "+491", "first_name": "Owner", "user_id": OWNER}), of(friend, sender_chat={"id": OWNER, "type": "private"}),
        of(mallory, chat=chat), {**of(OWNER), "from": person(mallory, "Owner")}, of(OWNER, sender_chat={"id": OWNER, "type": "private"}),
        {**of(OWNER), "from": {**boss, "is_bot": True}}, {**of(OWNER), "from": {"id": str(OWNER), "is_bot": False, "first_name": "Owner"}},
        of(OWNER, sender_business_bot={"id": mallory, "is_bot": True}), of(OWNER, business_connection_id="b1"),
        {key: value for key, value in of(OWNER).items() if key != "from"},
    ]  # fmt: skip
    groups = [each for each in elsewhere(OWNER) if each["update_id"] % 7 == number % 7]
    for each in groups:
        for field in ("message", "edited_message", "channel_post", "edited_channel_post"):
            if field in each:
                each[field].update(text=text, date=now)
    others = [update(0, {**of(OWNER), "edit_date": now}, "edited_message"), update(0, of(OWNER), "business_message")]
    return [*(update(0, message) for message in messages), *groups, *others]


async def test_no_telegram_payload_commands_but_the_owners_own_in_their_private_chat(
    town_with: Callable[..., Town], api: BotApi
) -> None:
    town = town_with(limits__messages=1_000_000, pairing__max_pending_requests=4)
    values = await populate(town)
    town.model.script = lambda _: Composed("fine")  # an echo of commands with ids in them would not get past the checks
    friend = ContactId("telegram:4500001")
    known = InboundMessage(ChannelId("telegram"), friend, friend, MessageId("1"), "hi", datetime.now(UTC), "Friend")
    await town.owner.deny("local:pending")
    await town.gateway.receive(known)
    await town.owner.approve(friend)
    await town.writes("full", "hi")  # so is the door again, and Telegram's share
    other = ContactId("telegram:5550009")
    await town.gateway.receive(replace(known, contact_id=other, normalized_contact_id=other))
    api.users.update({OWNER, 4_500_001, 5_550_001})
    sent, last = 0, 9_000_000
    async with house(town, telegram_plug(api)) as there:
        await there.connected("telegram")
        waiting = [request.contact_id for request in (await town.services.listing()).pending]

        async def is_quiet() -> bool:
            asked = "\n".join(api.shown[OWNER])
            return all(each in asked for each in waiting) and not await town.store.client.exists(keys.outbox(f"telegram:{OWNER}"))

        await eventually(is_quiet)
        before, told = await effects(town), len(api.shown[OWNER])
        for number, command in enumerate(COMMANDS, 1_000):
            for payload in telegram_pretenders(command.format(**values), number):
                last += 1
                sent += 1
                api.offer({**payload, "update_id": last})
        api._next_update = last
        await eventually(lambda: not api.waiting)
        assert await effects(town) == before
        assert len(api.shown[OWNER]) == told
        api.write(OWNER, "pause local:standard", date=int(SystemClock().now().timestamp()))
        await eventually(lambda: "local:standard is not answered until you resume." in api.shown[OWNER])
        assert len(api.shown[OWNER]) == told + 1
    print(f"{sent} Telegram payloads with {len(COMMANDS)} commands in them: 0 effects; the owner's own: 1")
    assert sent > 1_000
