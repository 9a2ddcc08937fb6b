"""Voice notes: what is one, how long it is, what is written into it, and that nothing else passes."""

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import opus
from hypothesis import given
from hypothesis import strategies as st

from secondme.core.errors import DataError
from secondme.core.media.ogg import MOST_BYTES, bars, checksum, voice_note

Pages = list[opus.Page]
SILENT = b"\x08"


def refusal(data: bytes) -> str:
    with pytest.raises(DataError) as caught:
        voice_note(data)
    assert caught.value.code == "not_a_voice_note"
    return caught.value.message


@given(st.binary(max_size=400))
def test_the_quick_checksum_is_the_one_of_the_rfc(data: bytes) -> None:
    assert checksum(data) == opus.crc(data)


@pytest.mark.parametrize("seconds", [0.02, 1.0, 9.3])
def test_its_length_is_that_of_its_packets(seconds: float) -> None:
    assert voice_note(opus.silence(seconds)).seconds == pytest.approx(seconds, abs=1e-6)


SAMPLES = [
    *((configuration, 0, b"", size) for configuration, size in enumerate([480, 960, 1920, 2880] * 3)),
    *((configuration, 0, b"", size) for configuration, size in enumerate([480, 960] * 2, 12)),
    *((configuration, 0, b"", size) for configuration, size in enumerate([120, 240, 480, 960] * 4, 16)),
    (1, 1, b"aa", 1920),
    (1, 2, b"\x01ab", 1920),
    (16, 3, b"\x30", 5760),
    (1, 3, b"\x86pad", 5760),
]
"""Configuration, code and what follows of a packet; its samples at 48 kHz, after the tables of RFC 6716, 3.1."""


@pytest.mark.parametrize(("configuration", "code", "more", "samples"), SAMPLES)
def test_a_packets_length_is_read_from_its_first_bytes(configuration: int, code: int, more: bytes, samples: int) -> None:
    packet = bytes([configuration << 3 | code]) + more
    note = voice_note(opus.file(opus.pages([packet] * 4, samples, first=opus.head(skipped=0))))
    assert note.seconds == 4 * samples / 48_000


@pytest.mark.parametrize(
    "packet", [b"", b"\x0b", b"\x0b\x00", b"\x0b\x07", b"\x83\x31"], ids=["empty", "uncounted", "none", "140 ms", "49"]
)
def test_a_packet_that_is_none_is_refused(packet: bytes) -> None:
    refusal(opus.file(opus.pages([SILENT, packet, SILENT])))


def test_it_is_marked_as_spoken_by_a_machine_and_nothing_else_of_it_changes() -> None:
    comments = [b"ENCODER=somebody", b"TITLE=" + b"x" * 3000]
    before = opus.pages([SILENT, b"\x08" + b"x" * 700, *[SILENT] * 40], second=opus.tags(b"v", *comments))
    after = opus.read_pages(voice_note(opus.file(before)).data)
    assert after[1].body == opus.tags(b"secondme", b"SYNTHETIC=1", b"PRODUCER=secondme")
    assert [each.number for each in after] == list(range(len(after)))
    assert [replace(each, crc=None).encoded() for each in after] == [each.encoded() for each in after]
    assert [(each.flags, each.granule, each.segments, each.body) for each in (after[0], *after[2:])] == [
        (each.flags, each.granule, each.segments, each.body) for each in (before[0], *before[2:])
    ]


def test_tags_of_several_pages_become_one_and_the_pages_behind_them_move_up() -> None:
    body = opus.tags(b"v", b"PICTURE=" + b"x" * 100_000)
    made = opus.pages([SILENT] * 30)
    pieces = [body[:65_025], body[65_025:]]
    first = opus.Page(0, -1, 1, b"\xff" * 255, pieces[0])
    second = opus.Page(1, 0, 2, opus.lacing(len(pieces[1])), pieces[1])
    moved = [replace(each, number=each.number + 1) for each in made[2:]]
    assert voice_note(opus.file([made[0], first, second, *moved])) == voice_note(opus.file(made))


def test_packets_over_several_pages_are_one_each() -> None:
    packet = b"\x08" + b"x" * 599
    first = opus.Page(0, -1, 2, b"\xff\xff", packet[:510])
    last = opus.Page(5, 1920, 3, opus.lacing(90) + opus.lacing(1), packet[510:] + SILENT)
    note = voice_note(opus.file([*opus.pages([SILENT])[:2], first, last]))
    assert note.seconds == (1920 - opus.SKIPPED) / 48_000


@pytest.mark.parametrize("granule", [-1, 1920, 1700])
def test_an_end_may_be_a_page_without_packets(granule: int) -> None:
    made = opus.pages([SILENT] * 2, first=opus.head(skipped=0))
    made[-1] = replace(made[-1], flags=0)
    data = opus.file([*made, opus.Page(4, granule, 3, b"", b"")])
    if granule == 1700:
        refusal(data)
    else:
        assert voice_note(data).seconds == 0.04


def test_a_stream_that_began_before_it_was_recorded_is_as_long_as_what_there_is() -> None:
    made = [replace(each, granule=each.granule + 5_000_000 * (number > 1)) for number, each in enumerate(opus.pages([SILENT] * 25))]
    assert voice_note(opus.file(made)).seconds == (25 * 960 - opus.SKIPPED) / 48_000


def last_flag(made: Pages, flags: int) -> Pages:
    return [*made[:-1], replace(made[-1], flags=flags)]


def at(made: Pages, number: int, **facts: object) -> Pages:
    return [*made[:number], replace(made[number], **facts), *made[number + 1 :]]  # type: ignore[arg-type]  # a page's fields


def other_stream(made: Pages) -> Pages:
    return [replace(each, serial=7) for each in made]


FAULTS: dict[str, Callable[[Pages], Pages]] = {
    "no pages": lambda _: [],
    "stereo": lambda made: [opus.page([opus.head(channels=2)], 0, 0, 2), *made[1:]],
    "no channel": lambda made: [opus.page([opus.head(channels=0)], 0, 0, 2), *made[1:]],
    "a mapping": lambda made: [opus.page([opus.head(mapping=1)], 0, 0, 2), *made[1:]],
    "a later version": lambda made: [opus.page([opus.head(version=16)], 0, 0, 2), *made[1:]],
    "Vorbis": lambda made: [opus.page([b"\x01vorbis" + bytes(22)], 0, 0, 2), *made[1:]],
    "a short head": lambda made: [opus.page([opus.head()[:18]], 0, 0, 2), *made[1:]],
    "two packets with the head": lambda made: [opus.page([opus.head(), SILENT], 0, 0, 2), *made[1:]],
    "a head that goes on": lambda made: at(made, 0, segments=b"\x13\xff", body=opus.head() + bytes(255)),
    "more skipped than there is": lambda made: [opus.page([opus.head(skipped=60_000)], 0, 0, 2), *made[1:]],
    "no tags": lambda made: [made[0], *(replace(each, number=each.number - 1) for each in made[2:])],
    "other tags": lambda made: at(made, 1, segments=b"\x08", body=b"OpusTogs"),
    "tags and sound on a page": lambda made: at(made, 1, segments=made[1].segments + b"\x01", body=made[1].body + SILENT),
    "tags alone": lambda made: [made[0], replace(made[1], flags=4)],
    "tags that are continued": lambda made: at(made, 1, flags=1),
    "no end": lambda made: last_flag(made, 0),
    "an early end": lambda made: at(made, 2, flags=4),
    "a page missing": lambda made: [*made[:3], *made[4:]],
    "a page twice": lambda made: [*made[:3], made[2], *made[3:]],
    "a wrong checksum": lambda made: at(made, 3, crc=12),
    "chained": lambda made: [*made, *made],
    "chained with another": lambda made: [*made, *other_stream(made)],
    "multiplexed": lambda made: [made[0], other_stream(made)[0], *made[1:]],
    "another's page": lambda made: at(made, 3, serial=9),
    "no beginning": lambda made: at(made, 0, flags=0),
    "a packet's rest alone": lambda made: at(made, 3, flags=1),
    "a packet without its rest": lambda made: at(made, 3, segments=made[3].segments + b"\xff", body=made[3].body + bytes(255)),
    "cut in a packet": lambda made: at(made, 4, segments=made[4].segments + b"\xff", body=made[4].body + bytes(255)),
    "more time than packets": lambda made: at(made, 4, granule=48_000 * 3600),
    "less time than packets": lambda made: at(made, 4, granule=10),
    "a gap": lambda made: at(made, 3, granule=made[3].granule + 960),
    "time before the beginning": lambda made: at(made, 2, granule=100),
    "negative time": lambda made: at(made, 3, granule=-5),
    "sound without time": lambda made: at(made, 3, granule=-1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_one_whole_stream_of_one_channel_is_refused(fault: str) -> None:
    good = opus.pages([SILENT] * 25)
    assert len(good) == 5
    refusal(opus.file(FAULTS[fault](good)))


@pytest.mark.parametrize(
    "data", [b"", b"RIFF\x24\x00\x00\x00WAVE", b"ID3\x04", b'{"detail": 1}', b"OggS", b"OggS" + bytes(40)], ids=repr
)
def test_what_is_no_ogg_is_refused(data: bytes) -> None:
    refusal(data)


def test_a_file_of_another_version_is_refused() -> None:
    data = bytearray(opus.silence(0.02))
    data[4] = 1
    data[22:26] = bytes(4)
    end = len(opus.pages([SILENT])[0].encoded())
    data[22:26] = struct.pack("<I", opus.crc(bytes(data[:end])))
    refusal(bytes(data))


def test_what_is_cut_anywhere_or_goes_on_is_refused() -> None:
    data = opus.silence(0.5)
    for end in range(len(data)):
        refusal(data[:end])
    for more in (b"\0", b"OggS", data[:60]):
        refusal(data + more)


def test_a_change_of_any_byte_is_noticed() -> None:
    data = opus.silence(0.2)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x55
        refusal(bytes(changed))


def test_what_is_too_large_is_not_read() -> None:
    assert "too large" in refusal(b"OggS" + bytes(MOST_BYTES))


PAGE = st.builds(
    opus.Page,
    st.integers(0, 7),
    st.one_of(st.integers(-1, 100_000), st.integers(-(2**63), 2**63 - 1)),
    st.integers(0, 6),
    st.binary(max_size=20),
    st.binary(max_size=600),
    st.sampled_from([opus.SERIAL, 1]),
)


@given(st.lists(PAGE, max_size=5), st.booleans(), st.binary(max_size=40))
def test_hostile_pages_with_right_checksums_are_refused_or_read_and_nothing_else(odd: Pages, has_start: bool, more: bytes) -> None:
    start = opus.pages([SILENT])[:2] if has_start else []
    made = [*start, *(replace(each, number=number) for number, each in enumerate(odd, len(start)))]
    whole = [replace(each, body=each.body.ljust(sum(each.segments), b"\x08")[: sum(each.segments)]) for each in made]
    for data in (opus.file(made), opus.file(whole), opus.file(whole) + more, more):
        try:
            note = voice_note(data)
        except DataError:
            continue
        assert note.seconds > 0
        assert voice_note(note.data) == note


SIZES = st.lists(st.integers(1, 600), min_size=1, max_size=400)


@given(SIZES)
def test_what_was_marked_is_marked_the_same_once_more(sizes: list[int]) -> None:
    note = voice_note(opus.file(opus.pages([b"\x08" + b"x" * (size - 1) for size in sizes], first=opus.head(skipped=0))))
    assert voice_note(note.data) == note
    assert note.seconds == len(sizes) * 0.02


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=400))
def test_a_waveform_has_64_heights_and_is_never_flat_at_the_bottom(loudness: list[float]) -> None:
    heights = bars(loudness)
    assert len(heights) == 64
    assert all(4 <= height <= 100 for height in heights)
    assert sum(heights) > 64 * 4


def test_a_waveform_follows_the_sizes_of_packets() -> None:
    packets = [b"\x08" + b"x" * size for size in (*[10] * 64, *[200] * 64)]
    assert voice_note(opus.file(opus.pages(packets))).waveform == bytes([4] * 32 + [100] * 32)
    assert voice_note(opus.silence(), bytes(range(64))).waveform == bytes(range(64))
