"""What does an owner ask first? When something was last heard and said, who is paused until when, and what today cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.store import keys

if TYPE_CHECKING:
    from secondme.core.store.client import Store

_MOST_CONTACTS = 1000
_PAGE = 250
"""Contacts of one script: it holds up everybody else for a millisecond."""


@dataclass(frozen=True, slots=True)
class PausedContact:
    """An approved contact that is not answered, until `until_ms` (Unix) or until somebody ends it."""

    contact_id: str
    until_ms: int | None


@dataclass(frozen=True, slots=True)
class Glance:
    """The newest of everything. Times are Unix ms, None when there is none within the 7 days that histories last."""

    last_received_ms: int | None
    last_sent_ms: int | None
    """When a reply of the clone last reached a contact."""
    paused: tuple[PausedContact, ...]
    """By contact id."""
    today_micros: int
    """What the models cost today (UTC), in millionths of a dollar."""


class GlanceStore:
    """Reads, never writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self) -> Glance:
        """How it is now. Two round trips, and one more for each 250 contacts; looks at the 1,000 contacts that were let in last."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.time()
        pipe.zrevrange(keys.INDEX_APPROVED, 0, _MOST_CONTACTS - 1)
        (seconds, micros), members = await self._store.call(pipe.execute())
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        spent = await self._store.call(client.hget(keys.token_stats(f"{from_ms(now_ms):%Y-%m-%d}"), "micros"))
        contacts = [member.decode() for member in members]
        heard = said = 0
        paused: list[PausedContact] = []
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            names = tuple(name for contact in page for name in (keys.history(contact), keys.pause(contact)))
            heard_here, said_here, *pauses = await self._store.run("glance", names)
            heard, said = max(heard, int(heard_here)), max(said, int(said_here))
            for index, left in zip(pauses[::2], pauses[1::2], strict=True):
                paused.append(PausedContact(page[int(index)], now_ms + int(left) if int(left) >= 0 else None))
        return Glance(
            last_received_ms=heard or None,
            last_sent_ms=said or None,
            paused=tuple(sorted(paused, key=lambda each: each.contact_id)),
            today_micros=max(0, int(spent)) if spent and spent.removeprefix(b"-").isdigit() else 0,
        )
