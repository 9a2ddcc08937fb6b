"""Vectors of meaning: kept with their messages, gone with them, and near to what means the same."""

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from secondme.core.config.models import MemorySettings
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import read_query
from secondme.core.memory.ranking import MemoryHints
from secondme.core.memory.vectors import nearness, pack_vector

START_MS = 1_700_000_000_000


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_a_vector_keeps_its_direction_in_a_byte_a_number(vector: list[float]) -> None:
    packed = pack_vector(vector)
    signed = [each - 256 if each > 127 else each for each in packed]
    largest = max(map(abs, vector), default=0.0)
    assert len(packed) == len(vector)
    assert all(abs(kept / 127 - each / largest) <= 0.5 / 127 + 1e-9 for kept, each in zip(signed, vector, strict=True) if largest)


def test_what_means_the_same_is_near_and_neighbours_help() -> None:
    same, other = pack_vector([1, 0, 0]), pack_vector([0, 1, 0])
    rows = [("beside", 1, other), ("same", 1, same), ("apart", 2, other), ("far", 3, pack_vector([-1, 0, 0])), ("wrong", 3, b"12")]
    near = nearness(rows, [5, 0, 0])
    assert set(near) == {"beside", "same", "apart", "far"}
    assert near["same"][0] > near["beside"][0] == near["apart"][0] > near["far"][0]
    assert near["beside"][1] > near["apart"][1]
    assert nearness([], [1.0]) == {}


def test_vectors_go_with_their_messages_and_with_their_words(tmp_path: Path) -> None:
    memories = Memories(tmp_path, MemorySettings())
    texts = ("our dog sleeps", "Rex was at the vet", "bread and butter", "…")
    memories.append("a", [MemoryMessage(f"m{n}", START_MS + n * 86_400_000, "contact", text) for n, text in enumerate(texts)])
    assert [each for each, _ in memories.without_vector("a", "model", 9)] == ["m2", "m1", "m0"]
    memories.keep_vectors("a", "model", {"m0": [1.0, 0.0], "m1": [0.9, 0.1], "m2": [0.0, 1.0], "unknown": [1.0, 1.0]})
    assert memories.without_vector("a", "model", 9) == []
    assert len(memories.without_vector("a", "another", 9)) == 3
    assert memories.meanings("a", "another", [1.0, 0.0]) == {}
    hints = {"a": MemoryHints(meanings=memories.meanings("a", "model", [1.0, 0.0]))}
    assert [row.message.id for row in memories.search(["a"], read_query("dog"), hints=hints)] == ["m0", "m1", "m2"]
    memories.edit("a", "m0", "our cat sleeps")
    memories.forget_messages("a", ["m2"])
    assert list(memories.meanings("a", "model", [1.0, 0.0])) == ["m1"]
    assert [each for each, _ in memories.without_vector("a", "model", 9)] == ["m0"]
    memories.close()


def test_keywords_need_no_numpy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from secondme.core.config.models import MemorySettings;"
        "from secondme.core.memory.library import Memories; from secondme.core.memory.query import read_query;"
        "from secondme.core.memory.index import MemoryMessage; memories = Memories(Path(sys.argv[1]), MemorySettings());"
        "memories.append('a', [MemoryMessage('m', 0, 'contact', 'apple')]);"
        "assert memories.search(['a'], read_query('apple')); memories.keep_vectors('a', 'model', {'m': [1.0]});"
        "print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
