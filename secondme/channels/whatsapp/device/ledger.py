"""Did we send that already, and was it us who wrote that? Remembered for the life of this process, bounded.

A caller that timed out asks again under the same id, and gets what became of the first: nothing is sent twice. WhatsApp could show
us our own message before the call that sent it returns, so who judges a message from the owner's account waits for such calls.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

_KEPT = 4096
Outcome = dict[str, Any]
"""`outcome`: `sent` with `id`, `not_sent`, `undeliverable` or `unknown` with `reason`."""


@dataclass(slots=True)
class _Sending:
    contact: str
    calls: list[int] = field(default_factory=list)
    outcome: Outcome | None = None


class Ledger:
    """What was sent, by the caller's id and by WhatsApp's."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, _Sending] = OrderedDict()
        self._ours: OrderedDict[str, None] = OrderedDict()
        self._changed = threading.Condition()
        self._is_closed = False

    def begin(self, client_id: str, contact: str, call: int) -> Outcome | bool:
        """True: send it now. False: it is being sent, and `call` is answered with the others. Else what became of it."""
        with self._changed:
            row = self._rows.get(client_id)
            if row is None:
                self._rows[client_id] = _Sending(contact, [call])
                return True
            if row.outcome is not None:
                return row.outcome
            row.calls.append(call)
            return False

    def finish(self, client_id: str, outcome: Outcome) -> list[int]:
        """That became of it; the calls to be answered. What certainly did not go out is forgotten, so that it can be tried again."""
        with self._changed:
            row = self._rows[client_id]
            row.outcome = outcome
            if outcome["outcome"] == "not_sent":
                del self._rows[client_id]
            if outcome.get("id"):
                self._ours[outcome["id"]] = None
            _trim(self._ours)
            self._drop_oldest()
            self._changed.notify_all()
            return row.calls

    def settle(self, contacts: frozenset[str], timeout_s: float) -> None:
        """Nothing is being sent to any of `contacts` (the ids of one person), or `timeout_s` is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or not self._is_sending(contacts), timeout_s)

    def close(self) -> None:
        """Nobody waits for a send any more: this process ends. Repeatable."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def is_ours(self, native_id: str) -> bool:
        """True when this process sent the message."""
        with self._changed:
            return native_id in self._ours

    def _is_sending(self, contacts: frozenset[str]) -> bool:
        return any(row.outcome is None and row.contact in contacts for row in self._rows.values())

    def _drop_oldest(self) -> None:
        """Rows in flight stay: forgetting one would let it be sent twice."""
        surplus = len(self._rows) - _KEPT
        finished = [name for name, row in self._rows.items() if row.outcome is not None] if surplus > 0 else []
        for name in finished[:surplus]:
            del self._rows[name]


def _trim(ids: OrderedDict[str, None]) -> None:
    while len(ids) > _KEPT:
        ids.popitem(last=False)
