"""How does the channel start, stay and end, and how does an owner link it?"""

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest
from channels.whatsapp_cloud.cloud import Cloud, Running
from fakes.channel_host import RecordingHost
from fakes.clock import FakeClock
from fakes.graph_api import SECRET, TOKEN, VERIFY, GraphApi, Reply, Trouble, failure

from secondme.channels.whatsapp_cloud import setup
from secondme.channels.whatsapp_cloud.manifest import MANIFEST
from secondme.channels.whatsapp_cloud.settings import is_private
from secondme.core.channel_plugin import ChannelContext, Linked, LinkQuestion, Say
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.messages import ChannelState

Context = Callable[..., ChannelContext]


def test_the_manifest_and_the_setup_import_nothing_heavy() -> None:
    code = (
        "import sys, importlib; from secondme.channels.whatsapp_cloud.manifest import MANIFEST; importlib.import_module(MANIFEST.setup);"
        "print({'httpx', 'redis', 'ssl', 'asyncio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_it_is_set_up_with_a_number_and_a_token(context: Context) -> None:
    found = [setup.is_set_up(context(**changed)) for changed in ({}, {"access_token": ""}, {"phone_number_id": ""})]
    assert found == [True, False, False]
    assert MANIFEST.takes_webhooks
    assert not MANIFEST.collapses_resends


@pytest.mark.parametrize("missing", ["access_token", "phone_number_id", "app_secret", "verify_token"])
async def test_it_refuses_to_run_without(context: Context, api: GraphApi, missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await setup.build(context(**{missing: ""})).run(RecordingHost())
    assert (caught.value.code, api.calls) == (f"whatsapp_cloud_no_{missing}", [])
    assert f"whatsapp_cloud.{missing}" in caught.value.message


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://graph.facebook.com", True),
        ("http://127.0.0.1:80", True),
        ("http://[::1]:80", True),
        ("http://localhost:1", True),
        ("http://graph.facebook.com", False),
        ("http://10.0.0.1", False),
        ("ftp://localhost", False),
        ("https://", False),
        ("x", False),
        ("http://[", False),
    ],
)
def test_a_token_travels_in_the_open_to_this_machine_only(url: str, *, private: bool) -> None:
    assert is_private(url) is private


@pytest.mark.parametrize("token", ["EAAG with blanks", "EAAG\r\nx: y", "EAAGü", '"EAAG"\t'])
async def test_a_token_that_would_break_a_header_is_refused_without_being_repeated(context: Context, token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await setup.build(context(access_token=token)).run(RecordingHost())
    assert caught.value.code == "whatsapp_cloud_bad_access_token"
    assert "EAAG" not in str(vars(caught.value))


async def test_an_address_in_the_open_is_refused(context: Context) -> None:
    with pytest.raises(ConfigError) as caught:
        await setup.build(context(api_url="http://graph.example.org")).run(RecordingHost())
    assert caught.value.code == "whatsapp_cloud_bad_api_url"


async def test_it_connects_by_asking_for_its_own_number(cloud: Cloud) -> None:
    assert cloud.host.states == [(ChannelState.CONNECTING, ""), (ChannelState.CONNECTED, "")]
    assert [call.path for call in cloud.api.calls] == ["/v24.0/106540352242922"]


@pytest.mark.parametrize(
    ("account", "error", "code"),
    [
        (failure(190, 401), CredentialsError, "whatsapp_cloud_token_refused"),
        (failure(190), CredentialsError, "whatsapp_cloud_token_refused"),
        (Reply(401), CredentialsError, "whatsapp_cloud_token_refused"),
        (failure(10, 403), CredentialsError, "whatsapp_cloud_token_refused"),
        (failure(100), ConfigError, "whatsapp_cloud_number_unknown"),
        (failure(2, 503), UnavailableError, "whatsapp_cloud_unreachable"),
        (failure(80007), UnavailableError, "whatsapp_cloud_unreachable"),
        (Reply(502), UnavailableError, "whatsapp_cloud_unreachable"),
        ("cut", UnavailableError, "whatsapp_cloud_no_answer"),
    ],
    ids=str,
)
async def test_what_is_wrong_at_the_start_says_who_must_act(
    context: Context, api: GraphApi, account: Trouble, error: type[SecondmeError], code: str
) -> None:
    api.account = account
    host = RecordingHost()
    with pytest.raises(error) as caught:
        await setup.build(context()).run(host)
    assert caught.value.code == code
    assert host.state is ChannelState.CONNECTING
    assert TOKEN not in str(vars(caught.value))


async def test_every_five_minutes_it_looks_whether_the_token_still_holds(cloud: Cloud) -> None:
    await asyncio.sleep(0)
    for count in (1, 2):
        cloud.clock.move(300)
        await cloud.host.until(lambda count=count: cloud.host.signs_of_life == count)
    assert len(cloud.api.calls) == 3


async def test_a_token_that_expires_while_it_runs_needs_the_owner(cloud: Cloud) -> None:
    cloud.api.account = failure(190, 401)
    cloud.clock.move(301)
    with pytest.raises(CredentialsError) as caught:
        await asyncio.wait_for(cloud.task, 20)
    assert caught.value.code == "whatsapp_cloud_token_refused"


async def test_one_failed_look_is_a_hiccup_and_two_are_an_outage(cloud: Cloud) -> None:
    cloud.api.account = Reply(503)
    cloud.clock.move(301)
    await cloud.host.until(lambda: len(cloud.api.calls) == 2)
    await asyncio.sleep(0.05)
    assert not cloud.task.done()
    cloud.clock.move(301)
    with pytest.raises(UnavailableError):
        await asyncio.wait_for(cloud.task, 20)


async def test_after_it_was_cancelled_nothing_is_left(running: Running) -> None:
    before = asyncio.all_tasks()
    async with running() as cloud:
        pass
    assert (cloud.channel._graph.is_open, cloud.channel._host, asyncio.all_tasks() - before) == (False, None, set())
    assert await cloud.channel.contacts() == []


async def _steps(context: ChannelContext, **answers: str) -> list[object]:
    asked = []

    async def ask(question: LinkQuestion) -> str:
        asked.append(question)
        return answers.get(question.name, "")

    steps: list[object] = [step async for step in setup.connect(context, ask)]
    return [*asked, *steps]


ANSWERS = {
    "phone_number_id": " 106540352242922 ",
    "access_token": f"{TOKEN}\n",
    "app_secret": SECRET,
    "verify_token": VERIFY,
    "owner_number": "+49 (177) 000-0001",
}


async def test_linking_asks_tries_and_says_what_remains_to_be_done(context: Context) -> None:
    steps = await _steps(context(access_token="", app_secret="", phone_number_id=""), **ANSWERS)
    questions = {step.name: step.secret for step in steps if isinstance(step, LinkQuestion)}
    assert questions == {
        "phone_number_id": False,
        "access_token": True,
        "app_secret": True,
        "verify_token": True,
        "owner_number": False,
    }
    assert steps[-1] == Linked(
        "+1 555-078-3881",
        {
            "phone_number_id": "106540352242922",
            "access_token": TOKEN,
            "app_secret": SECRET,
            "verify_token": VERIFY,
            "owner_number": "491770000001",
        },
    )
    said = " ".join(step.text for step in steps if isinstance(step, Say))
    assert "<your https address>/webhooks/whatsapp_cloud" in said
    assert not any(secret in said for secret in (TOKEN, SECRET, VERIFY))


async def test_a_verify_token_is_made_when_none_is_chosen_and_shown_to_be_copied(context: Context) -> None:
    made = []
    for _ in range(2):
        *_, shown, linked = await _steps(context(), **{**ANSWERS, "verify_token": ""})
        assert isinstance(linked, Linked)
        assert isinstance(shown, Say)
        made.append(str(linked.settings["verify_token"]))
        assert made[-1] in shown.text
    assert len(set(made)) == 2
    assert min(map(len, made)) >= 32


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"access_token": "wrong"}, "whatsapp_cloud_token_refused"),
        ({"access_token": ""}, "whatsapp_cloud_no_access_token"),
        ({"app_secret": ""}, "whatsapp_cloud_no_app_secret"),
        ({"phone_number_id": ""}, "whatsapp_cloud_bad_phone_number_id"),
        ({"phone_number_id": "12345"}, "whatsapp_cloud_number_unknown"),
        ({"owner_number": "Anna"}, "whatsapp_cloud_bad_owner_number"),
    ],
)
async def test_what_does_not_work_is_not_linked(context: Context, changed: dict[str, str], code: str) -> None:
    with pytest.raises(SecondmeError) as caught:
        await _steps(context(), **{**ANSWERS, **changed})
    assert caught.value.code == code


async def test_unlinking_and_forgetting_leave_nothing_because_nothing_was_kept(context: Context) -> None:
    built = context(FakeClock())
    await setup.unlink(built)
    setup.forget(built, ContactId("whatsapp_cloud:4915112345678"))
    assert not built.directory.exists()
