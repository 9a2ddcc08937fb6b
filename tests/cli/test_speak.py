"""`secondme speak`: a file that is a voice note, or why there is none."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import opus
from fakes.process import Cli
from typer.testing import Result

from secondme.core.media.ogg import voice_note

SOUND = opus.silence(1.4)
Speak = Callable[..., Result]


@pytest.fixture
def speak(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speak:
    """Speaks by a program that says whatever it was given back in its own file, and always sounds the same."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sound").write_bytes(SOUND)

    def run(text: str, *words: str, **settings: str) -> Result:
        script = f'cat > {tmp_path}/heard; printf %s "$SPEECH_LANGUAGE" > {tmp_path}/language; cat {tmp_path}/sound'
        command = shlex.join(["/bin/sh", "-c", script])
        chosen = {"consent": "stock-voice", "provider": "command", "command": command, "usd_per_1k_chars": "0.5", **settings}
        typed = [word for name, value in chosen.items() for word in ("--set", f"speech.{name}={value}")]
        return cli(*typed, "speak", text, "-o", "out.ogg", *words)

    return run


def test_a_text_becomes_a_voice_note_in_a_file(speak: Speak, tmp_path: Path) -> None:
    result = speak("Hello 😊\nthere!", "--language", "de", "--json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.ogg").read_bytes() == voice_note(SOUND).data
    assert ((tmp_path / "heard").read_text(), (tmp_path / "language").read_text()) == ("Hello. there!", "de")
    assert json.loads(result.stdout)["data"] == {
        "path": str(tmp_path / "out.ogg"),
        "seconds": 1.4,
        "sizeBytes": len(voice_note(SOUND).data),
        "characters": 13,
        "usd": 0.0,
        "engine": "command",
    }
    assert speak("Hello again!").stdout.startswith("out.ogg: 1.4 s, 12 characters, $0.0000, ")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["heard", "language", "out.ogg", "sound"]


@pytest.mark.parametrize(
    ("settings", "text", "code", "exit_code"),
    [
        ({"consent": ""}, "Hello", "no_speech_consent", 78),
        ({"command": ""}, "Hello", "speech_command_unusable", 78),
        ({"provider": "elevenlabs"}, "Hello", "no_speech_key", 77),
        ({"command": "false"}, "Hello", "speech_command_failed", 69),
        ({"command": "echo no sound"}, "Hello", "speech_no_sound", 65),
        ({"command": "printf OggS"}, "Hello", "not_a_voice_note", 65),
        ({}, "Look at https://example.org", "written_link", 65),
        ({}, "The code is 48211", "written_number", 65),
        ({}, "Buy:\n- one\n- two", "written_list", 65),
        ({}, "`x`", "written_markup", 65),
        ({}, "👍", "written_no_words", 65),
        ({"max_response_length": "5"}, "Hello there", "written_too_long", 65),
    ],
)
def test_what_is_not_spoken_says_why(
    speak: Speak, tmp_path: Path, settings: dict[str, Any], text: str, code: str, exit_code: int
) -> None:
    result = speak(text, "--json", **settings)
    envelope = json.loads(result.stdout)
    assert (result.exit_code, [error["code"] for error in envelope["errors"]]) == (exit_code, [code])
    assert not (tmp_path / "out.ogg").exists()


def test_what_mends_a_missing_consent_is_a_command(speak: Speak) -> None:
    assert "secondme config set speech.consent stock-voice" in speak("Hello", consent="").output


def test_a_file_that_cannot_be_written_is_said(speak: Speak, tmp_path: Path) -> None:
    result = speak("Hello", "-o", str(tmp_path / "nowhere" / "out.ogg"), "--json")
    assert (result.exit_code, json.loads(result.stdout)["errors"][0]["code"]) == (65, "output_unwritable")


def test_a_price_is_that_of_the_characters_that_were_spoken(speak: Speak, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import threading

    from fakes.elevenlabs_api import KEY, VOICE, elevenlabs_api

    begun, ended, url = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with elevenlabs_api() as api:
            url.append(api.url)
            begun.set()
            await asyncio.to_thread(ended.wait)

    serving = threading.Thread(target=lambda: asyncio.run(serve()))
    serving.start()
    begun.wait()
    try:
        monkeypatch.setenv("SECONDME_SPEECH__API_KEY", KEY)
        result = speak("Hello there, " * 10 + "you!", "--json", provider="elevenlabs", voice_id=VOICE, base_url=url[0])
    finally:
        ended.set()
        serving.join()
    data = json.loads(result.stdout)["data"]
    assert (data["characters"], data["usd"], data["seconds"], data["engine"]) == (134, 0.067, 0.5, "elevenlabs/eleven_flash_v2_5")
    assert (tmp_path / "out.ogg").exists()
