"""Row 16 of the attack table: what may be looked at, and what must not. The real child process, the real files."""

import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.line import RecordingLine
from media.files import HARMLESS, MB, bombs, movie, mp3, opus, picture

from secondme.core.errors import DataError, NotFoundError, UnavailableError
from secondme.core.ids import ChannelId, ContactId
from secondme.core.media import download
from secondme.core.media.download import MediaLimits, fetch, inspect
from secondme.core.media.probe import look
from secondme.core.media.shape import Enough, Shape, TurnedDownError
from secondme.core.messages import Attachment, AttachmentKind, ChannelContact, MessageContent, SendOutcome, Sent

BOMBS = list(bombs())
PATIENT = MediaLimits(probe_s=30.0)
ENOUGH = Enough(pixels=40_000_000, seconds=600.0)


class Shelf:
    """A channel that has one file, or fails to give it."""

    id = ChannelId("shelf")

    def __init__(self, data: bytes = b"", error: Exception | None = None) -> None:
        self.data, self.error, self.asked = data, error, list[tuple[str, int]]()

    async def run(self, line: RecordingLine) -> None:
        raise NotImplementedError

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:  # noqa: ARG002  a port
        return Sent()

    async def typing(self, contact_id: ContactId) -> None: ...

    async def contacts(self) -> list[ChannelContact]:
        return []

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        self.asked.append((handle, limit_bytes))
        if self.error is not None:
            raise self.error
        return self.data


def attachment(kind: AttachmentKind = AttachmentKind.PHOTO, **facts: Any) -> Attachment:
    return Attachment(kind, handle="h1", **facts)


def code_of(data: bytes, family: str) -> str:
    """What the readers and the limits say to a file, without a child."""
    try:
        shape = look(data, ENOUGH)
    except TurnedDownError as error:
        return error.code
    if shape.family != family:
        return "media_mismatch"
    if shape.pixels > ENOUGH.pixels:
        return "media_too_many_pixels"
    return "media_too_long" if shape.duration_s > ENOUGH.seconds else ""


@pytest.mark.parametrize("name", HARMLESS)
async def test_a_harmless_file_passes(name: str) -> None:
    family, make = HARMLESS[name]
    shape = await inspect(make(), family, PATIENT)  # type: ignore[arg-type]
    assert shape.family == family
    assert shape.pixels > 0 if family != "audio" else shape.duration_s > 0


async def test_lengths_and_sizes_are_told_as_they_are() -> None:
    found = [await inspect(data, "audio", PATIENT) for data in (opus(12), mp3(30), movie(45))]
    assert [round(shape.duration_s) for shape in found] == [12, 30, 45]
    gif = await inspect(picture("GIF", size=(30, 20), frames=4), "image", PATIENT)
    assert gif == Shape("image", "image/gif", 30, 20, 4)


@pytest.mark.parametrize(("family", "code", "make"), [bomb[1:] for bomb in BOMBS], ids=[bomb[0] for bomb in BOMBS])
def test_each_bomb_is_refused_for_what_it_is(family: str, code: str, make: Callable[[], bytes]) -> None:
    assert code_of(make(), family) == code


@pytest.mark.heavy  # 6 s: a child for each bomb
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process's memory is read from /proc")
async def test_every_bomb_is_refused_by_the_child_within_two_seconds_and_flat_memory(tmp_path: Path) -> None:
    files = []
    for number, (name, family, _, make) in enumerate(BOMBS):
        path = tmp_path / str(number)
        path.write_bytes(make())
        files.append((name, family, path))
    passed, slowest, took_s = [], "", 0.0
    before = _peak_kb(reset=True)
    for name, family, path in files:
        started = time.monotonic()
        try:
            await inspect(path.read_bytes(), family, MediaLimits())  # type: ignore[arg-type]
        except DataError as error:
            assert error.code.startswith("media_")  # noqa: PT017
        else:
            passed.append(name)
        if time.monotonic() - started > took_s:
            took_s, slowest = time.monotonic() - started, name
    grown_mb = (_peak_kb() - before) / 1024
    child_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"\n{len(files)} bombs: {len(passed)} passed; slowest {took_s:.2f} s ({slowest});"
        f" parent grew by {grown_mb:.0f} MB, largest child {child_mb:.0f} MB"
    )
    assert passed == []
    assert took_s < 2.0
    assert grown_mb < 50
    assert len(files) >= 50


def _peak_kb(*, reset: bool = False) -> int:
    """The most memory this process had since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_two_thousand_broken_files_are_read_or_turned_down_and_never_crash_a_reader() -> None:
    rng = random.Random(16)
    whole = [make() for name, (_, make) in HARMLESS.items() if "megapixels" not in name]
    outcomes = {"read": 0, "turned down": 0}
    for _ in range(2000):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(min(len(data), 600))] = rng.randrange(256)
        del data[rng.randrange(len(data)) if rng.random() < 0.3 else len(data) :]
        try:
            look(bytes(data), ENOUGH)
            outcomes["read"] += 1
        except TurnedDownError:
            outcomes["turned down"] += 1
    print(f"\n2000 broken files: {outcomes}")
    assert outcomes["turned down"] > 500
    assert outcomes["read"] > 10


async def test_a_child_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PROBE", "timeit")  # a module of the standard library that reads nothing and goes on
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(DataError) as caught:
        await inspect(picture("PNG"), "image", MediaLimits(probe_s=0.05))
    assert caught.value.code == "media_unreadable"
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1.0


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"code": "../../etc"}',
        b'{"family":"image","mime":"text/html","width":1,"height":1,"frames":1,"duration_s":0}',
        b'{"family":"audio","mime":"image/png","width":1,"height":1,"frames":1,"duration_s":0}',
        b'{"family":"image","mime":"image/png","width":-1,"height":1,"frames":1,"duration_s":0}',
        b'{"family":"image","mime":"image/png","width":true,"height":1,"frames":1,"duration_s":NaN}',
        b'{"family":"image","mime":"image/png","width":1,"height":1,"frames":1}',
    ],
)
def test_a_child_that_was_taken_over_is_not_believed(line: bytes) -> None:
    with pytest.raises(DataError) as caught:
        download._understood(line)
    assert caught.value.code == "media_unreadable"


async def test_a_photo_is_fetched_and_told_what_it_is() -> None:
    shelf = Shelf(picture("JPEG"))
    media = await fetch(shelf.download, attachment(), PATIENT)
    assert media.data == shelf.data
    assert (media.shape.mime, media.shape.width, media.shape.height) == ("image/jpeg", 64, 48)
    assert shelf.asked == [("h1", 20 * MB)]


async def test_a_picture_that_was_sent_as_a_file_is_a_picture() -> None:
    media = await fetch(Shelf(picture("PNG")).download, attachment(AttachmentKind.DOCUMENT, mime="image/png"), PATIENT)
    assert media.shape.family == "image"


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        (attachment(size_bytes=20 * MB + 1), "media_too_large"),
        (attachment(AttachmentKind.VOICE, duration_s=601), "media_too_long"),
        (attachment(AttachmentKind.DOCUMENT, mime="application/zip"), "media_unreadable"),
        (attachment(AttachmentKind.DOCUMENT, mime="application/pdf"), "media_unreadable"),
        (attachment(AttachmentKind.LOCATION), "media_unreadable"),
        (attachment(AttachmentKind.OTHER), "media_unreadable"),
    ],
)
async def test_what_is_too_much_by_its_own_word_is_never_downloaded(claim: Attachment, code: str) -> None:
    shelf = Shelf(picture("PNG"))
    with pytest.raises(DataError) as caught:
        await fetch(shelf.download, claim, PATIENT)
    assert (caught.value.code, shelf.asked) == (code, [])


async def test_a_file_that_is_larger_than_the_channel_was_told_to_take_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        await fetch(Shelf(b"x" * 1001).download, attachment(), MediaLimits(size_bytes=1000))
    assert caught.value.code == "media_too_large"


@pytest.mark.parametrize(
    "error", [NotFoundError("media_gone", "Gone."), UnavailableError("down", "Down."), DataError("media_too_large", "Large.")]
)
async def test_what_the_channel_says_is_passed_on(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await fetch(Shelf(error=error).download, attachment(), PATIENT)
    assert caught.value is error


async def test_a_download_that_does_not_end_is_given_up() -> None:
    with pytest.raises(UnavailableError) as caught:
        await fetch(Shelf(error=TimeoutError()).download, attachment(), PATIENT)
    assert caught.value.code == "media_too_slow"


async def test_an_attachment_without_a_handle_is_gone() -> None:
    with pytest.raises(NotFoundError):
        await fetch(Shelf().download, Attachment(AttachmentKind.PHOTO), PATIENT)
