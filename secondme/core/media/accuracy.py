"""How well speech is understood: the word error rate over a set of recordings, and the words that were invented where nobody speaks.

Errors are the least number of substitutions, deletions and insertions. Words are compared without case and punctuation. Numbers stay as they are written, and so do English contractions; where a script puts no spaces between
words each letter counts as one. Source: NIST, "SCTK, the NIST Scoring Toolkit".
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secondme.core.errors import DataError, NotFoundError
from secondme.core.messages import Sound, Transcription
from secondme.core.providers.sound_files import kind_of, opus_seconds
from secondme.core.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from secondme.core.ports import Transcriber

_SILENT_FOLDER = "nonspeech"
_MOST_BYTES = 25 << 20
"""OpenAI takes no larger file."""

_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "‘": "'"})  # noqa: RUF001  those that are typeset
_PUNCTUATION = re.compile(r"[^\w' ]|_")
_LONE_APOSTROPHE = re.compile(r"(?<![\w])'|'(?![\w])")
_NO_SPACES = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")


def words_of(text: str) -> list[str]:
    """The words that are compared."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES)
    plain = _LONE_APOSTROPHE.sub(" ", _PUNCTUATION.sub(" ", plain))
    return _NO_SPACES.sub(r" \1 ", plain).split()


def word_errors(reference: str, heard: str) -> tuple[int, int]:
    """How many words are wrong, missing or too many, and how many the reference has."""
    wanted, found = words_of(reference), words_of(heard)
    row = list(range(len(found) + 1))
    for at, word in enumerate(wanted, 1):
        before, row[0] = row[0], at
        for column, other in enumerate(found, 1):
            change = before + (word != other)
            before = row[column]
            row[column] = min(change, before + 1, row[column - 1] + 1)
    return row[-1], len(wanted)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording of a test set, and what is said in it; nothing where nobody speaks."""

    path: Path
    text: str
    language: str
    group: str


@dataclass(slots=True)
class Accuracy:
    """How well a group of recordings was understood."""

    group: str
    language: str
    recordings: int = 0
    words: int = 0
    errors: int = 0
    """Of what counted as heard; a recording of which nothing did has missed all its words."""
    unheard: int = 0
    """Recordings of which nothing counted, by the gates' reasons."""
    unclear: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """Errors per word; None where nothing is said."""
        return self.errors / self.words if self.words else None


def read_set(folder: Path) -> list[Recording]:
    """The recordings of a test set: `manifest.json`, a list of `{"file", "text", "lang", "group"}`; and every file in `nonspeech`, in which
    nobody speaks. Raises NotFoundError, DataError."""
    manifest = folder / "manifest.json"
    try:
        rows = json.loads(plain_text(manifest.read_bytes()))
        found = [Recording(folder / row["file"], row["text"], row.get("lang", ""), row.get("group", "")) for row in rows]
    except FileNotFoundError as error:
        raise NotFoundError(
            "no_test_set", f"There is no {manifest}.", "A set is a folder with recordings and manifest.json."
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError("bad_test_set", f"{manifest} is no list of recordings with file, text, lang and group.") from error
    silent = sorted(each for each in (folder / _SILENT_FOLDER).glob("*") if each.suffix not in {".json", ".md", ".txt"})
    return found + [Recording(each, "", "", _SILENT_FOLDER) for each in silent]


async def measure(
    recordings: Sequence[Recording],
    transcriber: Transcriber,
    languages: Sequence[str] = (),
    on_done: Callable[[int], None] = lambda _: None,
) -> list[Accuracy]:
    """How well `transcriber` understands them, by group and language, in their order. Where nothing is said `errors` are invented words.
    Raises as `Transcriber.transcribe`, but for a recording that it cannot read, of which nothing is heard."""
    rows: dict[tuple[str, str], Accuracy] = {}
    for number, each in enumerate(recordings, 1):
        row = rows.setdefault((each.group, each.language), Accuracy(each.group, each.language))
        heard, reason = await _heard(each, transcriber, languages)
        errors, words = word_errors(each.text, heard.text if heard else "")
        row.recordings += 1
        row.words += words
        row.errors += errors
        row.unclear += bool(heard and not heard.is_clear)
        if heard is None:
            row.unheard += 1
            row.reasons[reason] = row.reasons.get(reason, 0) + 1
        on_done(number)
    return list(rows.values())


async def _heard(each: Recording, transcriber: Transcriber, languages: Sequence[str]) -> tuple[Transcription | None, str]:
    try:
        outcome = await transcriber.transcribe(await asyncio.to_thread(read_sound, each.path), languages)
    except DataError as error:
        return None, error.code
    return (outcome, "") if isinstance(outcome, Transcription) else (None, outcome.reason)


def read_sound(path: Path) -> Sound:
    """The recording in a file. Raises NotFoundError, and DataError for what is no sound or larger than any server takes."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise NotFoundError("no_such_file", f"{path} cannot be read: {error.strerror}.") from error
    kind = kind_of(data)
    if kind is None or len(data) > _MOST_BYTES:
        said = "larger than 25 MB" if kind else "no recording of a kind that is known"
        raise DataError("recording_refused", f"{path} is {said}.", "Ogg, MP3, M4A, MP4, WAV, FLAC, WebM and AMR are known.")
    return Sound(data, kind.mime, opus_seconds(data))
