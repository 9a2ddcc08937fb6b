"""Runs on the disk: private, whole lines only, gone when they should be."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.messages import Composed, Usage
from secondme.core.rehearse.archive import RunArchive
from secondme.core.rehearse.records import BlindChoice, Material, PastBurst, RehearsedAnswer, RunHead, Variant

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
HEAD = RunHead(
    id="",
    begun_at=NOW,
    seed=7,
    variants=(Variant(model="large"), Variant(persona="home", model="large")),
    bursts=("b1", "b2"),
    max_micros=500_000,
)


@pytest.fixture
def archive(tmp_path: Path) -> RunArchive:
    return RunArchive(tmp_path / "rehearsals")


def burst(identity: str, contact: str) -> PastBurst:
    return PastBurst(id=identity, contact=contact, at=NOW, asked=(f"asked {contact}",), real=(f"real {contact}",))


def written(archive: RunArchive) -> str:
    with archive.create(HEAD) as file:
        for identity, contact in (("b1", "local:anna"), ("b2", "local:bob")):
            file.add_burst(burst(identity, contact))
            file.add_material(Material(contact=contact, past=(f"past {contact}",)))
            file.keep_call(contact, f"key-{identity}", Composed(f"said {contact} ünï \ud800", Usage(1, 2)), 30)
            for variant in (0, 1):
                answer = RehearsedAnswer(burst=identity, variant=variant, outcome="passed", reply=(f"said {contact}",))
                file.add_answer(answer)
            file.add_choice(BlindChoice(burst=identity, said="no_idea"))
        return file.run.head.id


def test_a_run_is_read_as_it_was_written(archive: RunArchive) -> None:
    run = archive.load(written(archive))
    assert (run.head.seed, run.micros, run.is_complete) == (7, 60, True)
    assert list(run.bursts) == ["b1", "b2"]
    assert set(run.answers) == {("b1", 0), ("b1", 1), ("b2", 0), ("b2", 1)}
    assert set(run.calls) == {"key-b1", "key-b2"}
    assert [each.said for each in run.blind] == ["no_idea", "no_idea"]
    assert archive.latest().head.id == run.head.id


def test_nobody_else_can_read_it(archive: RunArchive) -> None:
    name = written(archive)
    assert stat.S_IMODE(archive.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((archive.directory / f"{name}.jsonl").stat().st_mode) == 0o600


def test_a_torn_line_is_lost_and_nothing_else(archive: RunArchive) -> None:
    name = written(archive)
    path = archive.directory / f"{name}.jsonl"
    whole = path.read_bytes()
    lines = whole.count(b"\n")
    for cut in range(len(whole) - 1, len(whole) - 400, -7):
        path.write_bytes(whole[:cut])
        run = archive.load(name)
        assert len(run.bursts) == 2
        with archive.resume(name) as file:
            file.add_choice(BlindChoice(burst="b1", said="real"))
        assert archive.load(name).blind[-1].said == "real"
        assert path.read_bytes().count(b"\n") <= lines + 1
        assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_an_answer_that_was_tried_again_stands_once_and_a_failed_one_is_open(archive: RunArchive) -> None:
    with archive.create(HEAD) as file:
        file.add_burst(burst("b1", "local:anna"))
        for variant in (0, 1):
            file.add_answer(RehearsedAnswer(burst="b1", variant=variant, outcome="failed", reason="model_down"))
        name = file.run.head.id
    assert not archive.load(name).is_complete
    with archive.resume(name) as file:
        for variant in (0, 1):
            file.add_answer(RehearsedAnswer(burst="b1", variant=variant, outcome="silent"))
    run = archive.load(name)
    assert run.is_complete
    assert [each.outcome for each in run.answers.values()] == ["silent", "silent"]


def test_two_processes_are_not_at_one_run(archive: RunArchive) -> None:
    name = written(archive)
    with archive.resume(name), pytest.raises(BusyError):
        archive.resume(name)
    archive.resume(name).__exit__()


def test_who_is_forgotten_is_in_no_run(archive: RunArchive) -> None:
    name = written(archive)
    assert archive.forget_contact("local:anna") == 1
    raw = (archive.directory / f"{name}.jsonl").read_text()
    assert "local:anna" not in raw
    assert "local:bob" in raw
    assert list(archive.load(name).bursts) == ["b2"]
    assert archive.forget_contact("local:anna") == 0
    assert archive.forget_contact("local:bob") == 1
    assert archive.all() == []
    assert list(archive.directory.iterdir()) == []


def test_runs_live_for_thirty_days(archive: RunArchive) -> None:
    name = written(archive)
    assert archive.expire(NOW + timedelta(days=29)) == 0
    assert archive.expire(NOW + timedelta(days=31)) == 1
    with pytest.raises(NotFoundError):
        archive.load(name)


def test_all_runs_or_one_are_deleted(archive: RunArchive) -> None:
    one, other = written(archive), written(archive)
    assert archive.forget(one) == 1
    assert [each.head.id for each in archive.all()] == [other]
    assert archive.forget() == 1
    assert archive.forget() == 0


@pytest.mark.parametrize("name", ["../../etc/passwd", "2026-11-29-zzzz", "", "2026-11-29-0000"])
def test_a_name_that_is_no_runs_is_not_looked_for(archive: RunArchive, name: str) -> None:
    with pytest.raises(NotFoundError):
        archive.load(name)


def test_a_file_that_is_no_run_hides_no_other(archive: RunArchive) -> None:
    name = written(archive)
    (archive.directory / "2026-11-29-0000.jsonl").write_text("{}\nnot json\n")
    with pytest.raises(DataError, match="cannot be read"):
        archive.load("2026-11-29-0000")
    assert [each.head.id for each in archive.all()] == [name]
