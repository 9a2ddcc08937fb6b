"""Voice messages and pictures from end to end: real processes, the real Telegram library, servers that say what they are told."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest_asyncio
from fakes.bot_api import File
from fakes.bot_api_updates import KINDS, PHOTO
from fakes.messages_api import Request, Say
from fakes.opus import silence
from fakes.process import GatewayProcess, command, eventually
from fakes.telegram_town import TelegramTown, contact_of, telegram_town
from fakes.transcription_api import KEY, TranscriptionApi, transcription_api
from PIL import Image

from secondme.core.store import keys
from secondme.services import Services

ANNA = 4_300_001
CONFIG = "[persona]\nname = 'Sam'\n"
CAR = "A red car in front of a house."
WORDS = "see you at six"


@pytest_asyncio.fixture
async def api() -> AsyncIterator[TranscriptionApi]:
    async with transcription_api() as served:
        served.said = WORDS
        yield served


@pytest_asyncio.fixture
async def town(home: Path, redis_url: str, api: TranscriptionApi) -> AsyncIterator[TelegramTown]:
    config = f"{CONFIG}[hearing]\nbase_url = '{api.url}'\napi_key = '{KEY}'\n"
    async with telegram_town(home, redis_url, config, paced=False) as built:
        built.model.script = answers
        built.api.files["photo-large"] = File(photo())
        built.api.files["v"] = File(silence(12.0), path="voice/file.oga")
        await built.let_in(ANNA)
        yield built


def photo() -> bytes:
    """As a phone takes it: turned on its side, and saying where that was."""
    image, data = Image.new("RGB", (400, 300), "red"), BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    image.save(data, "JPEG", exif=exif)
    return data.getvalue()


def pictures(request: Request) -> list[dict[str, Any]]:
    content = request.body["messages"][-1]["content"]
    return [block for block in content if block["type"] == "image"] if isinstance(content, list) else []


def answers(request: Request) -> Say:
    if "You describe a picture" in str(request.body["system"]):
        return Say(CAR)
    return Say("re: " + request.last_text.splitlines()[-1])


async def test_a_gateway_and_a_worker_of_one_home_hear_and_see(town: TelegramTown, api: TranscriptionApi) -> None:
    with town.gateway("gateway"), town.gateway("worker"):
        town.writes(ANNA, **KINDS["voice"][0])
        assert await town.shown(ANNA) == [f're: [voice message, 12 s: "{WORDS}"]']
        town.writes(ANNA, photo=PHOTO, caption="my car")
        assert (await town.shown(ANNA, 2))[1] == "re: my car"
        await town.settled(ANNA)
    (replied,) = [request for request in town.model.requests if request.last_text.endswith("my car")]
    (picture,) = pictures(replied)
    assert replied.last_text == f'[picture 1, photo: "{CAR}"]\nmy car'
    assert b"Exif" not in picture["source"]["data"].encode()
    assert len(api.heard) == 1
    kept = sorted(path.suffix for path in (town.home / "data" / "media").rglob("*") if path.is_file())
    assert kept == [".jpg", ".ogg"]
    assert {path.stat().st_mode & 0o777 for path in (town.home / "data" / "media").rglob("*") if path.is_file()} == {0o600}


async def test_a_gateway_and_a_worker_of_one_home_use_a_tool_and_remember(town: TelegramTown) -> None:
    def script(request: Request) -> Say:
        if request.results:
            return Say(f"it is {request.results[0]['content']}")
        if "What time" in request.last_text:
            return Say(tools=(("clock_there", {"place": "Tokyo"}),))
        return Say("re: " + request.last_text.splitlines()[-1])

    async def has_read() -> bool:
        return not await town.store.client.exists(keys.memory_journal(contact_of(ANNA)))

    town.model.script = script
    await Services(town.setup, town.store).skill_store.set_state("clock", on=True)
    with town.gateway("gateway", SECONDME_MODEL__HISTORY_TURNS="1"), town.gateway("worker", SECONDME_MODEL__HISTORY_TURNS="1"):
        for number, said in enumerate(("my dog is called Bartholomew", "he is three years old", "What time is it in Tokyo?"), 1):
            town.writes(ANNA, said)
            await town.shown(ANNA, number)
        assert "Tokyo" in town.api.shown[ANNA][2]
        await eventually(has_read)
        town.writes(ANNA, "What is the name of my dog?")
        await town.shown(ANNA, 4)
    asked = next(request for request in town.model.requests if request.last_text.endswith("the name of my dog?"))
    assert "Bartholomew" in str(asked.body["system"])


async def test_a_gateway_that_is_killed_at_each_step_of_reading_pays_once_and_answers_once(
    town: TelegramTown, api: TranscriptionApi
) -> None:
    made = town.writes(ANNA, **KINDS["voice"][0])
    for step in ("media.fetched", "media.kept"):
        with town.gateway("all", f"{step}:KILL:1") as dying:
            assert await dying.ended() == -9
    with town.gateway("all"):
        assert await town.shown(ANNA) == [f're: [voice message, 12 s: "{WORDS}"]']
        await town.settled(ANNA)
        await town.confirmed(made)
    assert len(api.heard) == 1
    assert len(town.api.shown[ANNA]) == 1


async def test_a_worker_without_the_gateways_home_refuses_to_start(town: TelegramTown, tmp_path: Path) -> None:
    with town.gateway("gateway"):
        await eventually((town.home / "data" / "witness.json").exists)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        refused = await asyncio.to_thread(command, elsewhere, "serve", "--role", "worker", **town._environment)
        assert (refused.returncode, "does not share" in refused.stderr) == (78, True)
        off = {f"SECONDME_{name}__ENABLED": "false" for name in ("MEMORY", "SIGHT", "HEARING", "SLEEP", "PACING")}
        with GatewayProcess(elsewhere, "worker", **town._environment, **off):
            town.writes(ANNA, "hello")
            assert await town.shown(ANNA) == ["re: hello"]
