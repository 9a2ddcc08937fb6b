"""Records of webhooks: endpoints, what waits for them, and how each stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  pydantic reads it
from typing import TYPE_CHECKING

from pydantic import Field

from secondme.core.clock import rfc3339
from secondme.core.records import Moment, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

FactOfEvent = str | int | float | bool


class WebhookEndpoint(Record):
    """Where the owner wants to be told of what. `WEBHOOK:def:{id}`, until removed. Without its secret, which is told once."""

    id: str = Field(pattern="^[0-9a-f]{12}$")
    url: str
    events: list[str]
    """Names, `draft.*`, or `*`."""
    local: bool = False
    """On this machine, where http:// will do."""
    with_ids: bool = False
    """Contacts' ids as they are; otherwise masked."""
    created_at: Moment
    created_by: str


class WebhookMessage(Record):
    """One event for one endpoint, until it is delivered or a dead letter."""

    id: str
    """The same over every try: who gets it twice knows by it."""
    type: str
    at: Moment
    contact_id: str | None = None
    """Here and not among the facts, so that forgetting a contact finds it."""
    facts: dict[str, FactOfEvent] = Field(default_factory=dict)

    def body(self) -> bytes:
        """What is sent and signed, the same bytes at each try."""
        data: Mapping[str, FactOfEvent] = {**({"contactId": self.contact_id} if self.contact_id else {}), **self.facts}
        told = {"type": self.type, "timestamp": rfc3339(self.at), "data": data}
        return json.dumps(told, separators=(",", ":")).encode("ascii")


class DeadWebhook(Record):
    """A message that was not delivered, at its end. `WEBHOOK:dead:{id}`, 30 days."""

    message: WebhookMessage
    contact_id: str | None = None
    """As the message's."""
    tries: int
    why: str
    """A status of HTTP, or a word of ours."""
    died_at: Moment


@dataclass(frozen=True, slots=True)
class EndpointState:
    """How an endpoint stands."""

    waiting: int
    dead: int
    sent: int
    last_status: str
    """Of the newest try: a status of HTTP, or a word of ours; empty before the first."""
    last_try_at: datetime | None
    last_success_at: datetime | None
    failing_since: datetime | None
    """Since when no delivery has arrived; None when the newest one did."""
    disabled_at: datetime | None
    disabled_why: str


@dataclass(frozen=True, slots=True)
class ListedEndpoint:
    """An endpoint and how it stands."""

    endpoint: WebhookEndpoint
    state: EndpointState


@dataclass(frozen=True, slots=True)
class WebhookCounts:
    """How many deliveries arrived, and how many never did, since the store began."""

    sent: int
    dead: int
