"""A voice message on its way: fetched, heard, kept with the mail, and paid once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from fakes.json_vendor import BROKEN, Fault
from fakes.opus import silence
from fakes.town import Town
from fakes.transcription_api import KEY, TranscriptionApi, refused, transcription_api
from fakes.watching import Ear
from owner_chat.test_commands import Desk

from secondme.core import fault_points
from secondme.core.clock import SystemClock
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId, MessageId
from secondme.core.messages import Admission, Attachment, AttachmentKind
from secondme.core.records import Mail
from secondme.core.store import keys

ANNA = ContactId("local:anna")
STAGES = {"heard", "heard_nothing", "not_heard", "seen", "not_seen"}
WORDS = "see you at six"


class KilledError(BaseException):
    """The process is gone: nothing catches it."""


class ShiftedClock(SystemClock):
    """The real time, moved on by hand."""

    ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ms


@pytest_asyncio.fixture
async def api() -> AsyncIterator[TranscriptionApi]:
    async with transcription_api() as served:
        served.said = WORDS
        yield served


@pytest.fixture
def hearing_town(api: TranscriptionApi, town_with: Callable[..., Town]) -> Callable[..., Town]:
    """Builds a town that hears."""

    def build(**flags: Any) -> Town:
        town = town_with(**{"hearing__base_url": api.url, "hearing__api_key": KEY, **flags})
        town.channel.files["v1"] = silence(12.0)
        return town

    return build


@pytest.fixture(autouse=True)
def _no_hook() -> Iterator[None]:
    yield
    fault_points.listen(lambda _: None)


def note(handle: str = "v1", **fields: Any) -> Attachment:
    return Attachment(AttachmentKind.VOICE, "audio/ogg; codecs=opus", handle=handle, **{"duration_s": 12, **fields})


async def stages(town: Town, *names: str) -> list[tuple[str, str]]:
    """The stages of attachments (or those called `names`), and why."""
    wanted = set(names) or STAGES
    return [
        (each.stage, str(each.facts.get("why", ""))) for each in await town.services.traces.of_contact(ANNA) if each.stage in wanted
    ]


async def seconds(town: Town) -> int:
    account = await town.services.spending.account(town.clock.now_ms(), 1, [ANNA])
    return account.contacts[ANNA].seconds if ANNA in account.contacts else 0


async def inbox(town: Town) -> list[Mail]:
    return await town.services.readings.waiting(ANNA)


async def test_a_voice_message_is_heard_once_and_answered_by_its_words(
    hearing_town: Callable[..., Town], api: TranscriptionApi
) -> None:
    town = hearing_town()
    await town.let_in("anna")
    assert await town.writes("anna", "", attachments=(note(),)) is Admission.QUEUED
    assert await town.work() == ["reading"]
    await town.read()
    assert await town.work() == ["answered"]
    assert town.model.prompts[-1].turns[-1].text == f'[voice message, 12 s: "{WORDS}"]'
    ((name, data),) = api.heard
    assert (name.endswith(".ogg"), data) == (True, town.channel.files["v1"])
    assert await stages(town) == [("heard", "")]
    assert await seconds(town) == 12
    assert (await town.services.status()).to_dict()["heard"] == {"todayMinutes": 0.2, "capMinutes": 120.0}
    await town.deliver()
    (turn, _) = await town.conversation.recent(ANNA, 10)
    assert (turn.content, turn.shown) == (f'[voice message, 12 s: "{WORDS}"]', f'🎤 12 s "{WORDS}"')
    assert town.services.shelf.size()[0] == 1
    await town.services.close()


@pytest.mark.parametrize("point", ["media.fetched", "media.kept"])
async def test_a_process_that_ends_between_two_steps_pays_once_and_answers_once(
    hearing_town: Callable[..., Town], api: TranscriptionApi, point: str
) -> None:
    town = hearing_town()
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()

    def kill(name: str) -> None:
        if name == point:
            raise KilledError

    fault_points.listen(kill)
    with pytest.raises(KilledError):
        await town.read()
    fault_points.listen(lambda _: None)
    await town.services.close()

    town = hearing_town()
    await town.store.client.zadd("QUEUE:later", {ANNA: 0})
    await town.inbox.wake()
    await town.work()
    await town.read()
    await town.work()
    await town.deliver()
    assert town.channel.texts(ANNA) == [f're: [voice message, 12 s: "{WORDS}"]']
    assert (len(api.heard), await seconds(town), await stages(town)) == (1, 12, [("heard", "")])
    await town.services.close()


async def test_a_store_that_is_away_when_the_words_come_does_not_cost_them_twice(
    hearing_town: Callable[..., Town], api: TranscriptionApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = hearing_town()
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    real, failures = town.store.run, [1]

    async def run(name: str, *args: Any, **of: Any) -> Any:
        if name == "keep_reading" and failures:
            failures.clear()
            raise UnavailableError("store_unreachable", "Away.")
        return await real(name, *args, **of)

    monkeypatch.setattr(town.store, "run", run)
    await town.read()
    assert await stages(town) == []
    await town.store.client.zadd("MEDIA:due", {ANNA: 0})
    await town.read()
    assert (len(api.heard), await stages(town)) == (1, [("heard", "")])
    await town.services.close()


async def falls_silent(town: Town, what: str, message: str) -> None:
    match what:
        case "pause":
            await town.control.pause(ANNA, timedelta(hours=1))
        case "kill":
            await town.services.pauses.kill()
        case "takeover":
            await town.writes("anna", "I am here", from_me=True)
        case "revoked":
            await town.writes("anna", "", revokes=message)
        case _:
            await town.owner.revoke(ANNA)


def held(call: Callable[..., Any], reached: asyncio.Event, go_on: asyncio.Event) -> Callable[..., Any]:
    """`call`, which returns when it may."""

    async def slow(*args: Any, **more: Any) -> Any:
        found = await call(*args, **more)
        reached.set()
        await go_on.wait()
        return found

    return slow


@pytest.mark.parametrize(("moment", "paid"), [("before", 0), ("fetched", 0), ("kept", 1)])
@pytest.mark.parametrize("what", ["pause", "kill", "takeover", "revoked", "not approved"])
async def test_who_falls_silent_meanwhile_is_not_answered_and_pays_at_most_once(
    hearing_town: Callable[..., Town], api: TranscriptionApi, what: str, moment: str, paid: int
) -> None:
    town = hearing_town()
    await town.let_in("anna")
    message = town.message("anna", "", attachments=(note(),))
    await town.gateway.receive(message)
    await town.work()
    reached, go_on = asyncio.Event(), asyncio.Event()
    match moment:
        case "fetched":
            town.channel.download = held(town.channel.download, reached, go_on)  # type: ignore[method-assign]
        case "kept":
            town.services.readings.keep = held(town.services.readings.keep, reached, go_on)  # type: ignore[method-assign]
        case _:
            reached.set()
            await falls_silent(town, what, message.message_id)
    reading = asyncio.ensure_future(town.read())
    await reached.wait()
    if moment != "before":
        await falls_silent(town, what, message.message_id)
    go_on.set()
    await reading
    assert await town.work() in ([], ["paused"], ["gone"], ["empty"], ["obsolete"])
    assert await town.deliver() in ([], ["held"], ["dropped"])
    assert (town.channel.texts(ANNA), len(api.heard)) == ([], paid)
    if what == "revoked":
        assert town.services.shelf.size()[0] == 0
    await town.services.close()


async def test_an_answered_contact_that_was_paused_is_heard_when_it_is_answered_again(
    hearing_town: Callable[..., Town], api: TranscriptionApi
) -> None:
    town = hearing_town()
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.control.pause(ANNA, timedelta(hours=1))
    await town.read()
    await town.work()
    assert api.heard == []
    await town.services.pauses.resume(ANNA)
    await town.inbox.wake()
    assert await town.work() == ["reading"]
    await town.read()
    assert await town.work() == ["answered"]
    await town.services.close()


FAULTS: list[tuple[str, list[Fault | None], list[str], str]] = [
    ("refused for good", [Fault(400, b'{"error": {"message": "bad file"}}')], ["not_heard"], "recording_refused"),
    ("too large", [Fault(413, b"")], ["not_heard"], "recording_refused"),
    ("busy, then not", [Fault(429, b"{}", {"retry-after": "1"}), None], ["heard"], ""),
    ("broken once", [Fault(500, b"{}"), None], ["heard"], ""),
    ("broken twice over one file", [Fault(500, b"{}"), Fault(500, b"{}")], ["not_heard"], "hearing_failed"),
    ("cut answer, then a whole one", [BROKEN, None], ["heard"], ""),
]


@pytest.mark.parametrize(("faults", "ends", "why"), [each[1:] for each in FAULTS], ids=[each[0] for each in FAULTS])
async def test_every_failure_ends_in_one_stage_and_one_reply(
    hearing_town: Callable[..., Town], api: TranscriptionApi, faults: list[Fault | None], ends: list[str], why: str
) -> None:
    town = hearing_town()
    await town.let_in("anna")
    api.faults = list(faults)
    await town.writes("anna", "listen", attachments=(note(),))
    await town.work()
    for _ in faults:
        await town.store.client.zadd("MEDIA:due", {ANNA: 0}, xx=True)
        await town.read()
    assert await town.work() == ["answered"]
    assert await stages(town) == [(ends[0], why)]
    told = f'[voice message, 12 s: "{WORDS}"]' if ends == ["heard"] else "[voice message, 12 s, could not be listened to]"
    assert town.model.prompts[-1].turns[-1].text == f"{told}\nlisten"
    await town.deliver()
    assert town.channel.texts(ANNA) == ["re: listen"]
    assert await seconds(town) == (12 if ends == ["heard"] else 0)
    await town.services.close()


async def test_a_server_that_stays_away_is_waited_for_and_then_the_reply_is_written_without(town_with: Callable[..., Town]) -> None:
    clock = ShiftedClock()
    town = town_with(clock, hearing__base_url="http://127.0.0.1:9", hearing__api_key=KEY)
    town.channel.files["v1"] = silence(12.0)
    await town.let_in("anna")
    await town.writes("anna", "listen", attachments=(note(),))
    await town.work()
    await town.read()
    assert await stages(town) == []
    assert await town.work() == []
    clock.ms = 11 * 60_000
    await town.store.client.zadd("MEDIA:due", {ANNA: 0}, xx=True)
    await town.read()
    assert await town.work() == ["answered"]
    ((stage, why),) = await stages(town)
    assert (stage, why) == ("not_heard", "hearing_unreachable")
    await town.services.close()


@pytest.mark.parametrize(
    ("length", "claimed", "fetched", "why"),
    [(599.0, 599, True, ""), (601.0, 601, False, "too_long"), (601.0, 5, True, "too_long"), (599.0, None, True, "")],
)
async def test_the_limit_of_length_is_that_of_the_recording_and_not_of_a_claim(
    hearing_town: Callable[..., Town], api: TranscriptionApi, length: float, claimed: int | None, fetched: bool, why: str
) -> None:
    town = hearing_town()
    town.channel.files["v1"] = silence(length)
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(duration_s=claimed),))
    await town.work()
    await town.read()
    assert await stages(town) == [("not_heard" if why else "heard", why)]
    assert len(api.heard) == (0 if why else 1)
    assert (town.services.shelf.size()[0] == 1) is fetched
    await town.services.close()


async def test_a_long_note_is_heard_to_its_end(hearing_town: Callable[..., Town], api: TranscriptionApi) -> None:
    town = hearing_town()
    rng = Random(7)
    api.said = " ".join("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 9))) for _ in range(1400))
    town.channel.files["v1"] = silence(590.0)
    await town.let_in("anna")
    await town.writes("anna", "and more", attachments=(note(duration_s=590),))
    await town.work()
    await town.read()
    await town.work()
    said = town.model.prompts[-1].turns[-1].text
    assert len(api.said) > 9000
    assert said == f'[voice message, 9 min 50 s: "{api.said}"]\nand more'
    await town.services.close()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        ({"hearing__minutes_per_day": 0.1}, "over_limit"),
        ({"hearing__minutes_per_contact_per_day": 0.1}, "over_contact_limit"),
        ({"hearing__usd_per_minute": 5.0, "budget__daily_usd": 0.0}, "over_budget"),
    ],
)
async def test_what_is_over_a_limit_is_not_sent_and_the_reply_goes_on(
    hearing_town: Callable[..., Town], api: TranscriptionApi, flags: dict[str, Any], why: str
) -> None:
    town = hearing_town(**flags)
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.read()
    assert (await stages(town), api.heard) == ([("not_heard", why)], [])
    await town.services.close()


NOTHING = [
    ({"text": "", "languages": []}, "heard_nothing", "silence"),
    ({"text": "Thanks for watching!", "languages": ["en"]}, "not_heard", "stock_phrase"),
    ({"text": "see you at six", "languages": []}, "not_heard", "no_language"),
]


@pytest.mark.parametrize(("answer", "stage", "why"), NOTHING)
async def test_what_nobody_said_is_in_no_prompt(
    hearing_town: Callable[..., Town], api: TranscriptionApi, answer: dict[str, Any], stage: str, why: str
) -> None:
    town = hearing_town()
    api.shape = answer
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.read()
    await town.work()
    assert await stages(town) == [(stage, why)]
    assert "six" not in town.model.prompts[-1].turns[-1].text
    assert "watching" not in town.model.prompts[-1].turns[-1].text
    await town.services.close()


UNSURE = {
    "text": "see you at six",
    "language": "english",
    "duration": 12.0,
    "segments": [
        {"text": "see you at six", "start": 0, "end": 12, "avg_logprob": -0.6, "no_speech_prob": 0.01, "compression_ratio": 1.0}
    ],
}


@pytest.mark.parametrize("unclear", ["ask", "draft"])
async def test_unclear_words_are_marked_and_may_be_left_to_the_owner(
    hearing_town: Callable[..., Town], api: TranscriptionApi, unclear: str
) -> None:
    town = hearing_town(hearing__unclear=unclear, hearing__model="whisper-1")
    api.shape = UNSURE
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.read()
    await town.work()
    assert town.model.prompts[-1].turns[-1].text == f'[voice message, 12 s, unclear: "{WORDS}"]'
    held, _ = await town.draft_store.held()
    assert [each.reason for each in held] == (["unclear"] if unclear == "draft" else [])
    await town.services.close()


async def test_words_and_pictures_are_remembered_and_forgotten_with_their_message(
    hearing_town: Callable[..., Town], api: TranscriptionApi
) -> None:
    town = hearing_town()
    api.said = "my birthday is on 3 May"
    await town.let_in("anna")
    await town.services.memory_feed.begin()
    message = town.message("anna", "", attachments=(note(),))
    await town.gateway.receive(message)
    await town.work()
    await town.read()
    await town.services.memory_feed.catch_up()
    (said,) = town.services.memories.messages(ANNA)
    assert said.text == '[voice message, 12 s: "my birthday is on 3 May"]'
    assert [each.fact.kind for each in town.services.memories.facts(ANNA)] == ["birthday"]
    await town.services.memory_desk.forget_messages(ANNA, [message.message_id])
    assert (town.services.memories.messages(ANNA), town.services.memories.facts(ANNA)) == ([], [])
    assert town.services.shelf.size()[0] == 0
    await town.services.close()


async def test_a_question_by_voice_whether_it_is_a_machine_is_one(hearing_town: Callable[..., Town], api: TranscriptionApi) -> None:
    town = hearing_town(disclosure__policy="handover")
    api.said = "are you a bot?"
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.read()
    assert await town.work() == ["unanswered"]
    assert town.model.prompts == []
    await town.services.close()


async def test_nothing_of_a_stranger_is_fetched_or_heard(hearing_town: Callable[..., Town], api: TranscriptionApi) -> None:
    town = hearing_town()
    fetched: list[str] = []
    town.channel.download = lambda handle, _limit: fetched.append(handle)  # type: ignore[method-assign,assignment,return-value,func-returns-value]
    await town.writes("mallory", "", attachments=(note(),))
    await town.work()
    await town.read()
    assert (fetched, api.heard, await town.services.readings.due(10)) == ([], [], [])
    await town.services.close()


async def test_forgetting_a_contact_takes_its_recordings(hearing_town: Callable[..., Town]) -> None:
    town = hearing_town()
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.read()
    assert town.services.shelf.size()[0] == 1
    await town.services.contacts.forget(ANNA)
    assert town.services.shelf.size() == (0, 0)
    await town.services.close()


async def test_the_words_are_in_no_log_and_in_no_trace(
    hearing_town: Callable[..., Town], api: TranscriptionApi, caplog: pytest.LogCaptureFixture
) -> None:
    town = hearing_town()
    api.said = "the canary is Quicksilver"
    await town.let_in("anna")
    await town.writes("anna", "", attachments=(note(),))
    await town.work()
    await town.read()
    traced = b"".join(await town.store.client.lrange(f"TRACE:{ANNA}", 0, -1))
    assert b"heard" in traced
    assert "Quicksilver" not in caplog.text
    assert b"Quicksilver" not in traced
    assert all("Quicksilver" not in str(each) for each in await town.services.spending.messages(10))
    await town.services.close()


@pytest.mark.parametrize(
    ("flags", "fault", "said"),
    [
        ({}, refused(401, "no"), "secondme config set hearing.api_key"),
        ({"hearing__minutes_per_day": 0.1}, None, "today's minutes of voice messages are used up, until tomorrow (UTC)"),
    ],
)
async def test_the_owner_hears_once_a_day_why_nobody_is_listened_to(
    hearing_town: Callable[..., Town], api: TranscriptionApi, ear: Ear, flags: dict[str, Any], fault: Any, said: str
) -> None:
    town = hearing_town(**flags)
    await town.let_in("anna")
    for number in range(2):
        if fault is not None:
            api.faults = [Fault(fault.status, fault.body)]
        await town.writes("anna", "", attachments=(note(),), message_id=MessageId(f"n{number}"))
        await town.work()
        await town.read()
    events = [each for each in await ear.heard() if each.get("type") == "reading_failing"]
    assert len(events) == 2
    desk = Desk(town, is_notebook=False)
    for event in events:
        await desk.chat._tell(keys.EVENTS_STATUS, event)
    await town.deliver()
    (told,) = town.channel.texts(ContactId("local:me"))
    assert told.startswith("I cannot hear or see what people send now, and answer without it: ")
    assert said in told
    await town.services.close()


async def test_a_file_that_breaks_what_listens_keeps_nobody_waiting(
    hearing_town: Callable[..., Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    town = hearing_town()
    await town.let_in("anna")

    def broken(_: bytes) -> None:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr("secondme.core.media.hearing.seconds_of", broken)
    await town.writes("anna", "listen", attachments=(note(),))
    await town.work()
    for _ in range(2):
        await town.store.client.zadd(keys.MEDIA_DUE, {ANNA: 0}, xx=True)
        await town.read()
    assert await town.work() == ["answered"]
    assert await stages(town) == [("not_heard", "reading_crashed")]
    await town.services.close()
