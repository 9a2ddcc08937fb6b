"""What became of a message? Every stage that it passed, as the scripts that moved it wrote it down."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms
from secondme.core.ids import ContactId
from secondme.core.store import keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.store.client import Store

_PAGE = 500
_NO_FACTS = frozenset({"stage", "at", "messages"})


@dataclass(frozen=True, slots=True)
class Passed:
    """One stage: when (aware UTC), which messages of the contact it was about, and what else is known; facts quote nobody."""

    stage: str
    at: datetime
    messages: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)


def passed(raw: bytes | None) -> Passed | None:
    """The stage that an entry of a trace is; None when there is none, or none that can be read."""
    try:
        value = json.loads(raw or b"")
        facts = {name: each for name, each in value.items() if name not in _NO_FACTS}
        messages = tuple(str(each) for each in value.get("messages") or ())
        return Passed(str(value["stage"]), from_ms(int(value["at"])), messages, facts)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class TraceStore:
    """Reads traces. Writing happens inside the scripts of the gate, the worker and the sender, with the step that is written down."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of_contact(self, contact: ContactId) -> list[Passed]:
        """What a contact's messages passed, oldest first: the newest 400 stages of 7 days. What cannot be read is left out."""
        found = []
        for raw in await self._store.call(self._store.client.lrange(keys.trace(contact), 0, -1)):
            stage = passed(raw)
            if stage is not None:
                found.append(stage)
        return sorted(found, key=lambda each: each.at)

    async def whose(self, message: str, contacts: Sequence[ContactId]) -> list[ContactId]:
        """Which of `contacts` a message with this id was said to or by, as far as the histories and the gate remember."""
        found: list[ContactId] = []
        for start in range(0, len(contacts), _PAGE):
            page = contacts[start : start + _PAGE]
            pipe = self._store.client.pipeline(transaction=False)
            for contact in page:
                pipe.zscore(keys.seen(contact), message)
                pipe.sismember(keys.history_ids(contact), message)
            answers = await self._store.call(pipe.execute())
            for contact, seen, said in zip(page, answers[0::2], answers[1::2], strict=True):
                if seen is not None or said:
                    found.append(ContactId(contact))
        return found

    async def waiting(self, contact: ContactId, message: str) -> str | None:
        """Why the message still waits in the inbox: `queued`, or the cause it was put off for; None when it does not wait."""
        client = self._store.client
        pipe = client.pipeline(transaction=False)
        pipe.lrange(keys.inbox(contact), 0, -1)
        pipe.hget(keys.mailbox(contact), "waiting")
        mail, waiting = await self._store.call(pipe.execute())
        needle = json.dumps(message).encode()
        if not any(b'"messageId":' + needle in raw for raw in mail):
            return None
        return waiting.decode() if waiting else "queued"
