"""Nothing that a test of memory opened stays open: newer Pythons say so, in whichever test comes next."""

from collections.abc import Iterator
from typing import Any

import pytest

from secondme.core.memory.embedding_cache import EmbeddingCache
from secondme.core.memory.library import Memories


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made: list[Any] = []
    for kind in (EmbeddingCache, Memories):
        monkeypatch.setattr(kind, "__init__", recorded(kind.__init__, made))
    yield
    for each in made:
        each.close()


def recorded(begin: Any, made: list[Any]) -> Any:
    """`begin`, which also notes who began."""

    def init(self: Any, *args: Any, **more: Any) -> None:
        made.append(self)
        begin(self, *args, **more)

    return init
