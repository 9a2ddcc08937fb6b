"""What kind of file a recording is, by its bytes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.providers.sound_files import kind_of, opus_seconds

NOTES = Path(__file__).parents[1] / "media" / "notes"


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (b"OggS\0", ".ogg"),
        (b"RIFF\x24\0\0\0WAVEfmt ", ".wav"),
        (b"fLaC\0", ".flac"),
        (b"\x1a\x45\xdf\xa3", ".webm"),
        (b"#!AMR\n", ".amr"),
        (b"\0\0\0\x20ftypM4A \0", ".m4a"),
        (b"\0\0\0\x20ftypisom\0", ".mp4"),
        (b"ID3\3", ".mp3"),
        (b"\xff\xfb\x90\x64", ".mp3"),
        (b"\xff\xf3\x90\x64", ".mp3"),
        (b"\xff\xf1\x50\x80", ".aac"),
    ],
)
def test_a_sound_is_known_by_its_first_bytes(data: bytes, suffix: str) -> None:
    kind = kind_of(data)
    assert kind is not None
    assert kind.suffix == suffix


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        "text in UTF-16".encode("utf-16"),
        b"RIFF\x24\0\0\0WEBPVP8 ",
        b"#EXTM3U\nhttp://127.0.0.1/",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b"<?xml version='1.0'?><MPD>",
        b"\xff\xd8\xff\xe0JFIF",
        b"%PDF-1.7",
        b"MThd\0",
    ],
)
def test_what_is_no_sound_and_what_names_other_files_is_none(data: bytes) -> None:
    assert kind_of(data) is None


@pytest.mark.parametrize(("name", "seconds"), [("lj001-0002.ogg", 1.9), ("thorsten-04.ogg", 2.04)])
def test_a_note_says_how_long_it_is(name: str, seconds: float) -> None:
    assert opus_seconds((NOTES / name).read_bytes()) == pytest.approx(seconds, abs=0.05)


@given(st.binary(max_size=120), st.integers(0, 4000))
def test_whatever_it_is_its_length_is_a_number_or_unknown(data: bytes, cut: int) -> None:
    whole = (NOTES / "lj001-0002.ogg").read_bytes()
    for each in (data, b"OggS" + data, b"OggSOpusHead" + data + b"OggS" + data, whole[:cut] + data, whole[:-1]):
        seconds = opus_seconds(each)
        assert seconds is None or seconds >= 0
