"""Sound of any kind into a voice note; with the extra `sound`, by the real encoder, and read again by a second program."""

import asyncio
import io
import math
import struct
import wave
from dataclasses import replace
from importlib.util import find_spec

import pytest
from fakes import opus

from secondme.core.errors import DataError
from secondme.core.media import encode
from secondme.core.media.encode import as_voice_note
from secondme.core.media.ogg import voice_note

needs_pyav = pytest.mark.skipif(find_spec("av") is None, reason="PyAV is not installed: the extra `sound`")


def wav(seconds: float = 1.0, rate: int = 22_050, channels: int = 1) -> bytes:
    """A tone that comes and goes twice."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        count = int(seconds * rate)
        heights = (20_000 * math.sin(at / 10) * abs(math.sin(2 * math.pi * at / count)) for at in range(count))
        sound.writeframes(b"".join(struct.pack("<h", int(height)) * channels for height in heights))
    return file.getvalue()


async def refusal(data: bytes) -> DataError:
    with pytest.raises(DataError) as caught:
        await as_voice_note(data)
    return caught.value


async def test_what_is_a_voice_note_already_is_taken_as_it_is() -> None:
    assert await as_voice_note(opus.silence()) == voice_note(opus.silence())


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"detail": 1}', b"GIF89a"], ids=repr)
async def test_what_is_no_sound_is_refused_whatever_is_installed(data: bytes) -> None:
    assert (await refusal(data)).code == "not_a_voice_note"


async def test_without_the_extra_other_sound_is_refused_with_what_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "_PYAV", "a_package_that_nobody_has")
    for data in (wav(), b"ID3\x04\0\0", opus.file(opus.pages([b"\x08"] * 9, first=opus.head(channels=2)))):
        error = await refusal(data)
        assert (error.code, error.fix) == ("speech_needs_sound_extra", "pip install 'secondme[sound]'")


@needs_pyav
@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (48_000, 2), (8_000, 1), (44_100, 2)])
async def test_a_wav_becomes_a_voice_note_of_its_length_that_another_program_reads(rate: int, channels: int) -> None:
    note = await as_voice_note(wav(3.0, rate, channels))
    assert note.seconds == pytest.approx(3.0, abs=0.02)
    assert voice_note(note.data, note.waveform) == note
    assert 3 * 3000 / 2 < len(note.data) < 3 * 3000 * 2
    samples, tags, channels_read = read_again(note.data)
    assert (samples / 48_000, channels_read) == (pytest.approx(note.seconds), 1)
    assert {"SYNTHETIC": "1", "PRODUCER": "secondme"}.items() <= tags.items()
    assert (note.waveform[0] < 20, note.waveform[16] > 90) == (True, True)


@needs_pyav
@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("flac", "flac"), ("ogg", "libopus")])
async def test_other_kinds_and_two_channels_become_one_too(container: str, codec: str) -> None:
    note = await as_voice_note(encoded(container, codec))
    assert note.seconds == pytest.approx(2.0, abs=0.1)
    assert read_again(note.data)[2] == 1


async def test_half_a_voice_note_is_refused_whatever_is_installed() -> None:
    data = opus.silence()
    for half in (
        wav()[:-1],
        wav()[:1000],
        data[:200],
        data[:-1],
        opus.file(opus.read_pages(data)[:-1]),
        data.replace(b"\x08", b"\x10", 1),
    ):
        assert (await refusal(half)).code == "not_a_voice_note"


@needs_pyav
@pytest.mark.parametrize("size", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"], ids=bytes.hex)
async def test_a_wav_that_was_written_before_its_size_was_known_is_whole(size: bytes) -> None:
    data = wav()
    assert (await as_voice_note(data[:4] + size + data[8:40] + size + data[44:])).seconds == pytest.approx(1.0, abs=0.1)


@needs_pyav
async def test_one_whose_times_are_odd_is_encoded_anew() -> None:
    made = opus.pages([b"\x08"] * 50)
    odd = opus.file([*made[:3], replace(made[3], granule=made[3].granule + 960), *made[4:]])
    assert (await as_voice_note(odd)).seconds == pytest.approx(1.0, abs=0.1)


@needs_pyav
async def test_a_second_program_hears_a_marked_file_as_long_as_it_is_said_to_be() -> None:
    for seconds in (0.02, 0.5, 7.3):
        note = voice_note(opus.silence(seconds))
        assert read_again(note.data)[0] / 48_000 == note.seconds


@needs_pyav
async def test_what_cannot_be_decoded_or_is_endless_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = wav()
    for data in (
        good[:30],
        b"RIFF\x24\0\0\0WAVE",
        b"ID3\x04" + bytes(5000),
        b"\xff\xfb" + bytes(5000),
        b"fLaC" + bytes(200),
        b"OggS" + bytes(500),
    ):
        assert (await refusal(data)).code == "not_a_voice_note"
    assert "too long" in (await refusal(encoded("flac", "flac", 601))).message
    monkeypatch.setattr(encode, "ENCODER", replace(encode.ENCODER, timeout_s=0.001))
    assert "cannot be decoded" in (await refusal(good)).message


@needs_pyav
async def test_a_cancelled_call_ends() -> None:
    encoding = asyncio.create_task(as_voice_note(wav()))
    await asyncio.sleep(0.05)
    encoding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await encoding


def read_again(data: bytes) -> tuple[int, dict[str, str], int]:
    """How many samples PyAV hears, the tags it reads, and the channels."""
    import av

    with av.open(io.BytesIO(data)) as file:
        stream = file.streams.audio[0]
        return sum(frame.samples for frame in file.decode(stream)), dict(stream.metadata), stream.codec_context.channels


def encoded(container: str, codec: str, seconds: float = 2.0) -> bytes:
    """Silence in two channels."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=48_000, layout="stereo")
        for _ in range(int(seconds * 10)):
            frame = av.AudioFrame(format="s16", layout="stereo", samples=4800)
            frame.sample_rate = 48_000
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return file.getvalue()
