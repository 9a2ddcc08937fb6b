"""Which persona did the owner choose for everybody, and for each relationship? A small hash; the files themselves are not in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.enums import Relationship
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.store.client import Store

_SLOTS = frozenset({"default", *(f"relationship:{each.value}" for each in Relationship)})


class PersonaUse:
    """What the owner chose: slot -> persona id. A slot is `default` or `relationship:<type>`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> dict[str, str]:
        """Every choice there is. What is no choice of ours is left out, and left as it is."""
        found = await self._store.call(self._store.client.hgetall(keys.PERSONA_USE))
        chosen = {slot.decode("utf-8", "replace"): persona.decode("utf-8", "replace") for slot, persona in found.items()}
        return {slot: persona for slot, persona in sorted(chosen.items()) if slot in _SLOTS and persona}

    async def set(self, slot: str, persona: str) -> None:
        """The slot's persona is this one. Repeatable. Raises ValueError for a slot that does not exist."""
        _check(slot)
        await self._store.call(self._store.client.hset(keys.PERSONA_USE, slot, persona))

    async def clear(self, slot: str) -> bool:
        """The slot is empty; true when it was not before. Repeatable. Raises ValueError for a slot that does not exist."""
        _check(slot)
        return bool(await self._store.call(self._store.client.hdel(keys.PERSONA_USE, slot)))


def _check(slot: str) -> None:
    if slot not in _SLOTS:
        raise ValueError("no such slot")
