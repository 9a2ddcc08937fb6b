"""What routes share: the operations they may call, the forms a name in a path may have, and which refusals are documented."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Path, Request
from starlette.responses import JSONResponse

from secondme.core.admit.pairing import channel_of
from secondme.core.errors import NotFoundError, SecondmeError
from secondme.core.ids import is_contact_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from secondme.core.admit.control_store import EverybodyPaused
    from secondme.core.admit.pairing import PairingService
    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.admit.pauses import PauseService
    from secondme.core.api.agent_routes import AgentOperations
    from secondme.core.api.skill_routes import SkillOperations
    from secondme.core.gateway.channel_supervisor import ChannelSupervisor
    from secondme.core.gateway.conversation_desk import ConversationDesk
    from secondme.core.gateway.draft_views import DraftViews
    from secondme.core.gateway.lifecycle import Lifecycle
    from secondme.core.gateway.owner_messages import OwnerMessages
    from secondme.core.gateway.status import SystemStatus
    from secondme.core.ids import ContactId
    from secondme.core.jobs.desk import ProgramDesk
    from secondme.core.memory.desk import MemoryDesk
    from secondme.core.messages import ChannelContact
    from secondme.core.ports import Clock
    from secondme.core.send.drafts import Drafts
    from secondme.core.tools.proposals import ProposalService
    from secondme.core.webhooks.desk import WebhookDesk


_FRESH_S = 0.5
_LOOK_UP_S = 3.0


@dataclass(frozen=True, slots=True)
class ApiOperations:
    """Functions and rooms, built by the composition root."""

    pairing: PairingService
    pauses: PauseService
    drafts: Drafts
    draft_views: DraftViews
    conversations: ConversationDesk
    owner_messages: OwnerMessages
    skills: SkillOperations
    proposals: ProposalService
    agent: AgentOperations
    memory: MemoryDesk
    call_job: Callable[..., Awaitable[bool]]
    """As `JobStore.call`, for a program."""
    webhooks: WebhookDesk
    jobs: Callable[[str], ProgramDesk]
    """The desk for jobs of a caller, by the name of its token; empty for the owner."""
    people: PairingStore
    status: Callable[[], Awaitable[SystemStatus]]
    everybody: Callable[[], Awaitable[EverybodyPaused | None]]
    pulse: StoreProbe
    is_stopping: Callable[[], bool]
    channels: Callable[[], Mapping[str, str]]
    """Channel -> its state, of the channels that shall run. No round trip: anybody may ask for the health."""
    is_linked: Callable[[str], bool]
    """Whether a channel of this name has what it needs to run. Reads files."""
    lifecycle: Lifecycle | None
    """Of this process; None for one that is not to be steered."""
    address_book: Callable[[str], ChannelSupervisor | None]
    """Who reads the address book of a channel: this process holds its connection."""

    async def look_up(self, contact: ContactId) -> ChannelContact | None:
        """What a contact's channel knows of it; nothing while it cannot be asked."""
        supervisor = self.address_book(channel_of(contact))
        try:
            async with asyncio.timeout(_LOOK_UP_S):
                return await supervisor.contact(contact) if supervisor is not None else None
        except Exception:  # noqa: BLE001  a name is a courtesy; a channel's library may raise anything
            return None


class StoreProbe:
    """Whether the store answers. However many ask, it is asked twice a second at most: anybody may ask for the health."""

    def __init__(self, ask: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._asking = asyncio.Lock()
        self._asked_at: float | None = None
        self._beats = False

    async def beats(self) -> bool:
        """True when the store answered within the last half second."""
        async with self._asking:
            if self._asked_at is None or self._clock.monotonic() - self._asked_at >= _FRESH_S:
                try:
                    await self._ask()
                    self._beats = True
                except SecondmeError:
                    self._beats = False
                self._asked_at = self._clock.monotonic()
            return self._beats


SCHEMA = "#/components/schemas/{model}"
_PROBLEM = {"application/json": {"schema": {"$ref": SCHEMA.format(model="Problem")}}}
"""By reference: given as a model, it would be built anew for each refusal of each route, some 300 times, and never called."""
_EVERYBODY = "ALL"
"""No contact: the store's word for everybody, which would make one contact's route decide about all."""
_ANY = {
    401: "The token is missing or wrong (TCP only).",
    403: "The Host or the Origin is not ours.",
    408: "The request did not arrive within 10 seconds.",
    413: "The body is larger than 3 MB.",
    422: "The request does not fit its description.",
    429: "Too many wrong tokens within a minute.",
    500: "A bug of ours, or a record that cannot be read.",
    503: "The store does not answer, or there are too many connections.",
    504: "The answer took longer than 10 seconds; what was begun may have been done.",
}
_SOME = {
    404: "There is nothing and nobody of this name.",
    409: "Another decision stands against it.",
}


class Ascii(JSONResponse):
    """JSON in ASCII: whatever a stranger calls itself, a terminal that shows the answer obeys none of it."""

    def render(self, content: Any) -> bytes:  # whatever is JSON
        """The body."""
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


UNSUPPORTED = {"content": _PROBLEM, "description": "The body is not said to be JSON: send Content-Type: application/json."}
"""The refusal of each route that takes a body."""


def answers(*more: int) -> dict[int | str, dict[str, Any]]:  # the framework's type
    """The refusals of a route: those that every one has, and `more` of 404 and 409."""
    texts = {**_ANY, **{status: _SOME[status] for status in more}}
    return {status: {"content": _PROBLEM, "description": text} for status, text in sorted(texts.items())}


async def powers_of(request: Request) -> ApiOperations:
    """What the routes may do."""
    powers: ApiOperations = request.app.state.powers
    return powers


async def known_form(
    contact: Annotated[
        str,
        Path(
            description="A contact's id, percent-encoded.",
            openapi_examples={"WhatsApp": {"value": "491512345678@c.us"}},
        ),
    ],
) -> str:
    """The name in the path. Raises NotFoundError when nothing can be called so."""
    if not is_contact_id(contact) or contact == _EVERYBODY:
        raise NotFoundError("unknown_contact", "There is no such contact.")
    return contact


Can = Annotated[ApiOperations, Depends(powers_of)]
Named = Annotated[str, Depends(known_form)]
