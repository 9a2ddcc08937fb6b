"""Names of events for webhooks: one table from what is published here to what programs elsewhere are told, and of what they are told.

Nobody's words are among it: only these facts leave, and of texts only those that are one short word of ours or an id.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from secondme.core.clock import from_ms
from secondme.core.ids import mask_contact_id
from secondme.core.webhooks.records import FactOfEvent, WebhookMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from secondme.core.store.events import LoggedEvent
    from secondme.core.webhooks.records import WebhookEndpoint

NAMES = {
    "pairing_request": "pairing.requested",
    "pairing_approved": "pairing.approved",
    "pairing_verified": "pairing.approved",
    "pairing_denied": "pairing.denied",
    "pairing_revoked": "pairing.revoked",
    "pairing_expired": "pairing.expired",
    "pairing_edited": "pairing.edited",
    "pairing_unblocked": "pairing.unblocked",
    "contact_forgotten": "contact.forgotten",
    "pause": "pause.on",
    "resume": "pause.off",
    "kill": "kill.on",
    "reply_held": "draft.held",
    "draft_expired": "draft.expired",
    "draft_dropped": "draft.dropped",
    "unanswered": "reply.unanswered",
    "dead_letter": "message.dead",
    "record_broken": "record.broken",
    "over_budget": "budget.spent",
    "proposal_made": "proposal.made",
    "proposal_decided": "proposal.decided",
    "channel_state": "channel.state",
    "channel_paused": "channel.paused",
    "channel_resumed": "channel.resumed",
    "gateway_state": "gateway.state",
    "skill_enabled": "skill.enabled",
    "skill_disabled": "skill.disabled",
    "skill_failing": "skill.failing",
    "memory_damaged": "memory.damaged",
    "reading_failing": "media.failing",
}
"""What is published -> its name. Events of the security log are `security.` and their own name; what is in neither is told to nobody."""
MISSED = "events.missed"
"""More happened than is kept while nobody could look: read the lists again."""
TEST = "test"
_FACTS = frozenset(
    [
        "channelId",
        "replyId",
        "tier",
        "state",
        "code",
        "severity",
        "why",
        "count",
        "cap",
        "day",
        "skill",
        "tool",
        "proposalId",
        "decision",
        "part",
        "webhook",
        "token",
        "route",
        "threshold",
        "seconds",
        "reason",
        "deniedBy",
    ]
)
"""What of an event is told besides its contact. Names, notes, codes of pairing and message ids, which hold phone numbers, are not."""
_WORD = re.compile(r"(?![0-9]+$)[A-Za-z0-9/][A-Za-z0-9_.:/{}+-]{0,63}", re.ASCII)
_LARGEST = 1 << 53
_LAST_MS = 253_402_300_799_000
_SECURITY = "events:security"
_GROUPS = frozenset({name.partition(".")[0] for name in NAMES.values()} | {"events", "security"})
_EVENT = re.compile(r"security\.[a-z][a-z_]{0,63}", re.ASCII)


def is_choice(text: str) -> bool:
    """True for what an endpoint can ask for: the name of an event, `draft.*`, or `*`."""
    if text == "*" or text in NAMES.values() or text == MISSED:
        return True
    return text.removesuffix(".*") in _GROUPS if text.endswith(".*") else _EVENT.fullmatch(text) is not None


def is_chosen(name: str, choices: Iterable[str]) -> bool:
    """True when an endpoint that asked for `choices` is told of `name`. That something was missed is told to all."""
    group = f"{name.partition('.')[0]}.*"
    return name == MISSED or any(each in {name, group, "*"} for each in choices)


def message_for(endpoint: WebhookEndpoint, logged: LoggedEvent) -> WebhookMessage | None:
    """What the endpoint is told of an event; None when it did not ask for it. Made twice of one event, it has one id."""
    event = logged.event or {}
    name = _name_of(logged.channel, event)
    if name is None or not is_chosen(name, endpoint.events):
        return None
    return WebhookMessage(
        id=message_id(endpoint, logged.id),
        type=name,
        at=from_ms(min(int(logged.id.partition("-")[0]), _LAST_MS)),
        contact_id=_contact_of(event, with_ids=endpoint.with_ids),
        facts=_facts_of(event),
    )


def message_id(endpoint: WebhookEndpoint, what: str) -> str:
    """The id of what an endpoint is told of `what`."""
    return "msg_" + hashlib.sha256(f"{endpoint.id}\n{what}".encode()).hexdigest()[:24]


def _name_of(channel: str, event: Mapping[str, Any]) -> str | None:  # whatever JSON held
    if channel == _SECURITY:
        name = f"security.{event.get('event')}"
        return name if _EVENT.fullmatch(name) else None
    word = event.get("type") or event.get("action")
    return NAMES.get(word) if isinstance(word, str) else None


def _contact_of(event: Mapping[str, Any], *, with_ids: bool) -> str | None:  # as above
    contact = event.get("contactId")
    if not isinstance(contact, str) or not contact:
        return None
    return contact if with_ids or contact == "ALL" else mask_contact_id(contact)


def _facts_of(event: Mapping[str, Any]) -> dict[str, FactOfEvent]:  # as above
    return {
        name: value
        for name, value in event.items()
        if name in _FACTS and (_is_number(value) or (isinstance(value, str) and _WORD.fullmatch(value)))
    }


def _is_number(value: Any) -> bool:  # as above
    return isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST
