"""A canary in every place that a person or a secret has a word in, through every path and fault: no log, event or report holds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from fakes.canary import KEY, MASKED, NAME, NOTE, NUMBER, TEXT, TEXTS, WHO, Hunt, message
from fakes.channel import FakeChannel
from fakes.channel_host import RecordingHost
from fakes.messages_api import Cut, EndEarly, Fail, FailInStream, Garbage, Outcome, Say, messages_api
from fakes.model import ScriptedModel
from fakes.process import eventually
from fakes.town import Town
from fakes.watching import Ear

from secondme.channels.local.channel import LocalChannel
from secondme.channels.local.client import LocalClient
from secondme.core import log
from secondme.core.admit.inspection import Inspector
from secondme.core.admit.pauses import PauseService
from secondme.core.clock import SystemClock
from secondme.core.config.loader import Setup
from secondme.core.enums import Tier
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.files import private_dir
from secondme.core.gateway.gateway import Gateway
from secondme.core.ids import ContactId
from secondme.core.messages import (
    Admission,
    Challenge,
    ChatKind,
    Composed,
    InboundMessage,
    ModelOutcome,
    ModelRefused,
    NotSent,
    Prompt,
    Undeliverable,
)
from secondme.core.ports import ChannelHost
from secondme.core.providers.claude import Claude
from secondme.core.security_log import SecurityEvent
from secondme.core.store import keys
from secondme.services import Services

TownWith = Callable[..., Town]
DEADLINE_S = 60.0


class Watch:
    """Everything a test may leave a trace in."""

    def __init__(self, setup: Setup, ear: Ear, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self.hunt = Hunt()
        self.logs = private_dir(setup.places.logs)
        self._ear, self._caplog, self._capfd = ear, caplog, capfd

    def begins(self) -> None:
        """Everything is written down: into files, and on stderr as where a service's journal reads it."""
        log.set_up("debug", self.logs, console=True)

    async def ends(self, *logged: str, published: str = "", on_stderr: bool = True) -> None:
        """Nothing was found; and these events were logged, so there was something to search."""
        self.hunt.look_into_logs(self.logs)
        self.hunt.look_into_events(await self._ear.heard())
        said = self._capfd.readouterr()
        self.hunt.look("stdout", said.out)
        self.hunt.look("stderr", said.err)
        self.hunt.look("loggers of libraries", self._caplog.text)
        with self._capfd.disabled():
            assert self.hunt.hits() == {}
        written = "".join(path.read_text() for path in self.logs.iterdir())
        assert [event for event in logged if f'"event": "{event}"' not in written] == []
        assert MASKED in written or not logged
        assert self.hunt.size_of("stderr") or not on_stderr
        assert not published or self.hunt.size_of(published)


@pytest.fixture
def watch(setup: Setup, ear: Ear, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    yield Watch(setup, ear, caplog, capfd)
    log.set_up("info", None, console=False)


@asynccontextmanager
async def gateway(town: Town, model: Any, *more: FakeChannel) -> AsyncIterator[None]:
    """The whole gateway of one process, the content analysis included."""
    settings = town.setup.settings
    agent = Services(town.setup, town.store).agent(model)
    inspector = Inspector(town.security, max_length=settings.content.max_length)
    rooms = replace(town.rooms, agent=agent, inspector=inspector, channels=[each.factory() for each in (town.channel, *more)])
    running = Gateway(rooms, settings, SystemClock(), Random(3))
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(running.run(stop, ready))
    try:
        await ready.wait()
        town.gateway = running
        yield
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await task


async def test_the_search_finds_what_is_there(watch: Watch, town: Town, caplog: pytest.LogCaptureFixture) -> None:
    watch.begins()
    log.get_logger("secondme.test").error("planted", note=NOTE.upper())
    await town.security.record(SecurityEvent.PAIRING_REQUEST, contact=WHO, code="123456")
    await town.store.publish("events:status", {"type": NAME})
    caplog.set_level("INFO")
    watch.hunt.codes(["123456"])
    with pytest.raises(AssertionError) as found:
        await watch.ends()
    for planted in ("logs/secondme.jsonl", "'note': 1", "logs/security.jsonl", "'code 123456': 1", "events:status", "'name': 1"):
        assert planted in str(found.value)


async def test_strangers_at_the_door(watch: Watch, town_with: TownWith) -> None:
    watch.begins()
    town = town_with(pairing__max_pending_requests=6, pairing__wrong_codes_per_hour=9)
    outcomes = {await town.gateway.receive(message("hi", age, sent_at=datetime.now(UTC) - timedelta(hours=1))) for age in range(1)}
    outcomes |= {await town.gateway.receive(message(text, 100 + each)) for each, text in enumerate(TEXTS)}
    outcomes |= {await town.gateway.receive(message(TEXTS[0], 200 + each, kind=kind)) for each, kind in enumerate(ChatKind)}
    request = await town.pairing.find(WHO)
    assert request is not None
    invite = await town.owner.invite(NAME, Tier.STANDARD, timedelta(hours=1))
    wrong = f"{(int(request.code) + 1) % 1_000_000:06d}"
    watch.hunt.codes([request.code, invite.code, wrong])
    for each in (request.code, f" {request.code}\n", *[wrong] * 6, request.code, TEXTS[0]):
        outcomes.add(await town.gateway.receive(message(each, 300 + len(outcomes))))
    others = [ContactId(f"{NUMBER}:{number}@c.us") for number in range(6)]
    for other in others:
        for text in (TEXTS[0], wrong, invite.code):
            outcomes.add(await town.gateway.receive(message(text, 400, contact_id=other, normalized_contact_id=other)))
    assert {
        Challenge.PROMPTED,
        Challenge.NEEDS_OWNER,
        Challenge.WRONG_CODE,
        Challenge.DENIED,
        Challenge.CLOSED,
        Challenge.WELCOMED,
    } <= outcomes
    assert Admission.IGNORED in outcomes
    assert not [text for _, text, _ in town.channel.raw if TEXT in text]
    await watch.ends(
        "received", "pairing_request", "pairing_code_attempt", "pairing_denied", "pairing_closed", published="events:pairing"
    )


async def test_what_the_owner_decides_and_notes(watch: Watch, town: Town) -> None:
    watch.begins()
    steering = PauseService(town.control, town.pairing, town.services.persons, town.security, by="test")

    async def knock(number: int) -> str:
        await town.gateway.receive(message(TEXTS[0], number))
        request = await town.pairing.find(WHO)
        assert request is not None
        watch.hunt.codes([request.code])
        return request.code

    await town.owner.approve(await knock(1), Tier.TRUSTED, NOTE)
    await town.owner.edit(WHO, tier=Tier.STANDARD, notes=f"\x1b[31m{NOTE}\n{NAME}")
    await steering.pause(WHO, timedelta(minutes=5))
    await steering.resume(WHO)
    await town.gateway.receive(message(TEXT, 2, from_me=True))
    await steering.pause(None)
    await steering.kill()
    await steering.unkill()
    await town.owner.revoke(WHO)
    await town.owner.deny(await knock(3), f"{NOTE} because of {NAME}")
    for refused in (
        town.owner.approve(WHO),
        town.owner.approve("000000"),
        town.owner.revoke(WHO),
        town.owner.edit(WHO, notes=NOTE),
    ):
        with pytest.raises(SecondmeError):
            await refused
    await town.owner.unblock(WHO)
    await knock(4)
    assert [each.outcome for each in await town.owner.approve_all()] == ["approved"]
    await watch.ends(
        "pairing_approved", "pairing_edited", "pairing_revoked", "pairing_denied", "pause_activated", published="events:pause"
    )


class Mood:
    """A model that fails in every way, and quotes what it was told each time."""

    def __init__(self) -> None:
        self.left: list[Any] = [
            RuntimeError(TEXT), UnavailableError("model_failed", TEXT, retry_after_s=0.05), CredentialsError("model_key_refused", KEY),
            ConfigError("model_request_refused", f"{TEXT} {KEY}"), OSError(TEXT), ExceptionGroup(TEXT, [ValueError(TEXT)]), ModelRefused("refusal"),
            KeyError(TEXT), Composed("\u200b"), Composed(f"{TEXT} " * 3_000),
        ]  # fmt: skip

    def __call__(self, prompt: Prompt) -> ModelOutcome:
        outcome = self.left.pop(0) if self.left else Composed(f"re: {prompt.turns[-1].text}")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[no-any-return]


async def let_in(town: Town, tier: Tier = Tier.STANDARD) -> None:
    await town.gateway.receive(message("hi", 1))
    await town.owner.approve(WHO, tier, NOTE)
    await town.deliver()


async def hurry(town: Town) -> None:
    """What was put off is worked on now."""
    await town.inbox.hurry()
    await town.inbox.wake()
    await asyncio.sleep(0.02)


async def all_done(town: Town) -> None:
    """Nothing waits, and no worker is at anything: what comes next is a burst of its own, however slow the machine is."""
    client = town.store.client
    while await client.llen(keys.inbox(WHO)) or await client.hexists(keys.mailbox(WHO), "lease_owner"):
        await hurry(town)


async def test_every_message_of_an_approved_contact_and_a_model_that_fails_in_every_way(watch: Watch, town_with: TownWith) -> None:
    watch.begins()
    town = town_with(limits__messages=10_000, queue__max_attempts=2)
    await let_in(town)
    mood = Mood()
    async with gateway(town, ScriptedModel(mood)), asyncio.timeout(DEADLINE_S):
        number = 10
        while mood.left:
            await town.gateway.receive(message(TEXTS[number % len(TEXTS)], number))
            number += 1
            await hurry(town)
        outcomes = {await town.gateway.receive(message(text, 1_000 + each)) for each, text in enumerate(TEXTS)}
        await all_done(town)
        await town.gateway.receive(message(TEXTS[0], 2_000))
        await eventually(lambda: town.channel.texts(WHO) and "re: " in town.channel.texts(WHO)[-1])
        await eventually(lambda: (watch.logs / "security.jsonl").read_text().count("suspicious_content") >= 5)
    assert outcomes == {Admission.QUEUED}
    assert TEXT in town.channel.texts(WHO)[-1]
    assert await town.raw_keys("DEAD:*@*") == [f"DEAD:{WHO}"]
    await watch.ends("job_crashed", "put_off", "no_reply", "sent", "suspicious_content", published="events:queue")


async def test_the_real_sdk_and_a_server_that_quotes_what_it_was_told(watch: Watch, town_with: TownWith) -> None:
    watch.begins()
    trouble: list[Outcome] = [
        Fail(401, TEXT), Fail(429, TEXT, {"retry-after": TEXT}), Fail(400, TEXT), Fail(402, KEY), Fail(500, ""), Fail(404, KEY),
        FailInStream(TEXT), Garbage(), Fail(413, TEXT), EndEarly(), Cut("in_stream"), Cut("before_headers"), Fail(403, KEY),
        Say("", "refusal"), Say("", tools=((TEXT, {"x": KEY}),)),
    ]  # fmt: skip
    async with messages_api() as api:
        flags = {"model__api_key": KEY, "model__base_url": f"{api.url}", "model__name": "claude-test", "limits__messages": 10_000}
        town = town_with(**flags)
        await let_in(town)
        claude = Claude(town.setup.settings.model)
        api.outcomes = list(trouble)
        async with gateway(town, claude), asyncio.timeout(DEADLINE_S):
            number = 10
            while api.outcomes:
                await town.gateway.receive(message(TEXTS[number % 7], number))
                number += 1
                await hurry(town)
            await all_done(town)
            await town.gateway.receive(message(TEXT, 1_000))
            while not any(text.startswith("re: ") for text in town.channel.texts(WHO)):
                await hurry(town)
        assert {request.headers["authorization"] for request in api.requests} == {f"Bearer {KEY}"}
        assert repr(town.setup.settings).count(KEY) == 0
        await claude._client.close()
    await watch.ends("put_off", "no_reply", "sent")


class Crashing(FakeChannel):
    """A channel whose library raises, and quotes what it was given."""

    async def run(self, host: ChannelHost) -> None:
        del host
        raise RuntimeError(f"{TEXT} of {NAME} ({NUMBER}) with {KEY}")


async def test_channels_that_fail_and_crash(watch: Watch, town_with: TownWith) -> None:
    watch.begins()
    town = town_with(limits__messages=10_000, delivery__timeout_s=0.2, delivery__max_attempts=2)
    await let_in(town)
    left: list[Any] = [
        NotSent("offline", 0.01),
        NotSent("offline", 0.01),
        Undeliverable("blocked"),
        RuntimeError(f"{TEXT} to {NUMBER}"),
    ]

    def outcome(contact: str, text: str, client_id: str) -> Any:
        del contact, client_id
        assert TEXT in text
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    town.channel.outcome = outcome
    crashing = Crashing("crashing")
    async with gateway(town, town.model, crashing), asyncio.timeout(DEADLINE_S):
        for number in range(2, 6):
            if left:
                await town.gateway.receive(message(TEXT, number))
                before = len(left)
                await eventually(lambda before=before: len(left) < before - (before == 4))
        await eventually(lambda: "channel_crashed" in (watch.logs / "secondme.jsonl").read_text())
    held, _ = await town.draft_store.held()
    assert {each.reason for each in held} == {"undeliverable"}
    for each, settle in zip(held, (town.draft_store.release, town.draft_store.discard), strict=False):
        await settle(ContactId(each.row.contact_id), each.row.channel_id, each.row.reply_id)
    await watch.ends("not_sent", "undeliverable", "send_unknown", "channel_crashed", published="events:queue")


async def test_a_bug_under_a_terminals_message(watch: Watch, setup: Setup) -> None:
    """The library that serves sockets would write the exception, with its words, into a log of its own."""

    watch.begins()

    class Buggy(RecordingHost):
        async def receive(self, message: InboundMessage) -> Any:
            raise RuntimeError(f"{message.text} {message.display_name} {NUMBER}")

    places = setup.places
    channel = LocalChannel(places.local_socket, places.data / "local-mail", SystemClock())
    client = LocalClient(places.local_socket, NAME, SystemClock())
    client.say(TEXT)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(channel.run(Buggy())), group.create_task(client.run())]
        await eventually(
            lambda: (watch.logs / "secondme.jsonl").exists() and "crashed" in (watch.logs / "secondme.jsonl").read_text()
        )
        for task in tasks:
            task.cancel()
    await watch.ends()


async def test_limits_pauses_and_drafts(watch: Watch, town_with: TownWith) -> None:
    watch.begins()
    town = town_with(limits__messages=3)
    await let_in(town, Tier.RESTRICTED)
    outcomes = [await town.gateway.receive(message(text, 10 + each)) for each, text in enumerate(TEXTS[:6])]
    assert outcomes == [Admission.QUEUED] * 3 + [Admission.RATE_LIMITED] + [Admission.PAUSED] * 2
    await town.control.resume(WHO)
    await town.work()
    held, _ = await town.draft_store.held()
    assert (held[0].reason, TEXT in held[0].row.text) == ("tier", True)
    await town.drafts.send(held[0].row.reply_id)
    await town.control.kill()
    await town.deliver()
    assert await town.gateway.receive(message(TEXT, 20)) is Admission.KILLED
    await town.control.resume(None, unkill=True)
    assert await town.gateway.receive(message(TEXT, 21, sent_at=datetime.now(UTC) - timedelta(hours=9))) is Admission.QUEUED
    assert await town.work() == ["stale"]
    assert await town.gateway.receive(message(TEXT, 22, from_me=True)) is Admission.TAKEN_OVER
    await watch.ends("rate_limit_triggered", "pause_activated", published="events:pause")


async def code(town: Town) -> str:
    """The code that is shown to whom it is about."""
    request = await town.pairing.find(WHO)
    assert request is not None
    return request.code


async def test_what_the_owner_does_on_the_screen(watch: Watch, town: Town, screen: Any) -> None:
    for number in range(3):
        await town.gateway.receive(message(TEXT, number))
    async with screen(size=(140, 40)) as on:
        await on.press("4")
        await on.at("people", WHO)
        watch.hunt.codes([await code(town)])
        await on.press("a")
        await on.dialog("TierDialog")
        await on.press("tab")
        on.input().value = NOTE
        await on.press("enter")
        await on.said(f"{NAME} is approved as standard")
        await on.until(lambda: "standard" in on.lines("people")[0])
        for keys_, dialogs, answer in (
            ("z", ("PauseDialog",), "enter"),
            ("e", ("ChoiceDialog", "TierDialog"), "enter"),
            ("d", ("ConfirmDialog",), "y"),
        ):
            await on.press(keys_)
            for dialog in dialogs:
                await on.dialog(dialog)
                await on.press(answer)
            await on.closed()
            await on.until(lambda: not on.app.is_asking)
        await on.until(lambda: on.keys("people") == [])
        await town.gateway.receive(message(TEXT, 10))
        await on.at("people", WHO)
        watch.hunt.codes([await code(town)])
        await on.press("d")
        await on.dialog("ReasonDialog")
        on.input().value = f"{NOTE} {NAME}"
        await on.press("y")
        await on.said("is denied")
        await on.press("0")
        await on.until(lambda: any("pairing denied" in line for line in on.lines("system")))
    denied = await town.pairing.denied(WHO)
    assert denied is not None
    assert denied.reason == f"{NOTE} {NAME}"
    log.get_logger("secondme.test").info("the_screen_is_closed")
    await watch.ends(
        "pairing_approved", "pairing_edited", "pairing_revoked", "pairing_denied", published="events:pause", on_stderr=False
    )
