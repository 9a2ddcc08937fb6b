"""What does reading a million lines of an exported chat cost beside merely iterating them? Each in a process of its own. Prints; decides nothing."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from counts import count

LINES = count(1_000_000, 10_000)
ROUNDS = count(3, 1)
WORDS = [
    "hey",
    "are",
    "we",
    "still",
    "on",
    "for",
    "dinner",
    "tomorrow",
    "booked",
    "the",
    "table",
    "by",
    "window",
    "and",
    "your",
    "sister",
    "meets",
    "us",
    "at",
    "lake",
    "ok",
    "😀",
    "quizás",
    "später",
]
_END = """
import resource, time
print(time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
_FLOOR = """
import sys
for _ in range(2):
    with open(sys.argv[1], encoding="utf-8") as file:
        count = sum(1 for _ in file)
"""
_OURS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from secondme.core.exports.export_file import ExportFile
from secondme.core.exports.importer import WHATSAPP, FileReport, Importer, ImportOptions
importer = Importer(None, ImportOptions(zone=UTC, now=datetime(2026, 11, 22, tzinfo=UTC), me="Sam", contact="local:anna"))
report = FileReport(Path(sys.argv[1]))
(step,) = importer._read_whatsapp(report, ExportFile(report.path, WHATSAPP))
assert report.whatsapp.lines == int(sys.argv[2]) and len(step.gathered.own) == 300
"""


def android(random: Random) -> Iterator[str]:
    """German Android: one line in seven goes on with the message before it."""
    moment = datetime(2020, 1, 1)  # noqa: DTZ001  as exports have it
    for number in range(LINES):
        words = " ".join(random.choices(WORDS, k=random.randrange(1, 14)))
        if number and random.random() < 0.15:
            yield words
            continue
        moment += timedelta(minutes=random.randrange(4))
        yield f"{moment:%d.%m.%y, %H:%M} - {random.choice(('Sam', 'Anna Example'))}: {words if random.random() > 0.04 else '<Medien ausgeschlossen>'}"


def ios(random: Random) -> Iterator[str]:
    """American iOS: marks, seconds, halves of the day, and what it inserts."""
    moment = datetime(2020, 1, 1)  # noqa: DTZ001  as exports have it
    for number in range(LINES):
        words = " ".join(random.choices(WORDS, k=random.randrange(1, 14)))
        if number and random.random() < 0.15:
            yield words
            continue
        moment += timedelta(seconds=random.randrange(240))
        head = f"[{moment.month}/{moment.day}/{moment:%y}, {moment.hour % 12 or 12}:{moment:%M:%S}\u202f{'AM' if moment.hour < 12 else 'PM'}] "
        inserted = random.random() < 0.04
        yield f"{chr(0x200E) if inserted else ''}{head}{random.choice(('Sam', 'Anna Example'))}: {chr(0x200E) + 'image omitted' if inserted else words}"


def spent(code: str, path: Path) -> tuple[float, float]:
    """Best CPU seconds and peak megabytes of a process of its own."""
    best, peak = 1e9, 1e9
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", code + _END, str(path), str(LINES)], capture_output=True, text=True, check=True
        )
        seconds, megabytes = map(float, done.stdout.split())
        best, peak = min(best, seconds), min(peak, megabytes)
    return best, peak


def measure() -> None:
    """Prints a row for each of two dialects, and one for the floor."""
    forms: dict[str, Callable[[Random], Iterator[str]]] = {"Android": android, "iOS": ios}
    with tempfile.TemporaryDirectory(prefix="smb-", dir="/tmp") as folder:
        for name, form in forms.items():
            path = Path(folder) / "chat.txt"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in form(Random(7)))
            floor, floor_mb = spent(_FLOOR, path)
            ours, ours_mb = spent(_OURS, path)
            what = f"import {name}, {LINES:,} lines, two passes"
            print(f"{what:<44} {ours:>14.2f} s  {f'iterating {floor:.2f} s':>22}  CPU; goal <= 8.5 s for a million")
            print(f"{what:<44} {ours_mb:>13.0f} MB  {f'iterating {floor_mb:.0f} MB':>22}  peak, whatever the length")


if __name__ == "__main__":
    measure()
