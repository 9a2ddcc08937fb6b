"""Vectors of meaning: kept in a byte a number beside their messages, and compared one by one, by numpy where it is installed."""

from __future__ import annotations

import math
from array import array
from importlib import import_module
from operator import mul
from statistics import fmean, pstdev
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
    return array("b", [round(each / largest * _MOST) if largest else 0 for each in vector]).tobytes()


def nearness(rows: Sequence[tuple[str, int, bytes]], asked: Sequence[float]) -> dict[str, tuple[float, float]]:
    """For each of `rows` (id, session, packed vector; in the order in which they were said) how near it is to `asked`, and how near with
    its neighbours of the same session: distances from the mean in standard deviations, quartered.

    Rows of another dimension than `asked` are left out.
    """
    rows = [row for row in rows if len(row[2]) == len(asked)]
    if not rows:
        return {}
    try:
        np = import_module("numpy")  # only who has vectors pays for it, and it is no dependency
    except ImportError:
        return _nearness(rows, asked)
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


def _nearness(rows: Sequence[tuple[str, int, bytes]], asked: Sequence[float]) -> dict[str, tuple[float, float]]:
    """The same without numpy, in forty times the time."""
    length = max(math.sqrt(_sumprod(asked, asked)), _LEAST_SPREAD)
    cosine = []
    for _, _, packed in rows:
        stored = array("b", packed)
        cosine.append(_sumprod(stored, asked) / max(math.sqrt(_sumprod(stored, stored)) * length, _LEAST_SPREAD))
    together = list(cosine)
    for at in range(1, len(rows)):
        if rows[at][1] == rows[at - 1][1]:
            together[at] += _NEIGHBOUR * cosine[at - 1]
            together[at - 1] += _NEIGHBOUR * cosine[at]
    mean = fmean(cosine)
    spread = (pstdev(cosine, mean) + _LEAST_SPREAD) * _QUARTER
    return {
        row[0]: ((one - mean) / spread, (two - 2 * mean) / (2 * spread))
        for row, one, two in zip(rows, cosine, together, strict=True)
    }


def _sumprod(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(mul, one, other))
