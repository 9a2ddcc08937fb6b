"""What a handle stands for, counted and bounded, from the configured server only."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fakes.bot_api import BotApi, Cut, Fail, File
from fakes.bot_api_rig import PEOPLE, TelegramRig
from fakes.bot_api_updates import KINDS, PHOTO

from secondme.channels.telegram import channel
from secondme.core.errors import CredentialsError, DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.messages import AttachmentKind

PICTURE = bytes(range(256)) * 400
LIMIT = 200_000


@pytest.fixture
async def connected(rig: TelegramRig) -> AsyncIterator[TelegramRig]:
    async with rig.running():
        yield rig


async def fails(rig: TelegramRig, handle: str = "f") -> SecondmeError:
    with pytest.raises(SecondmeError) as caught:
        await rig.channel.download(handle, LIMIT)
    return caught.value


async def test_a_photo_and_a_voice_message_are_downloaded_by_the_handles_they_came_with(api: BotApi, rig: TelegramRig) -> None:
    api.files["photo-large"] = File(PICTURE)
    api.files["v"] = File(b"OggS" * 1_000, path="voice/file 2ü.oga")
    async with rig.running() as host:
        api.write(PEOPLE["anna"], photo=PHOTO)
        api.write(PEOPLE["anna"], **KINDS["voice"][0])
        photo, voice = [message.attachments[0] for message in await host.heard(2)]
        assert (photo.kind, voice.kind) == (AttachmentKind.PHOTO, AttachmentKind.VOICE)
        assert await rig.channel.download(photo.handle, LIMIT) == PICTURE
        assert await rig.channel.download(voice.handle, LIMIT) == b"OggS" * 1_000


async def test_a_file_of_exactly_the_limit_passes_and_one_byte_more_does_not(api: BotApi, connected: TelegramRig) -> None:
    api.files["f"] = File(b"x" * LIMIT, claimed=1)
    assert len(await connected.channel.download("f", LIMIT)) == LIMIT
    api.files["f"] = File(b"x" * (LIMIT + 1), claimed=1)
    assert isinstance(await fails(connected), DataError)


async def test_a_file_that_says_it_is_too_large_is_not_fetched(api: BotApi, connected: TelegramRig) -> None:
    api.files["f"] = File(b"x", claimed=LIMIT + 1)
    assert (await fails(connected)).code == "telegram_file_too_large"
    assert api.served_bytes == 0
    api.faults["getFile"].append(Fail(400, "Bad Request: file is too big"))
    assert (await fails(connected)).code == "telegram_file_too_large"


@pytest.mark.parametrize("length", [None, 10**9], ids=["no length", "a false length"])
async def test_a_body_that_does_not_end_is_left_at_the_limit(api: BotApi, connected: TelegramRig, length: int | None) -> None:
    api.files["f"] = File(b"x" * 4_096, how="endless", claimed=10, length=length)
    assert (await fails(connected)).code == "telegram_file_too_large"
    async with asyncio.timeout(5):
        while any(True for task in asyncio.all_tasks() if "_serve_file" in str(task.get_coro())):
            await asyncio.sleep(0.01)
    assert api.served_bytes < 50 * 1_000_000


async def test_a_body_that_ends_before_its_length_is_no_file(api: BotApi, connected: TelegramRig) -> None:
    api.files["f"] = File(b"x" * 100, length=1_000)
    assert isinstance(await fails(connected), UnavailableError)


async def test_a_file_that_drips_is_given_up(api: BotApi, connected: TelegramRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "DOWNLOAD_S", 0.2)
    api.files["f"] = File(b"x", how="dripping")
    assert isinstance(await fails(connected), UnavailableError)


async def test_a_redirect_is_not_followed(api: BotApi, connected: TelegramRig) -> None:
    for status in (301, 302, 307, 308):
        api.files["f"] = File(b"x", status=status)
        assert isinstance(await fails(connected), UnavailableError)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../bot/getMe",
        "a/../../x",
        "http://169.254.169.254/x",
        "//evil.example/x",
        "a?b",
        "a#b",
        "a\\b",
        "",
        "a%2e%2e",
        "x/..",
        ".",
    ],
)
async def test_a_path_that_leads_elsewhere_is_not_asked_for(api: BotApi, connected: TelegramRig, path: str) -> None:
    api.files["f"] = File(b"x", path=path)
    assert (await fails(connected)).code == "telegram_file_unreadable"
    assert api.served_bytes == 0


async def test_what_is_gone_is_not_found(api: BotApi, connected: TelegramRig) -> None:
    assert isinstance(await fails(connected, "never there"), NotFoundError)
    api.files["f"] = File(b"x", status=404)
    assert isinstance(await fails(connected), NotFoundError)


async def test_other_failures_are_for_later_or_for_the_owner(api: BotApi, connected: TelegramRig) -> None:
    api.files["f"] = File(b"x")
    for fault, kind in (
        (Cut(), UnavailableError),
        (Fail(502), UnavailableError),
        (Fail(429, "x", 9), UnavailableError),
        (Fail(401, "x"), CredentialsError),
    ):
        api.faults["getFile"].append(fault)
        assert type(await fails(connected)) is kind
    for status in (429, 500):
        api.files["f"] = File(b"x", status=status)
        assert isinstance(await fails(connected), UnavailableError)
