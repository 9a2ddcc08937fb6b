"""How many words were wrong: the field's measure, by our own count."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.errors import DataError, NotFoundError
from secondme.core.media.accuracy import Accuracy, measure, read_set, read_sound, word_errors, words_of
from secondme.core.messages import HearingOutcome, NothingHeard, Sound, Transcription

NOTES = Path(__file__).parent / "notes"


@pytest.mark.parametrize(
    ("reference", "heard", "expected"),
    [
        ("", "", (0, 0)),
        ("", "thanks for watching", (3, 0)),
        ("we meet on Friday", "", (4, 4)),
        ("We meet, on Friday!", "we meet on friday", (0, 4)),
        ("we meet on Friday", "we eat on Friday", (1, 4)),
        ("we meet on Friday", "we meet Friday", (1, 4)),
        ("we meet on Friday", "so we meet on Friday", (1, 4)),
        ("we meet on Friday", "Friday on meet we", (4, 4)),
        ("don't go", "don’t go", (0, 2)),  # noqa: RUF001  the apostrophe that is typeset
        ("don't go", "do not go", (2, 2)),
        ("'tis the dogs' home", "tis the dogs home", (0, 4)),
        ("well-known", "well known", (0, 2)),
        ("twenty one", "21", (2, 2)),
        ("Straße", "STRASSE", (0, 1)),
        ("café", "cafe\u0301", (0, 1)),
        ("今日は、行けません", "今日は行けます", (2, 8)),
    ],
)
def test_words_are_compared_without_case_and_punctuation(reference: str, heard: str, expected: tuple[int, int]) -> None:
    assert word_errors(reference, heard) == expected


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=9)


@given(WORDS, WORDS, WORDS)
def test_errors_are_a_distance(one: list[str], two: list[str], three: list[str]) -> None:
    def between(first: list[str], second: list[str]) -> int:
        return word_errors(" ".join(first), " ".join(second))[0]

    assert (between(one, two) == 0) == (one == two)
    assert between(one, two) == between(two, one)
    assert abs(len(one) - len(two)) <= between(one, two) <= max(len(one), len(two))
    assert between(one, three) <= between(one, two) + between(two, three)


@given(WORDS.filter(bool), WORDS)
def test_the_field_counts_the_same(reference: list[str], heard: list[str]) -> None:
    jiwer = pytest.importorskip("jiwer", reason="nox -s media-extras brings it")
    found = jiwer.process_words(" ".join(reference), " ".join(heard))
    errors = found.substitutions + found.deletions + found.insertions
    assert word_errors(" ".join(reference), " ".join(heard)) == (errors, len(reference))


@given(st.text())
def test_words_have_nothing_that_is_not_compared(text: str) -> None:
    assert words_of(" ".join(words_of(text))) == words_of(text)


class Scripted:
    """Hears what is written for a recording's length."""

    name = "scripted"

    def __init__(self, heard: dict[int, str | None]) -> None:
        self.heard = heard
        self.hints: list[tuple[str, ...]] = []

    async def transcribe(self, sound: Sound, languages: Sequence[str] = ()) -> HearingOutcome:
        self.hints.append(tuple(languages))
        text = self.heard[len(sound.data)]
        if text is None:
            raise DataError("recording_refused", "no")
        return Transcription(text, "en", 1.0, 0.6, "p", "m", is_clear=False) if text else NothingHeard("silence", 1.0)

    async def close(self) -> None:
        pass


async def test_a_set_is_measured_by_group_and_language(tmp_path: Path) -> None:
    rows = [
        {"file": f"{number}.ogg", "text": text, "lang": "en", "group": group}
        for number, (text, group) in enumerate([("we meet", "a"), ("on Friday", "a"), ("at seven", "b"), ("sharp", "a")], 4)
    ]
    for number in range(4, 10):
        where = tmp_path if number < 8 else tmp_path / "nonspeech"
        where.mkdir(exist_ok=True)
        (where / f"{number}.ogg").write_bytes(b"OggS".ljust(number, b"\0"))
    (tmp_path / "manifest.json").write_text(json.dumps(rows), "utf-8")
    (tmp_path / "nonspeech" / "manifest.json").write_text("[]", "utf-8")
    scripted = Scripted({4: "we eat", 5: "", 6: "at seven", 7: None, 8: "", 9: "thank you"})
    done: list[int] = []
    found = await measure(read_set(tmp_path), scripted, ("en",), done.append)
    assert found == [
        Accuracy("a", "en", 3, 5, 4, 2, 1, {"silence": 1, "recording_refused": 1}),
        Accuracy("b", "en", 1, 2, 0, 0, 1),
        Accuracy("nonspeech", "", 2, 0, 2, 1, 1, {"silence": 1}),
    ]
    assert [each.rate for each in found] == [0.8, 0.0, None]
    assert (done, set(scripted.hints)) == ([1, 2, 3, 4, 5, 6], {("en",)})


def test_our_own_set_is_one() -> None:
    assert [(each.language, each.path.is_file()) for each in read_set(NOTES)] == [("en", True), ("de", True)]
    rows = json.loads((NOTES / "manifest.json").read_text("utf-8"))
    assert all(row["licence"].endswith(("public domain", "CC0")) for row in rows)


@pytest.mark.parametrize("text", ["{}x", '{"file": 1}', "[7]", '[{"file": "a"}]', '[{"file": 1, "text": ""}]'])
def test_a_folder_without_a_list_is_no_set(tmp_path: Path, text: str) -> None:
    with pytest.raises(NotFoundError):
        read_set(tmp_path)
    (tmp_path / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(DataError):
        read_set(tmp_path)


def test_a_file_that_is_no_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.ogg"
    with pytest.raises(NotFoundError):
        read_sound(path)
    path.write_bytes(b"hello")
    with pytest.raises(DataError):
        read_sound(path)
    with path.open("wb") as file:
        file.write(b"OggS")
        file.truncate((25 << 20) + 1)
    with pytest.raises(DataError):
        read_sound(path)
    sound = read_sound(NOTES / "lj001-0002.ogg")
    assert (sound.mime, sound.duration_s) == ("audio/ogg", pytest.approx(1.9, abs=0.05))
