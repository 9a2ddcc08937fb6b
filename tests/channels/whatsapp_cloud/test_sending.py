"""What does Meta's answer mean for a message of ours, and what do contacts see while it is typed?"""

import asyncio
import socket
from collections.abc import Callable

import pytest
from channels.whatsapp_cloud.cloud import ANNA, BERT, Cloud, Running
from fakes.graph_api import TOKEN, Reply, Trouble, change, failure, text

from secondme.channels.whatsapp_cloud import client, setup
from secondme.core.channel_plugin import ChannelContext
from secondme.core.errors import UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelState, MessageContent, NotSent, SendOutcome, Sent, Undeliverable

TO_ANNA = ContactId(f"whatsapp_cloud:{ANNA}")
USER = "US.13491208655302741918"


async def say(cloud: Cloud, words: str = "hello", contact: str = TO_ANNA) -> SendOutcome:
    return await cloud.channel.send(ContactId(contact), MessageContent(words), "row-1")


async def test_a_message_is_plain_text_for_one_person_under_our_own_id(cloud: Cloud) -> None:
    assert await say(cloud, "*not bold* https://example.org") == Sent("wamid.OUT1")
    call = cloud.api.calls[-1]
    assert call.path == "/v24.0/106540352242922/messages"
    assert call.headers["authorization"] == f"Bearer {TOKEN}"
    assert call.body == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": ANNA,
        "type": "text",
        "text": {"body": "*not bold* https://example.org", "preview_url": False},
        "biz_opaque_callback_data": "row-1",
    }


async def test_half_a_character_does_not_stop_a_message(cloud: Cloud) -> None:
    assert isinstance(await say(cloud, "half \ud83d of it"), Sent)
    assert cloud.api.shown == {ANNA: ["half ? of it"]}


async def test_who_hides_their_number_is_written_to_by_user_id(cloud: Cloud) -> None:
    assert isinstance(await say(cloud, contact=f"whatsapp_cloud:{USER}"), Sent)
    assert cloud.api.shown == {USER: ["hello"]}
    assert "to" not in cloud.api.calls[-1].body


@pytest.mark.parametrize("contact", ["telegram:12345", f"{ANNA}@c.us", "whatsapp_cloud:anna"])
async def test_nobody_elses_contact_is_written_to(cloud: Cloud, contact: str) -> None:
    assert await say(cloud, contact=contact) == Undeliverable("not_a_contact")
    assert cloud.api.shown == {}


@pytest.mark.parametrize(
    ("trouble", "outcome"),
    [
        (failure(131047), Undeliverable("outside_24h_window")),
        (failure(470), Undeliverable("outside_24h_window")),
        (failure(131026), Undeliverable("unreachable")),
        (failure(100), Undeliverable("refused")),
        (failure(130429, 429), NotSent("rate_limited", 10.0)),
        (failure(130429, 500), NotSent("rate_limited", 10.0)),
        (failure(80007), NotSent("rate_limited", 10.0)),
        (failure(131056, retry_after="6"), NotSent("rate_limited", 6.0)),
        (failure(131056, retry_after="999999999999"), NotSent("rate_limited", 3600.0)),
        (failure(131056, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), NotSent("rate_limited", 10.0)),
        (Reply(429), NotSent("rate_limited", 10.0)),
        (failure(190, 401), NotSent("token_refused")),
        (failure(190), NotSent("token_refused")),
        (Reply(401), NotSent("token_refused")),
        (failure(10, 403), NotSent("permission_missing", 3600.0)),
        (failure(131031), NotSent("account_restricted", 3600.0)),
        (failure(368, 403), NotSent("account_restricted", 3600.0)),
        (failure(424242), NotSent("refused_424242")),
        (Reply(404, raw=b"<html>no</html>"), NotSent("refused_404")),
    ],
    ids=lambda value: value.reason if isinstance(value, NotSent | Undeliverable) else "",
)
async def test_a_definite_no_is_told_apart_by_its_code(cloud: Cloud, trouble: Trouble, outcome: SendOutcome) -> None:
    cloud.api.troubles.append(trouble)
    assert await say(cloud) == outcome


@pytest.mark.parametrize(
    "trouble",
    [
        failure(1, 500),
        failure(2, 503),
        failure(131000, 500),
        Reply(502, raw=b"<html>bad gateway</html>"),
        Reply(302, headers={"location": "https://example.org"}),
        Reply(200, raw=b"not json"),
        Reply(200, {"messages": []}),
        Reply(200, {"messages": [{"id": 7}]}),
        Reply(200, raw=b"x" * 300_000),
        Reply(200, {}, {"content-encoding": "gzip"}),
        "cut",
    ],
    ids=str,
)
async def test_when_nobody_knows_whether_it_went_out_it_says_so(cloud: Cloud, trouble: Trouble) -> None:
    cloud.api.troubles.append(trouble)
    with pytest.raises(UnavailableError) as caught:
        await say(cloud)
    assert TOKEN not in str(caught.value) + repr(caught.value.__cause__)
    assert [call.path for call in cloud.api.calls if call.method == "POST"] == ["/v24.0/106540352242922/messages"]


async def test_an_answer_that_does_not_come_leaves_the_question_open(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CALL_S", 0.2)
    cloud.api.troubles.append("hang")
    with pytest.raises(UnavailableError):
        await say(cloud)


async def test_a_platform_that_cannot_be_reached_has_nothing(running: Running) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with running() as cloud:
            cloud.channel._graph._account = setup.account_of(
                {**_settings(cloud), "api_url": f"http://127.0.0.1:{closed.getsockname()[1]}"}
            )
            assert await say(cloud) == NotSent("whatsapp_cloud_unreachable")


def _settings(cloud: Cloud) -> dict[str, str]:
    account = cloud.channel._account
    return {"access_token": account.access_token, "phone_number_id": account.phone_number_id}


async def test_nothing_is_sent_before_it_runs_or_afterwards(context: Callable[..., ChannelContext], running: Running) -> None:
    fresh = setup.build(context())
    assert await fresh.send(TO_ANNA, MessageContent("x"), "r") == NotSent("whatsapp_cloud_not_connected")
    async with running() as cloud:
        pass
    assert await say(cloud) == NotSent("whatsapp_cloud_not_connected")


async def test_cancelling_a_send_is_not_swallowed(cloud: Cloud) -> None:
    cloud.api.troubles.append("hang")
    task = asyncio.ensure_future(say(cloud))
    await cloud.host.until(lambda: any(call.method == "POST" for call in cloud.api.calls))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_typing_shows_on_the_last_message_of_that_contact(cloud: Cloud) -> None:
    await cloud.channel.typing(TO_ANNA)
    assert cloud.api.typed == []
    await cloud.hears(
        change(
            text(ANNA, "1", "wamid.1", cloud.now_s),
            text(ANNA, "2", "wamid.2", cloud.now_s),
            text(BERT, "3", "wamid.3", cloud.now_s),
        )
    )
    for recording in (False, True):  # Meta has one indicator
        await cloud.channel.typing(TO_ANNA, recording=recording)
        assert cloud.api.calls[-1].body["status"] == "read"
        assert cloud.api.calls[-1].body["typing_indicator"] == {"type": "text"}
    assert cloud.api.typed == ["wamid.2", "wamid.2"]


@pytest.mark.parametrize("trouble", ["cut", failure(131009), Reply(500), Reply(200, raw=b"x" * 300_000)], ids=str)
async def test_typing_never_raises(cloud: Cloud, trouble: Trouble) -> None:
    await cloud.hears(change(text(ANNA, "1", "wamid.1", cloud.now_s)))
    cloud.api.troubles.append(trouble)
    await cloud.channel.typing(TO_ANNA)


async def test_only_the_last_thousand_contacts_are_remembered_for_typing(cloud: Cloud) -> None:
    people = [f"49151{number:07d}" for number in range(1_200)]
    for start in range(0, 1_200, 100):
        await cloud.hears(change(*[text(who, "x", f"wamid.{who}", cloud.now_s) for who in people[start : start + 100]]))
    assert len(cloud.channel._last_heard) == 1_000
    await cloud.channel.typing(ContactId(f"whatsapp_cloud:{people[0]}"))
    await cloud.channel.typing(ContactId(f"whatsapp_cloud:{people[-1]}"))
    assert cloud.api.typed == [f"wamid.{people[-1]}"]


def _status(native: str, code: int | None, status: str = "failed") -> dict[str, object]:
    errors = [] if code is None else [{"code": code, "title": "no"}]
    return {"id": native, "status": status, "timestamp": "1800000000", "recipient_id": ANNA, "errors": errors}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (131047, "whatsapp_cloud_window_closed"),
        (470, "whatsapp_cloud_window_closed"),
        (131026, "whatsapp_cloud_delivery_failed"),
        (None, "whatsapp_cloud_delivery_failed"),
    ],
)
async def test_the_owner_is_told_once_of_a_message_that_did_not_arrive(cloud: Cloud, code: int | None, told: str) -> None:
    for _ in range(3):
        assert await cloud.hears(change(statuses=[_status("wamid.OUT1", code)])) == 200
    assert cloud.host.states[2:] == [(ChannelState.CONNECTED, told)]


async def test_what_arrived_is_nothing_to_tell(cloud: Cloud) -> None:
    before = list(cloud.host.states)
    assert await cloud.hears(change(statuses=[_status("wamid.OUT1", None, each) for each in ("sent", "delivered", "read")])) == 200
    assert cloud.host.states == before


async def test_the_trouble_is_over_at_the_next_look_at_the_account(cloud: Cloud) -> None:
    await cloud.hears(change(statuses=[_status("wamid.OUT1", 131047)]))
    await asyncio.sleep(0)
    cloud.clock.move(301)
    await cloud.host.until(lambda: cloud.host.states[-1] == (ChannelState.CONNECTED, ""))
