"""How conversations stand, read for the page that shows them, in pipelines of bounded length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from secondme.core.errors import DataError
from secondme.core.gateway.store import Passed, TraceStore, passed
from secondme.core.records import Mail, OutboxRow, Record, Turn
from secondme.core.remember.store import RelationshipState, RelationshipStore
from secondme.core.store import keys
from secondme.core.store.history import HistoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.ids import ContactId
    from secondme.core.store.client import Store

R = TypeVar("R", bound=Record)

_PAGE = 500
_MOST_MAIL = 200
_MOST_ROWS = 50


@dataclass(frozen=True, slots=True)
class Talk:
    """How the conversation with one contact stands."""

    newest: Turn | None
    at_ms: int
    """When the newest turn was said; 0 when nothing was."""
    last: Passed | None
    """The stage that was written down last."""
    queued: int
    """Messages in the inbox."""
    waiting: str
    """Why they wait: empty when nothing put them off."""
    is_begun: bool
    """True while a worker is at them."""
    unsent: int
    """Messages of the clone's that are on their way."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Everything that is known of one conversation."""

    turns: list[Turn]
    stages: list[Passed]
    mail: list[Mail]
    waiting: str
    is_begun: bool
    unsent: list[OutboxRow]
    standing: RelationshipState


class Talks:
    """Reads conversations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ranked(self, contacts: Sequence[ContactId]) -> dict[str, int]:
        """Contact -> when its newest turn was said (Unix ms), for those to or by whom anything was."""
        found: dict[str, int] = {}
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            pipe = self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.zrevrange(keys.history(contact), 0, 0, withscores=True)
            for contact, newest in zip(page, await self._store.call(pipe.execute()), strict=True):
                if newest:
                    found[contact] = int(newest[0][1])
        return found

    async def of(self, contacts: Sequence[ContactId]) -> dict[str, Talk]:
        """How each of these few contacts' conversations stands."""
        found: dict[str, Talk] = {}
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            pipe = self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.zrevrange(keys.history(contact), 0, 0, withscores=True)
                pipe.lindex(keys.trace(contact), -1)
                pipe.llen(keys.inbox(contact))
                pipe.hmget(keys.mailbox(contact), "waiting", "lease_owner")
                pipe.llen(keys.outbox(contact))
            answers = await self._store.call(pipe.execute())
            for at, contact in enumerate(page):
                newest, stage, queued, (waiting, worker), unsent = answers[5 * at : 5 * at + 5]
                found[contact] = Talk(
                    newest=_decoded(Turn, newest[0][0], keys.history(contact)) if newest else None,
                    at_ms=int(newest[0][1]) if newest else 0,
                    last=passed(stage),
                    queued=queued,
                    waiting=_words(waiting),
                    is_begun=bool(worker),
                    unsent=unsent,
                )
        return found

    async def conversation(self, contact: ContactId) -> Conversation:
        """Everything of one contact. What cannot be read is left out."""
        pipe = self._store.client.pipeline(transaction=False)
        pipe.lrange(keys.inbox(contact), 0, _MOST_MAIL - 1)
        pipe.hmget(keys.mailbox(contact), "waiting", "lease_owner")
        pipe.lrange(keys.outbox(contact), 0, _MOST_ROWS - 1)
        mail, (waiting, worker), rows = await self._store.call(pipe.execute())
        unsent = [row for raw in rows if (row := _decoded(OutboxRow, raw, keys.outbox(contact)))]
        return Conversation(
            turns=await HistoryStore(self._store).said(contact),
            stages=await TraceStore(self._store).of_contact(contact),
            mail=[each for raw in mail if (each := _decoded(Mail, raw, keys.inbox(contact)))],
            waiting=_words(waiting),
            is_begun=bool(worker),
            unsent=[row for row in unsent if row.kind == "reply"],
            standing=await RelationshipStore(self._store).of(contact),
        )


def _decoded(kind: type[R], raw: bytes, key: str) -> R | None:
    try:
        return kind.decode(raw, key)
    except DataError:
        return None


def _words(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")
