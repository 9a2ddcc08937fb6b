"""The vector file against a plain dict, with and without numpy, torn, stale and used by two at once."""

import math
import os
import random
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from secondme.core.memory import vectors as module
from secondme.core.memory.vectors import VectorFile

MODEL = "openai/text-embedding-3-small"
TOLERANCE = 0.02
"""Of a cosine: 8 bits a number."""


def unit(seed: int, dimensions: int) -> list[float]:
    rng = random.Random(seed)
    numbers = [rng.gauss(0, 1) for _ in range(dimensions)]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.fixture(params=["numpy", "plain"])
def _arithmetic(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "plain":

        def refuse(name: str) -> None:
            raise ImportError(name)

        monkeypatch.setattr(module, "import_module", refuse)
    else:
        pytest.importorskip("numpy")


class Machine(RuleBasedStateMachine):
    """Whatever is done, the file has the vectors of a dict, and no byte of anything else."""

    dimensions = 12

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.path.unlink(missing_ok=True)
        self.expected: dict[int, list[float]] = {}

    @property
    def file(self) -> VectorFile:
        return VectorFile(self.path, MODEL, self.dimensions)

    @rule(vectors=st.dictionaries(st.integers(1, 12), st.integers(), max_size=5))
    def put(self, vectors: dict[int, int]) -> None:
        new = {number: unit(seed, self.dimensions) for number, seed in vectors.items()}
        self.file.put(new.items())
        self.expected |= new

    @rule(numbers=st.sets(st.integers(0, 14), max_size=6))
    def erase(self, numbers: set[int]) -> None:
        assert self.file.erase(numbers) == len(numbers & self.expected.keys())
        for number in numbers:
            self.expected.pop(number, None)

    @rule(size=st.integers(1, 31))
    def tear(self, size: int) -> None:
        """A writer was killed within its last row; the next one writes over what it left."""
        if self.path.exists():
            rows = self.path.read_bytes()
            with self.path.open("r+b") as file:
                file.seek(len(rows) // 32 * 32)
                file.write(b"\xff" * size)
                file.truncate()

    @rule()
    def remove(self) -> None:
        self.file.remove()
        self.expected.clear()

    @invariant()
    def same(self) -> None:
        query = unit(7, self.dimensions)
        cosines = {number: dot(query, vector) for number, vector in self.expected.items()}
        assert self.file.numbers() == self.expected.keys()
        assert self.file.scores(query, range(20)) == {
            number: pytest.approx(each, abs=TOLERANCE) for number, each in cosines.items()
        }
        top = self.file.top(query, 3)
        assert [score for _, score in top] == pytest.approx(sorted(cosines.values(), reverse=True)[:3], abs=TOLERANCE)
        assert all(cosines[number] == pytest.approx(score, abs=TOLERANCE) for number, score in top)
        if not self.expected and self.path.exists():
            rows = self.path.read_bytes()[256:]
            assert not any(rows[: len(rows) // 32 * 32])


@pytest.mark.usefixtures("_arithmetic")
def test_the_file_has_what_was_put_and_not_erased(tmp_path: Path) -> None:
    run_state_machine_as_test(
        lambda: Machine(tmp_path / "v" / "vectors"), settings=settings(max_examples=25, stateful_step_count=10, deadline=None)
    )


@given(seed=st.integers(), dimensions=st.sampled_from([1, 2, 7, 8, 384, 1536]))
def test_a_cosine_is_right_to_two_digits(tmp_path_factory: pytest.TempPathFactory, seed: int, dimensions: int) -> None:
    path = tmp_path_factory.getbasetemp() / f"v{dimensions}"
    file, vector, query = VectorFile(path, MODEL, dimensions), unit(seed, dimensions), unit(seed + 1, dimensions)
    file.put([(1, array("f", vector))])
    assert file.top(query, 1) == [(1, pytest.approx(dot(vector, query), abs=TOLERANCE))]


def test_the_best_come_first_in_a_file_of_many_chunks(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    file = VectorFile(tmp_path / "v", MODEL, 4)
    vectors = {number: unit(number, 4) for number in range(1, 10_000)}
    file.put(vectors.items())
    query = unit(-1, 4)
    best = sorted(vectors, key=lambda number: -dot(query, vectors[number]))[:10]
    assert dict(file.top(query, 200)).keys() >= set(best)
    assert [score for _, score in file.top(query, 10)] == pytest.approx([dot(query, vectors[n]) for n in best], abs=TOLERANCE)
    assert len(file.top(query, 20_000)) == 9_999


def test_another_model_makes_it_stale_and_begins_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "v"
    old, new, longer = VectorFile(path, "a", 4), VectorFile(path, "b", 4), VectorFile(path, "a", 8)
    assert [each.is_stale for each in (old, new, longer)] == [False] * 3
    old.put([(1, unit(1, 4))])
    assert [each.is_stale for each in (old, new, longer)] == [False, True, True]
    assert (new.numbers(), new.top(unit(1, 4), 5), new.erase([1]), longer.numbers()) == (set(), [], 0, set())
    assert old.numbers() == {1}
    new.put([(2, unit(2, 4))])
    assert (new.numbers(), new.is_stale, old.is_stale, old.numbers()) == ({2}, False, True, set())


def test_a_file_of_something_else_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "v"
    for garbage in (b"", b"\0", os.urandom(5000)):
        path.write_bytes(garbage)
        file = VectorFile(path, MODEL, 4)
        assert (file.numbers(), file.is_stale) == (set(), True)
        file.put([(1, unit(1, 4))])
        assert file.numbers() == {1}


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    file = VectorFile(tmp_path / "memory" / "v", MODEL, 4)
    file.put([(1, unit(1, 4))])
    assert (tmp_path / "memory" / "v").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "memory").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("row", [(0, [1.0, 0.0]), (1, [1.0]), (1, [0.0, 0.0]), (1, [math.nan, 1.0]), (1, [math.inf, 1.0])])
def test_what_is_no_vector_is_refused(tmp_path: Path, row: tuple[int, list[float]]) -> None:
    with pytest.raises(ValueError, match="vector"):
        VectorFile(tmp_path / "v", MODEL, 2).put([row])
    assert not (tmp_path / "v").exists()


def test_a_query_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="length"):
        VectorFile(tmp_path / "v", MODEL, 2).top([1.0], 1)


@pytest.mark.parametrize("steps", range(9))
@pytest.mark.parametrize("work", ["put", "overwrite", "erase"])
def test_a_writer_that_is_killed_leaves_whole_vectors_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, steps: int
) -> None:
    """Killed before each of its writes in turn, and, where it is longer than a word, within the last of them."""
    file = VectorFile(tmp_path / "v", MODEL, 4)
    before, after = unit(1, 4), unit(2, 4)
    file.put([(1, before), (2, before)])
    left = steps

    def write(descriptor: int, data: bytes, at: int) -> int:
        nonlocal left
        if left <= 0:
            os.pwrite(descriptor, data[: len(data) // 16 * 8], at) if steps % 2 else None
            raise KeyboardInterrupt
        left -= 1
        return os.pwrite(descriptor, data, at)

    class System:
        def __getattr__(self, name: str) -> object:
            return write if name == "pwrite" else getattr(os, name)

    with monkeypatch.context() as patched:
        patched.setattr(module, "os", System())
        try:
            if work == "erase":
                file.erase([1, 2])
            else:
                file.put([(1 if work == "overwrite" else 3, after), (2, before)])
        except KeyboardInterrupt:
            pass
    good = [1.0, pytest.approx(dot(before, after), abs=TOLERANCE), pytest.approx(1, abs=TOLERANCE)]
    for query in (before, after):
        assert all(score in good for _, score in file.top(query, 9))
    file.erase([1, 2, 3])
    assert not any((tmp_path / "v").read_bytes()[256:]), "what is erased again after the kill is gone"


WRITER = """
import sys
from pathlib import Path
from secondme.core.memory.vectors import VectorFile
file = VectorFile(Path(sys.argv[1]), "m", 4)
first = int(sys.argv[2])
for number in range(first, first + 200):
    file.put([(number, [0.5, 0.5, 0.5, 0.5])])
    if number % 3 == 0:
        file.erase([number])
"""


def test_two_processes_that_write_lose_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WRITER, str(tmp_path / "v")]
    running = [subprocess.Popen([*words, str(first)]) for first in (1, 1001)]
    assert [each.wait() for each in running] == [0, 0]
    expected = {number for first in (1, 1001) for number in range(first, first + 200) if number % 3}
    assert VectorFile(tmp_path / "v", "m", 4).numbers() == expected


def test_only_who_searches_imports_numpy() -> None:
    code = "import sys, secondme.core.memory.vectors; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
