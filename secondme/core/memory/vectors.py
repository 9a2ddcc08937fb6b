"""Vectors of meaning: kept in a byte a number beside their messages, and compared one by one. numpy is needed to compare them only."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST = 127
_NEIGHBOUR = 0.5
_QUARTER = 4
"""Distances are stated in quarters of themselves, so that weights are of the size of the others."""
_LEAST_SPREAD = 1e-6


def pack_vector(vector: Sequence[float]) -> bytes:
    """`vector` in a signed byte a number, its largest one as 127: its direction counts, not its length. Zeros stay zeros."""
    largest = max(map(abs, vector), default=0.0)
    scale = _MOST / largest if largest else 0.0
    return array("b", [round(each * scale) for each in vector]).tobytes()


def nearness(rows: Sequence[tuple[str, int, bytes]], asked: Sequence[float]) -> dict[str, tuple[float, float]]:
    """For each of `rows` (id, session, packed vector; in the order in which they were said) how near it is to `asked`, and how near with
    its neighbours of the same session: distances from the mean in standard deviations, quartered.

    Rows of another dimension than `asked` are left out.
    """
    rows = [row for row in rows if len(row[2]) == len(asked)]
    if not rows:
        return {}
    import numpy as np  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  only who has vectors pays for it, and has it

    stored = np.frombuffer(b"".join(row[2] for row in rows), np.int8).reshape(len(rows), len(asked)).astype(np.float32)
    cosine = stored @ np.asarray(asked, np.float32)
    cosine /= np.maximum(np.linalg.norm(stored, axis=1) * max(float(np.linalg.norm(asked)), _LEAST_SPREAD), _LEAST_SPREAD)
    sessions = np.array([row[1] for row in rows])
    together = cosine.copy()
    joined = sessions[1:] == sessions[:-1]
    together[1:] += _NEIGHBOUR * cosine[:-1] * joined
    together[:-1] += _NEIGHBOUR * cosine[1:] * joined
    mean, spread = cosine.mean(), cosine.std() + _LEAST_SPREAD
    alone, near = (cosine - mean) / spread / _QUARTER, (together - 2 * mean) / (2 * spread) / _QUARTER
    return {row[0]: (float(one), float(two)) for row, one, two in zip(rows, alone, near, strict=True)}
