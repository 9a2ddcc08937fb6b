"""What does a clean copy cost, and how many pictures get one? Generated photos as phones take them, and the files below the folder that
PICTURES names, if it does: Pillow's and other libraries' test pictures are a good one. Prints; decides nothing.

Of each file: CPU and peak memory of its child. Of all: how many came back as anything but a copy or a refusal (none may), and what share of
those that Pillow decodes whole got a copy. Copies are looked through for metadata. The folder's part alone: `python tests/bench/pictures.py`.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from counts import count
from PIL import Image

from secondme.core.errors import DataError
from secondme.core.media.pictures import PictureCleaner

_EDGE = 1568
_SMALL, _LARGE = (count(4032, 400), count(3024, 300)), (count(8064, 800), count(6048, 600))
_READ = ("PNG", "JPEG", "GIF", "WEBP", "AVIF")
_DECODED_PIXELS = 40_000_000
_KINDS = {
    "12 MP JPEG": (_SMALL, "JPEG", {"quality": 90}, "goal <= 0.6 s, 256 MB"),
    "12 MP PNG": (_SMALL, "PNG", {"compress_level": 3}, "goal <= 0.6 s, 256 MB"),
    "12 MP WebP": (_SMALL, "WEBP", {}, "goal <= 0.6 s"),
    "48 MP JPEG": (_LARGE, "JPEG", {"quality": 90}, "goal <= 0.6 s, 256 MB"),
    "48 MP JPEG, progressive": (_LARGE, "JPEG", {"quality": 88, "progressive": True}, "goal <= 0.7 s, 256 MB"),
}
_MAKE = "import sys; sys.path.insert(0, sys.argv[1]); from pictures import make; make(sys.argv[2], sys.argv[3])"


class Cleaned(NamedTuple):
    """What came of a file."""

    outcome: str
    """`ok`, the code of a refusal, or what it was instead."""
    cpu_s: float
    peak_mb: int
    """Of the largest child so far."""
    has_metadata: bool


def row(name: str, value: str, beside: str = "", goal: str = "") -> None:
    print(f"{name:<44} {value:>16}  {beside:>22}  {goal}")


def make(kind: str, path: str) -> None:
    """A photo-like picture of a kind, written to a file: smooth, with a sensor's noise."""
    size, name, options, _ = _KINDS[kind]
    smooth = Image.radial_gradient("L").resize(size, Image.Resampling.BICUBIC)
    noise = Image.effect_noise(size, 8)
    Image.merge("RGB", (Image.blend(smooth, noise, 0.2), smooth, Image.blend(noise, smooth, 0.9))).save(path, name, **options)


def measure() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory(prefix="smb-", dir="/tmp") as folder:
        for kind, (*_, goal) in _KINDS.items():
            path = Path(folder) / "picture"
            subprocess.run([sys.executable, "-c", _MAKE, str(Path(__file__).parent), kind, str(path), *sys.argv[1:]], check=True)
            (cleaned,) = _cleaned([path])
            row(f"clean copy: {kind}", f"{cleaned.cpu_s:.2f} s CPU", f"peak {cleaned.peak_mb} MB", goal)
    if "PICTURES" in os.environ:
        _measure_folder(Path(os.environ["PICTURES"]))


def _measure_folder(folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = dict(zip(paths, _cleaned(paths), strict=True))
    outcomes = Counter(cleaned.outcome for cleaned in found.values())
    print(f"{len(found)} files below {folder}: {dict(outcomes.most_common())}")
    crashes = sum(outcomes[outcome] for outcome in outcomes if outcome != "ok" and not outcome.startswith("picture_"))
    slow = sorted(found, key=lambda path: -found[path].cpu_s)[:3]
    row("pictures: neither copy nor refusal", str(crashes), "", "goal 0")
    row("pictures: slowest", f"{found[slow[0]].cpu_s:.2f} s CPU", ", ".join(path.name for path in slow))
    row("pictures: peak memory", f"{max(cleaned.peak_mb for cleaned in found.values())} MB")
    row("pictures: copies with metadata", str(sum(cleaned.has_metadata for cleaned in found.values())), "", "goal 0")
    decoded = [path for path in paths if _decodes(path)]
    refused = [path for path in decoded if found[path].outcome != "ok"]
    share = 1 - len(refused) / max(1, len(decoded))
    row("pictures: copied of what Pillow decodes", f"{share:.1%}", f"{len(decoded)} files", "goal >= 98 %")
    for path in refused:
        print(f"  {found[path].outcome}: {path.relative_to(folder)}")


def _cleaned(paths: list[Path]) -> list[Cleaned]:
    """What came of each, found out by a new process: what a child has cost at most is known only of all that a process ever waited for."""
    words = [sys.executable, __file__, "--stdin"]
    done = subprocess.run(words, input="\n".join(map(str, paths)), capture_output=True, text=True, check=True)
    return [Cleaned(*json.loads(line)) for line in done.stdout.splitlines()]


def clean_all() -> None:
    """A line for each path on standard input."""
    cleaner = PictureCleaner(_EDGE)
    with asyncio.Runner() as runner:
        for path in sys.stdin.read().splitlines():
            print(json.dumps(runner.run(_clean(cleaner, Path(path).read_bytes()))))


async def _clean(cleaner: PictureCleaner, data: bytes) -> Cleaned:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    copy = b""
    try:
        copy = (await cleaner.clean(data)).data
        outcome = "ok"
    except DataError as error:
        outcome = error.code
    except Exception as error:  # noqa: BLE001  that none comes is what is measured
        outcome = repr(error)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    per_mb = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Cleaned(outcome, cpu_s, after.ru_maxrss // per_mb, has_metadata=bool(copy) and _has_metadata(copy))


def _has_metadata(copy: bytes) -> bool:
    with Image.open(BytesIO(copy)) as picture:
        known = {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
        return bool(picture.getexif()) or bool(picture.info.keys() - known)


def _decodes(path: Path) -> bool:
    """Pillow opens it and decodes all of its first frame, within the pixels that we take."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=_opened_as()) as picture:
                if picture.width * picture.height > _DECODED_PIXELS and picture.format != "JPEG":
                    return False
                picture.load()
        except Exception:  # noqa: BLE001  then it does not
            return False
    return True


def _opened_as() -> Iterable[str]:
    Image.init()
    return [name for name in _READ if name in Image.OPEN]


if __name__ == "__main__":
    clean_all() if sys.argv[1:] == ["--stdin"] else measure()
