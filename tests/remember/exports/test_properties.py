"""Whatever is written reads back; whatever is read is accounted for; nothing makes the reader fail or slow."""

# ruff: noqa: RUF001  letters of many scripts are the point

import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fakes.size import sized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from remember.exports.chats import at, read
from remember.exports.dialects import HAS_SECONDS, PHONES

from secondme.core.errors import DataError
from secondme.core.exports.phrases import read_body
from secondme.core.exports.sentences import MARKS, _tails, asks_for_a_tap
from secondme.core.exports.whatsapp_headers import HeaderReader, recognise

QUIET = settings(max_examples=sized(150, 50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LETTERS = "abcdéñüßжщاه한かな中文😀👍🏽 -:;,.!?'\"()[]/"
WORDS = st.text(LETTERS, min_size=1, max_size=40).map(str.strip).filter(bool)
TEXTS = st.lists(WORDS | st.just(""), min_size=1, max_size=4).map(lambda lines: "\n".join(lines).strip()).filter(bool)
NAMES = (
    st.text(LETTERS, min_size=1, max_size=20).map(lambda name: " ".join(name.split()).replace(": ", ":").strip(" :~")).filter(bool)
)
MESSAGES = st.lists(st.tuples(st.integers(0, 1), TEXTS, st.integers(0, 100_000)), min_size=1, max_size=12)


@QUIET
@given(st.sampled_from(sorted(PHONES)), st.tuples(NAMES, NAMES), MESSAGES)
def test_any_messages_in_any_dialect_read_back_the_same(
    tmp_path: Path, name: str, names: tuple[str, str], messages: list[tuple[int, str, int]]
) -> None:
    phone, moment, expected, lines = PHONES[name], at(30, 0, 30), [], []
    for who, text, seconds in [(0, "first", 0), (1, "second", 90_000), *messages]:
        moment += timedelta(seconds=seconds)
        lines.append(phone.text(moment, names[who], text))
        expected.append((names[who], text, moment if name in HAS_SECONDS else moment.replace(second=0)))
    done = read(tmp_path, "\n".join(lines))
    assert [(each.author, each.text, each.at) for each in done.messages] == expected
    assert [each.words for each in done.messages] == [text for _, text, _ in expected]
    assert done.is_accounted_for


def attempt(folder: Path, text: str) -> None:
    """Read it; it may be refused, in our words, and else every line is accounted for."""
    try:
        assert read(folder, text.encode("utf-8", "replace")).is_accounted_for
    except DataError as error:
        assert error.code in {"no_messages", "wrong_encoding"}  # noqa: PT017


@QUIET
@given(st.text(max_size=300))
def test_no_text_makes_the_reader_fail(tmp_path: Path, text: str) -> None:
    attempt(tmp_path, text)
    attempt(tmp_path, f"30.12.21, 20:03 - Anna: {text}")


HEADERS = [phone.header(at(30, 20, 3)) for phone in PHONES.values()]
PIECES = st.sampled_from(
    [*HEADERS, "\n", "\r\n", "Anna: ", ": ", "\u200e", "\u200f", "<", ">", "[", "]", " - ", "9", "٣", "/", ".", "x"]
)


@QUIET
@given(st.lists(PIECES, max_size=60).map("".join))
def test_no_heap_of_headers_makes_the_reader_fail(tmp_path: Path, text: str) -> None:
    attempt(tmp_path, text)


MOMENTS = st.integers(-8000, 4000).map(lambda days: at(30, 7, 5) + timedelta(days=days, minutes=7 * days)) | st.sampled_from(
    [at(30, 0, 3), at(30, 12, 3), at(30, 23, 59)]
)
CUTS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["", " ", "\u00a0", "\u200e", "9", "٣", ".", ":", "/", "[", "PM", "x"])),
    max_size=2,
)


@QUIET
@given(st.lists(st.tuples(st.sampled_from(sorted(PHONES)), MOMENTS, CUTS), max_size=30))
def test_a_reader_that_remembers_layouts_says_what_one_says_that_does_not(
    headers: list[tuple[str, datetime, list[tuple[int, str]]]],
) -> None:
    reader = HeaderReader()
    for name, moment, cuts in headers:
        line = PHONES[name].text(moment, "Anna", "12:30 - hey")
        for place, piece in cuts:
            line = line[:place] + piece + line[place + (not piece) :]
        for each in (line, line.replace("1", "2"), line):
            assert reader.recognise(each) == recognise(each), each


def test_every_dialect_is_read_by_its_layout_from_the_second_line_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from secondme.core.exports import whatsapp_headers

    for phone in PHONES.values():
        reader = HeaderReader()
        lines = [phone.text(at(30, 20, minute), "Anna", "hey") for minute in range(3)]
        expected = [recognise(line) for line in lines]
        assert expected[0] is not None
        if expected[0][0].is_time_first:
            continue  # rare: it is read as a whole
        assert reader.recognise(lines[0]) == expected[0]
        with monkeypatch.context() as patch:
            patch.setattr(whatsapp_headers, "_read", None)
            assert [reader.recognise(line) for line in lines[1:]] == expected[1:]


@QUIET
@given(
    st.lists(st.sampled_from([*_tails(), "e", "more", "ß", "\u200e", "\u2069", " ", ".", "。", "।", "x" * 79]), max_size=6).map(
        "".join
    ),
    st.booleans(),
)
def test_the_quick_look_at_an_ending_says_what_the_whole_one_says(body: str, upper: bool) -> None:
    text = body.upper() if upper else body
    near = text[-80:].translate(str.maketrans("", "", MARKS)).casefold().rstrip(" .。।")
    assert asks_for_a_tap(text) == near.endswith(_tails())


@pytest.mark.parametrize(
    "unit", ["1", "1/", "[", "\u200e", "1/1/21, ", "1 ", ": ", "<", "a.a", "(", "•\u200e", " ", "https://maps", "p. "]
)
def test_the_worst_line_costs_no_more_than_its_length(unit: str) -> None:
    costs = []
    for length in (10_000, 1_000_000):
        line = (unit * length)[:length]
        begun = time.process_time()
        for prefix in ("", "1/1/21, 10:00 - ", "[1/1/21, 10:00:00 "):
            recognise(prefix + line)
        read_body(line, is_marked=True, placeholders=frozenset())
        read_body(line + ">", is_marked=False, placeholders=frozenset())
        costs.append(time.process_time() - begun)
    print(f"{unit!r}: {costs[0] * 1e3:.2f} ms for 10,000, {costs[1] * 1e3:.2f} ms for 1,000,000")
    assert costs[1] < 2.0  # a quadratic pattern would take hours


def test_many_times_the_lines_need_no_more_room(tmp_path: Path) -> None:
    import tracemalloc

    def peak(lines: int) -> int:
        moments = (datetime(2020, 1, 1) + timedelta(minutes=n) for n in range(lines))  # noqa: DTZ001
        text = "\n".join(f"{moment:%d.%m.%y, %H:%M} - {'AB'[n % 2]}: some words {n}" for n, moment in enumerate(moments))
        path = tmp_path / "chat.txt"
        path.write_text(text)
        del text
        tracemalloc.start()
        assert count(path) == lines
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = sized(10_000, 5_000), sized(100_000, 15_000)
    small, large = peak(few), peak(many)
    print(f"peak of {few:,} lines {small:,} bytes, of {many:,} lines {large:,} bytes")
    assert large < small + 300_000


def count(path: Path) -> int:
    from remember.exports.chats import TODAY

    from secondme.core.exports.export_file import ExportFile
    from secondme.core.exports.importer import WHATSAPP
    from secondme.core.exports.whatsapp import WhatsAppExport

    export = WhatsAppExport(ExportFile(path, WHATSAPP), today=TODAY)
    export.survey()
    return sum(1 for _ in export.messages())
