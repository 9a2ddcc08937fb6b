"""The frames between gateway and device process, whatever the bytes."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondme.channels.whatsapp.channel import read_received
from secondme.channels.whatsapp.protocol import FRAME_LIMIT, Frames, encode
from secondme.core.errors import DataError
from secondme.core.messages import InboundMessage

WORDS = st.text(max_size=12)
PLAIN = st.none() | st.booleans() | st.integers() | WORDS
JSON = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(WORDS, PLAIN, max_size=3)
FRAMES = st.builds(lambda kind, more: {**more, "type": kind}, WORDS, st.dictionaries(WORDS, JSON, max_size=3))


@given(st.lists(FRAMES, max_size=4), st.lists(st.integers(1, 50), max_size=20))
def test_frames_arrive_whole_however_they_are_cut(frames: list[dict[str, object]], cuts: list[int]) -> None:
    data, whole, found = b"".join(map(encode, frames)), Frames(), []
    for cut in [*cuts, len(data) + 1]:
        found += whole.feed(data[:cut])
        data = data[cut:]
    expected = [json.loads(json.dumps(frame).encode("utf-8", "replace")) for frame in frames]
    assert len(found) == len(expected)
    assert [frame["type"] for frame in found] == [frame["type"].encode("utf-8", "replace").decode() for frame in expected]


@given(st.binary(max_size=300))
def test_any_bytes_give_frames_or_a_data_error(data: bytes) -> None:
    try:
        frames = Frames().feed(data)
    except DataError:
        return
    assert all(isinstance(frame["type"], str) for frame in frames)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{}", b'{"type": 7}', b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(DataError):
        Frames().feed(struct.pack(">I", len(body)) + body)


def test_a_frame_that_is_too_long_is_neither_sent_nor_awaited() -> None:
    with pytest.raises(DataError):
        encode({"type": "x", "text": "x" * FRAME_LIMIT})
    with pytest.raises(DataError):
        Frames().feed(struct.pack(">I", FRAME_LIMIT + 1))


def test_the_longest_message_there_is_fits_into_a_frame() -> None:
    for character in ("\x00", "🌍", "é"):
        assert len(encode({"type": "message", "text": character * 65_536})) < FRAME_LIMIT


MESSAGE = {
    "id": "X",
    "contact": "4915112345678@c.us",
    "phone": "4915112345678",
    "aliases": [],
    "kind": "direct",
    "fromMe": False,
    "name": "",
    "text": "hi",
    "sentMs": 1_800_000_000_000,
    "attachments": [],
    "replyTo": "",
    "editOf": "",
    "backlog": False,
}


@given(st.sampled_from(sorted(MESSAGE)), JSON)
def test_a_record_with_any_field_spoilt_is_a_message_or_a_data_error(field: str, value: object) -> None:
    try:
        message = read_received({**MESSAGE, field: value})
    except DataError:
        return
    assert isinstance(message, InboundMessage)


@pytest.mark.parametrize("kind", ["group", "broadcast", "status", "other"])
def test_the_gateways_side_takes_no_message_of_a_group_from_the_device_process_either(kind: str) -> None:
    with pytest.raises(DataError):
        read_received({**MESSAGE, "kind": kind})
