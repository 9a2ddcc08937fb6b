"""Runs, as they are kept: a file each, a JSON object a line, written down before it is said. Private words: 0600, thirty days, in no backup.

A run that was killed loses the line under way at most. Whoever is revoked or forgotten is in no run any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.files import hold, new_file, private_dir, write_private
from secondme.core.rehearse.purse import outcome_from_json, outcome_to_json
from secondme.core.rehearse.records import BlindChoice, Material, PastBurst, RehearsedAnswer, RunHead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path
    from typing import BinaryIO

    from secondme.core.messages import ModelOutcome
    from secondme.core.records import Record

KEPT = timedelta(days=30)
_RUN = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{4}")
_SUFFIX = ".jsonl"
_LOCK = ".lock"


@dataclass(slots=True)
class RehearsalRun:
    """One run, as far as it came."""

    head: RunHead
    bursts: dict[str, PastBurst] = field(default_factory=dict)
    answers: dict[tuple[str, int], RehearsedAnswer] = field(default_factory=dict)
    """By burst and variant; what was tried again stands once."""
    materials: dict[str, Material] = field(default_factory=dict)
    calls: dict[str, ModelOutcome] = field(default_factory=dict)
    """What was paid for."""
    blind: list[BlindChoice] = field(default_factory=list)
    micros: int = 0

    def beside(self, other: RehearsalRun) -> RehearsalRun:
        """Both on what both answered: the variants of `other`, and then its own. Nothing of either is changed."""
        variants = (*(each.model_copy(update={"run": run.head.id}) for run in (other, self) for each in run.head.variants),)
        shift = len(other.head.variants)
        moved = {
            (burst, at + shift): answer.model_copy(update={"variant": at + shift}) for (burst, at), answer in self.answers.items()
        }
        common = {burst: record for burst, record in self.bursts.items() if burst in other.bursts}
        return RehearsalRun(
            self.head.model_copy(update={"variants": variants}),
            common,
            {key: each for key, each in (other.answers | moved).items() if key[0] in common},
            self.materials,
            blind=[*other.blind, *(each.model_copy(update={"variant": each.variant + shift}) for each in self.blind)],
            micros=self.micros,
        )

    @property
    def is_complete(self) -> bool:
        """Whether every answer was rehearsed in every variant."""
        wanted = {(burst, at) for burst in self.bursts for at in range(len(self.head.variants))}
        return wanted <= {key for key, each in self.answers.items() if each.outcome != "failed"}


class RunFile:
    """A run that is being written to."""

    def __init__(self, run: RehearsalRun, file: BinaryIO, lock: int) -> None:
        self.run = run
        self._file = file
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        os.close(self._lock)

    def add_burst(self, burst: PastBurst) -> None:
        """Its real answer is rehearsed."""
        self._write("burst", burst, burst.contact)
        self.run.bursts[burst.id] = burst

    def add_material(self, material: Material) -> None:
        """What a contact's answers are measured beside."""
        self._write("material", material, material.contact)
        self.run.materials[material.contact] = material

    def add_answer(self, answer: RehearsedAnswer) -> None:
        """What the clone wrote."""
        self._write("answer", answer, self.run.bursts[answer.burst].contact)
        self.run.answers[answer.burst, answer.variant] = answer

    def add_choice(self, choice: BlindChoice) -> None:
        """What the owner said of a pair."""
        self._write("blind", choice, self.run.bursts[choice.burst].contact)
        self.run.blind.append(choice)

    def keep_call(self, contact: str, key: str, outcome: ModelOutcome, micros: int) -> None:
        """A call was paid for."""
        self._line({"kind": "call", "contact": contact, "key": key, "micros": micros, "outcome": outcome_to_json(outcome)})
        self.run.calls[key] = outcome
        self.run.micros += micros

    def _write(self, kind: str, record: Record, contact: str = "") -> None:
        self._line({"kind": kind, "contact": contact, "record": json.loads(record.encode())})

    def _line(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


class RunArchive:
    """The runs of a home."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Where they are, private."""
        return private_dir(self._directory)

    def create(self, head: RunHead) -> RunFile:
        """The file of a new run, open. `head.id` is chosen here."""
        while True:
            named = head.model_copy(update={"id": f"{head.begun_at:%Y-%m-%d}-{secrets.token_hex(2)}"})
            path = self._path(named.id)
            try:
                file = new_file(path)
            except FileExistsError:
                continue
            break
        opened = RunFile(RehearsalRun(named), file, self._held(path))
        opened._write("run", named)  # noqa: SLF001  its own module's
        return opened

    def resume(self, run_id: str) -> RunFile:
        """The run, open to be gone on with. Raises NotFoundError; BusyError while another process is at it."""
        path = self._existing(run_id)
        lock = self._held(path)
        raw = path.read_bytes()
        if raw and not raw.endswith(b"\n"):  # killed in the middle of a line
            write_private(path, raw[: raw.rfind(b"\n") + 1])
        return RunFile(self.load(run_id), path.open("ab"), lock)

    def load(self, run_id: str) -> RehearsalRun:
        """The run, as far as it came. Raises NotFoundError, and DataError for a file that is no run."""
        return _decoded(run_id, list(_rows(self._existing(run_id))))

    def all(self) -> list[RehearsalRun]:
        """Every run, the newest first; what is no run is left out."""
        found = []
        for path in self._files():
            try:
                found.append(self.load(path.stem))
            except (DataError, NotFoundError):
                continue
        return sorted(found, key=lambda each: (each.head.begun_at, each.head.id), reverse=True)

    def stamps(self) -> dict[str, tuple[int, int]]:
        """Each run's id, and what is another whenever the run is written to. Nothing is read of it."""
        found = {}
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found[path.stem] = status.st_mtime_ns, status.st_size
        return found

    def compared(self, run: RehearsalRun) -> RehearsalRun:
        """The run beside the one that it is compared with, where that is still there; else itself."""
        try:
            return run.beside(self.load(run.head.against)) if run.head.against else run
        except (DataError, NotFoundError):
            return run

    def latest(self) -> RehearsalRun:
        """The newest run. Raises NotFoundError when there is none."""
        runs = self.all()
        if not runs:
            raise NotFoundError("no_rehearsal", "Nothing was rehearsed yet.", "secondme rehearse")
        return runs[0]

    def forget(self, run_id: str | None = None) -> int:
        """No run is left, or not this one; how many there were. Repeatable."""
        paths = [path for path in self._files() if run_id in {None, path.stem}]
        for path in paths:
            self._remove(path)
        return len(paths)

    def expire(self, now: datetime) -> int:
        """Runs older than thirty days are gone; how many there were. Repeatable."""
        old = [path for path in self._files() if not self._begun_after(path, now - KEPT)]
        for path in old:
            self._remove(path)
        return len(old)

    def forget_contact(self, contact: str) -> int:
        """No run has a word of this contact's, or to them; in how many runs there was one. Repeatable."""
        count = 0
        for path in self._files():
            rows = list(_rows(path))
            kept = [row for row in rows if row.get("contact") != contact]
            if len(kept) == len(rows):
                continue
            count += 1
            left = {row["record"]["id"] for row in kept if row.get("kind") == "burst"}
            for row in kept:
                if row.get("kind") == "run":
                    row["record"]["bursts"] = [each for each in row["record"]["bursts"] if each in left]
            if left:
                write_private(path, b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in kept))
            else:
                self._remove(path)
        return count

    def _files(self) -> list[Path]:
        return sorted(path for path in self._directory.glob(f"*{_SUFFIX}") if path.is_file()) if self._directory.exists() else []

    def _path(self, run_id: str) -> Path:
        return self.directory / f"{run_id}{_SUFFIX}"

    def _existing(self, run_id: str) -> Path:
        path = self._directory / f"{run_id}{_SUFFIX}"
        if not _RUN.fullmatch(run_id) or not path.is_file():
            raise NotFoundError("no_such_rehearsal", "There is no such rehearsal.", "secondme rehearse --runs")
        return path

    def _begun_after(self, path: Path, when: datetime) -> bool:
        try:
            return self.load(path.stem).head.begun_at >= when
        except (DataError, NotFoundError):
            return path.stat().st_mtime >= when.timestamp()

    def _held(self, path: Path) -> int:
        lock = hold(path.with_suffix(_LOCK))
        if lock is None:
            raise BusyError("rehearsal_busy", "Another process is at this rehearsal.", "Wait until it has ended.")
        return lock

    def _remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        path.with_suffix(_LOCK).unlink(missing_ok=True)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """What the file's whole lines say; a line that is none, the last of a killed process, is passed over."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return
    for line in raw.split(b"\n"):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _decoded(run_id: str, rows: list[dict[str, Any]]) -> RehearsalRun:
    head = next((row for row in rows if row.get("kind") == "run"), None)
    if head is None:
        raise DataError("corrupt_rehearsal", f"The rehearsal {run_id} cannot be read.", "secondme rehearse --forget")
    run = RehearsalRun(RunHead.decode(json.dumps(head["record"]), run_id))
    for row in rows:
        raw = json.dumps(row.get("record"))
        match row.get("kind"):
            case "burst":
                burst = PastBurst.decode(raw, run_id)
                run.bursts[burst.id] = burst
            case "material":
                material = Material.decode(raw, run_id)
                run.materials[material.contact] = material
            case "answer":
                answer = RehearsedAnswer.decode(raw, run_id)
                run.answers[answer.burst, answer.variant] = answer
            case "blind":
                run.blind.append(BlindChoice.decode(raw, run_id))
            case "call":
                try:
                    run.calls[row["key"]] = outcome_from_json(row["outcome"])
                    run.micros += int(row["micros"])
                except (KeyError, TypeError, ValueError) as error:
                    raise DataError("corrupt_rehearsal", f"The rehearsal {run_id} cannot be read.") from error
            case _:  # of a newer version
                pass
    return run
