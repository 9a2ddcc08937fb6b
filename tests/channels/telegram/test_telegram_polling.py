"""News by polling: nothing confirmed too early, nothing lost, nothing that stops the rest."""

import asyncio
import contextlib
from typing import Any

import pytest
from fakes.bot_api import Body, BotApi, Cut, Fail
from fakes.bot_api_rig import PEOPLE, TelegramRig
from fakes.bot_api_updates import private
from fakes.channel_host import RecordingHost

from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.messages import Admission, ChannelState, InboundMessage

ANNA, BERT = PEOPLE["anna"], PEOPLE["bert"]


async def fails(rig: TelegramRig, host: RecordingHost | None = None) -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await asyncio.wait_for(rig.channel.run(host or RecordingHost()), 20)
    return caught.value


async def test_an_old_webhook_is_removed_and_what_waited_is_kept(api: BotApi, rig: TelegramRig) -> None:
    api.webhook = {"url": "https://example.org"}
    api.write(ANNA, "from before")
    async with rig.running() as host:
        assert [message.text for message in await host.heard(1)] == ["from before"]
    assert api.called("deleteWebhook") == [{"drop_pending_updates": False}]
    assert host.states == [(ChannelState.CONNECTING, ""), (ChannelState.CONNECTED, "")]


async def test_only_messages_and_their_edits_are_asked_for_and_the_poll_is_long(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running() as host:
        await host.until(lambda: api.polls >= 2)
    first, second = api.called("getUpdates")[:2]
    assert first["allowed_updates"] == ["message", "edited_message"]
    assert (first.get("timeout", 0), second["timeout"]) == (0, 30)
    assert host.signs_of_life >= 1


async def test_while_the_store_is_down_the_same_message_is_offered_again_in_order_and_telegram_is_still_heard(
    api: BotApi, rig: TelegramRig
) -> None:
    async with rig.running() as host:
        host.is_down = True
        for number in range(3):
            api.write(ANNA, f"n{number}")
        await host.until(lambda: len(host.offered) >= 8)
        assert {message.text for message in host.offered} == {"n0"}
        assert len(api.waiting) == 3
        assert host.signs_of_life >= 8
        host.is_down = False
        assert [message.text for message in await host.heard(3)] == ["n0", "n1", "n2"]
        await host.until(lambda: not api.waiting)
    waits = rig.clock.slept
    assert (min(waits), max(waits) <= 5.0) == (0.2, True)
    assert waits[:4] == sorted(waits[:4])


async def test_cancelled_between_receive_and_confirmation_the_message_comes_again_under_its_id(
    api: BotApi, rig: TelegramRig
) -> None:
    host, taken = RecordingHost(), asyncio.Event()

    def outcome(_: InboundMessage) -> Admission:
        taken.set()
        return Admission.QUEUED

    host.outcome = outcome
    async with rig.running(host):
        api.faults["getUpdates"].clear()
        api.write(ANNA, "once")
        await taken.wait()
    assert len(api.waiting) == 1  # no poll came after it
    async with rig.running() as again:
        (repeated,) = await again.heard(1)
        await again.until(lambda: not api.waiting)
    assert repeated.message_id == host.messages[0].message_id


async def test_an_update_nobody_can_read_is_stepped_over(api: BotApi, rig: TelegramRig) -> None:
    for poison in (
        {"message_id": "x"},
        {},
        {"chat": {"type": "private", "id": ANNA}, "from": None},
        private(ANNA, text=5, date="now"),
    ):
        api.put(poison)
    api.offer({"update_id": 700_000_010, "message": [[[]]]})
    api._next_update = 700_000_010
    api.write(BERT, "after them")
    async with rig.running() as host:
        assert [message.text for message in await host.heard(1)] == ["after them"]
        await host.until(lambda: not api.waiting)


async def test_an_update_that_spoils_the_whole_answer_is_stepped_over_alone(api: BotApi, rig: TelegramRig) -> None:
    made = [api.write(ANNA, f"n{number}") for number in range(6)]
    api.broken = {made[2]["update_id"], made[4]["update_id"]}
    async with rig.running() as host:
        assert [message.text for message in await host.heard(4)] == ["n0", "n1", "n3", "n5"]
        await host.until(lambda: not api.waiting)


async def test_one_bad_answer_loses_nothing(api: BotApi, rig: TelegramRig) -> None:
    made = api.write(ANNA, "n0")
    bad = b'{"ok": true, "result": [{"update_id": %d, ' % made["update_id"]
    api.faults["getUpdates"].extend([Body(bad), Body(bad), Body(b"<html>"), Body(b'{"ok": true, "result": 5}')])
    async with rig.running() as host:
        await host.heard(1)


async def test_an_update_without_an_id_does_not_hide_the_others(api: BotApi, rig: TelegramRig) -> None:
    made = api.write(ANNA, "n0")
    answer = b'{"ok": true, "result": [{"message": {}}, 7, null, {"update_id": true}]}'
    api.faults["getUpdates"].append(Body(answer))
    async with rig.running() as host:
        await host.heard(1)
        await host.until(lambda: made not in api.waiting)


async def test_a_message_that_always_trips_us_is_given_up_after_five_attempts_and_the_rest_arrives(
    api: BotApi, rig: TelegramRig
) -> None:
    host, attempts = RecordingHost(), list[str]()

    def outcome(message: InboundMessage) -> Admission:
        if message.text.startswith("poison"):
            attempts.append(message.text)
            raise DataError("corrupt", "x") if message.text == "poison 1" else ZeroDivisionError
        return Admission.QUEUED

    host.outcome = outcome
    for text in ("poison 1", "poison 2", "good"):
        api.write(ANNA, text)
    async with rig.running(host):
        await host.until(lambda: any(message.text == "good" for message in host.messages))
    assert attempts == ["poison 1"] * 5 + ["poison 2"] * 5


@pytest.mark.parametrize("error", [UnavailableError("a", "b"), CredentialsError("a", "b"), ConfigError("a", "b")])
async def test_a_message_is_never_given_up_for_what_has_nothing_to_do_with_it(
    api: BotApi, rig: TelegramRig, error: SecondmeError
) -> None:
    host = RecordingHost()

    def outcome(_: InboundMessage) -> Admission:
        if len(host.offered) < 9:
            raise error
        return Admission.QUEUED

    host.outcome = outcome
    api.write(ANNA, "keep")
    async with rig.running(host):
        await host.until(lambda: not api.waiting)
    assert len(host.offered) == 9


async def test_after_a_silent_week_lower_update_ids_are_heard_and_confirmed(api: BotApi) -> None:
    async with TelegramRig(api, poll_s=1).running() as host:
        api.write(ANNA, "high")
        await host.until(lambda: api.called("getUpdates")[-1].get("offset") is None and not api.waiting and len(host.messages) == 1)
        api._next_update = 1_000
        for number in range(3):
            api.write(ANNA, f"low {number}")
        await host.heard(4)
        await host.until(lambda: not api.waiting)
    assert [message.text for message in host.messages] == ["high", "low 0", "low 1", "low 2"]


@pytest.mark.parametrize("fault", [Cut("before"), Cut("after"), Fail(502), Fail(500, "Internal Server Error"), Body(b"{")], ids=str)
async def test_a_few_failed_polls_are_waited_out(api: BotApi, rig: TelegramRig, fault: Any) -> None:
    api.write(ANNA, "through all of it")
    api.faults["getUpdates"].extend([fault] * 5)
    async with rig.running() as host:
        await host.heard(1)
        await host.until(lambda: not api.waiting and host.state is ChannelState.CONNECTED)
    assert (ChannelState.CONNECTING, "telegram_unreachable") in host.states
    assert len(host.messages) == 1


async def test_after_many_failed_polls_the_manager_decides(api: BotApi, rig: TelegramRig) -> None:
    host = RecordingHost()
    api.faults["getUpdates"].extend([Cut()] * 6)
    error = await fails(rig, host)
    assert (type(error), error.code) == (UnavailableError, "telegram_unreachable")
    assert host.states[1:] == [(ChannelState.CONNECTING, "telegram_unreachable")] * 6
    assert len(rig.clock.slept) == 5
    assert rig.clock.slept == sorted(rig.clock.slept)


async def test_a_flood_wait_is_waited_for_as_long_as_telegram_says(api: BotApi, rig: TelegramRig) -> None:
    api.faults["getUpdates"].extend([Fail(429, "Too Many Requests: retry after 41", 41), Fail(429, "Too Many Requests")])
    async with rig.running() as host:
        assert (ChannelState.CONNECTING, "telegram_flood_wait") in host.states
    assert [round(seconds) for seconds in rig.clock.slept] == [30, 11, 5]
    assert host.signs_of_life >= 3


async def test_a_second_program_is_named_and_tried_again_later(api: BotApi, rig: TelegramRig) -> None:
    api.faults["getUpdates"].append(Fail(409, "Conflict: terminated by other getUpdates request"))
    error = await fails(rig)
    assert (type(error), error.code) == (UnavailableError, "telegram_conflict")


async def test_a_real_second_poll_ends_the_first(api: BotApi, rig: TelegramRig) -> None:
    other = TelegramRig(api)
    task = asyncio.create_task(fails(rig))
    while api.polls < 2:
        await asyncio.sleep(0.005)
    async with other.running():
        assert (await task).code == "telegram_conflict"


@pytest.mark.parametrize("method", ["getMe", "deleteWebhook", "getUpdates"])
@pytest.mark.parametrize("status", [401, 404])
async def test_a_refused_token_needs_the_owner(api: BotApi, rig: TelegramRig, method: str, status: int) -> None:
    api.faults[method].append(Fail(status, "Unauthorized"))
    error = await fails(rig)
    assert (type(error), error.code, error.fix) == (
        CredentialsError,
        "telegram_token_refused",
        "secondme channels connect telegram",
    )


@pytest.mark.parametrize(
    ("settings", "kind", "code"),
    [
        ({"token": None}, CredentialsError, "telegram_token_missing"),
        ({"token": "1:a/../getMe?"}, CredentialsError, "telegram_token_refused"),
        ({"api_url": "ftp://x"}, ConfigError, "telegram_api_url_invalid"),
        ({"api_url": "https://user@host"}, ConfigError, "telegram_api_url_invalid"),
        ({"webhook_url": "https://x.example"}, ConfigError, "telegram_webhook_secret_missing"),
        ({"webhook_url": "https://x.example", "webhook_secret": "not allowed"}, ConfigError, "telegram_webhook_secret_missing"),
    ],
)
async def test_settings_that_cannot_work_are_named_before_anything_is_called(
    api: BotApi, settings: dict[str, Any], kind: type[SecondmeError], code: str
) -> None:
    error = await fails(TelegramRig(api, **settings))
    assert (type(error), error.code) == (kind, code)
    assert api.calls == []


async def test_it_starts_again_after_each_kind_of_end(api: BotApi, rig: TelegramRig) -> None:
    for fault in (Fail(409, "Conflict"), Fail(401, "Unauthorized")):
        api.faults["getUpdates"].append(fault)
        await fails(rig)
    api.faults["getMe"].append(Cut())
    assert (await fails(rig)).code == "telegram_unreachable"
    api.write(ANNA, "still here")
    async with rig.running() as host:
        await host.heard(1)


async def test_stopped_in_the_middle_of_a_long_poll_it_leaves_no_connection(api: BotApi, rig: TelegramRig) -> None:
    async with rig.running() as host:
        await host.until(lambda: api.polls >= 2)
    async with asyncio.timeout(5):
        await api.left()
    with contextlib.suppress(asyncio.CancelledError):
        assert rig.channel._bot is None
