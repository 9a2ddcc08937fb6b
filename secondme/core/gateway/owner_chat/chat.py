"""The owner's end: commands come in and are answered, and what the owner should know is said by itself, once.

Nothing is told that the owner asked for in another place: who approves on the command line needs no message about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.gateway.channel_words import words_for
from secondme.core.gateway.owner_chat.commands import SHORT, UNKNOWN
from secondme.core.gateway.trace_messages import why_held
from secondme.core.log import get_logger
from secondme.core.messages import Admission
from secondme.core.security_log import SecurityEvent, Severity
from secondme.core.store import keys
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.core.gateway.notes import NoteStore
    from secondme.core.gateway.owner_chat.commands import Commands
    from secondme.core.messages import InboundMessage, OwnerAddress
    from secondme.core.ports import Clock
    from secondme.core.records import PairingRequest
    from secondme.core.security_log import SecurityLog
    from secondme.core.send.drafts import Drafts

log = get_logger(__name__)

_AGAIN_S = 1.0
_LOOK_S = 15.0
"""How often what waits is looked at although no event came: the connection to the owner may have been made since."""
_DRAFT_LIMIT = 1500

Heard = tuple[str, dict[str, Any]]


class OwnerChat:
    """Talks with the owner on their own channels."""

    def __init__(
        self,
        commands: Commands,
        notes: NoteStore,
        drafts: Drafts,
        listen: Callable[[Callable[[], None]], AsyncIterator[Heard | None]],
        security: SecurityLog,
        clock: Clock,
    ) -> None:
        self._commands = commands
        self._notes = notes
        self._drafts = drafts
        self._listen = listen
        self._security = security
        self._clock = clock
        self._addresses: Callable[[], list[OwnerAddress]] = list

    async def hear(self, message: InboundMessage) -> Admission:
        """A message from the owner's own chat was carried out and its answer is on its way; once, however often it is delivered.

        IGNORED for a note to themselves; and, written down, when it does not come from the owner's chat as its channel knows it. Raises UnavailableError: offer it
        again.
        """
        known = {address.channel_id: address for address in self._addresses()}
        address = known.get(message.channel_id)
        if address is None or address.contact_id != message.contact_id:
            await self._security.record(
                SecurityEvent.OWNER_COMMAND_REFUSED, Severity.WARN, message.contact_id, channelId=message.channel_id
            )
            return Admission.IGNORED
        if message.edit_of or not message.text.strip():
            return Admission.IGNORED
        if await self._notes.is_done(message.channel_id, message.message_id):
            return Admission.DUPLICATE
        said = await self._commands.carry_out(message.text)
        if said is None:
            if address.is_notebook:
                return Admission.IGNORED  # a note to themselves
            said = UNKNOWN
        await self._notes.answer(message.channel_id, message.contact_id, said, message.message_id)
        return Admission.COMMAND

    async def run(self, addresses: Callable[[], list[OwnerAddress]]) -> None:
        """Tell the owner what they should know, until cancelled. `addresses` says where they can be reached now, best first."""
        self._addresses = addresses
        while True:
            try:
                await self._tell_events()
            except UnavailableError as error:
                log.debug("owner_chat_waits", code=error.code)
            except SecondmeError as error:
                log.error("owner_chat_failed", error, code=error.code)
            except Exception as error:  # noqa: BLE001  the top of a task: a note must not end the gateway
                log.error("owner_chat_crashed", error)
            await self._clock.sleep(_AGAIN_S)

    async def _tell_events(self) -> None:
        missed, looked_at = True, 0.0

        def miss() -> None:
            nonlocal missed
            missed = True

        async for heard in self._listen(miss):
            now = self._clock.monotonic()
            if self._addresses() and (missed or now - looked_at > _LOOK_S):
                was_away, missed, looked_at = missed, False, now
                await self._look()
                if was_away:
                    await self._look_at_channels()
            if heard is not None and self._addresses():
                await self._tell(*heard)

    async def _look(self) -> None:
        """What waits for the owner and was not told yet, from before we listened."""
        for request in (await self._commands.listing()).pending:
            await self._tell_request(request)
        await self._tell_drafts()

    async def _look_at_channels(self) -> None:
        """What a channel said while nobody could be told: one that fails at the start is faster than the owner's own connects."""
        for channel in (await self._commands.overview()).channels:
            if channel.code and channel.state in _TELLING_STATES:
                await self._tell_channel(channel.id, channel.code)

    async def _tell_channel(self, channel: str, code: str) -> None:
        words, fix = words_for(code)
        what = f"{safe_name(channel)}: {words} {fix}".strip()
        await self._note(what, f"channel:{channel}:{code}:{self._clock.now_ms() // 3_600_000}")

    async def _tell(self, channel: str, event: dict[str, Any]) -> None:
        kind = str(event.get("type") or event.get("action") or event.get("event"))
        contact, at = str(event.get("contactId", "")), str(event.get("timestamp", ""))
        match channel, kind:
            case keys.EVENTS_PAIRING, "pairing_request":
                for request in (await self._commands.listing()).pending:
                    if request.contact_id == contact:
                        await self._tell_request(request)
            case keys.EVENTS_PAIRING, "pairing_approved" | "pairing_verified" if event.get("approvedBy") in _BY_THEMSELVES:
                name = safe_name(str(event.get("displayName") or "")) or contact
                await self._note(f"{name} ({contact}) is let in: {_BY_THEMSELVES[event['approvedBy']]}.", f"in:{contact}:{at}")
            case keys.EVENTS_QUEUE, _:
                await self._tell_queue(kind, contact, at, event)
            case keys.EVENTS_PAUSE, "pause" if event.get("reason") == "rate_limit":
                await self._note(f"{contact} wrote too much at once and is paused for a while.", f"rate:{contact}:{at}")
            case keys.EVENTS_STATUS, "channel_state" if event.get("code") and event.get("state") in _TELLING_STATES:
                await self._tell_channel(str(event.get("channelId")), str(event["code"]))
            case keys.EVENTS_SECURITY, "pairing_closed" | "pairing_full":
                await self._note("Too many strangers knock or guess codes; new ones are ignored for now.", f"{kind}:{at[:7]}")
            case _:
                pass

    async def _tell_queue(self, kind: str, contact: str, at: str, event: dict[str, Any]) -> None:
        match kind:
            case "reply_held":
                await self._tell_drafts()
            case "unanswered":
                why = _UNANSWERED.get(str(event.get("reason")), "I had nothing fit to say.")
                await self._note(f"A message of {contact} has no answer. {why}", f"unanswered:{contact}:{at}")
            case "over_budget":
                whose = "today" if event.get("cap") == "day" else f"{contact} for today"
                await self._note(
                    f"The budget of {whose} is spent. Messages wait until tomorrow (UTC), or until you raise it; what waits for more than six waking hours is not answered any more.",
                    f"budget:{event.get('cap')}:{contact if event.get('cap') == 'contact' else ''}:{event.get('day')}",
                )
            case "dead_letter":
                await self._note(f"A message of {contact} could not be worked on and was set aside.", f"dead:{contact}:{at}")
            case _:
                pass

    async def _tell_request(self, request: PairingRequest) -> None:
        name = safe_name(request.display_name or "") or "Somebody without a name"
        said = (
            f"{name} ({request.contact_id}) wants to talk with me.\nLet in: approve {request.code}\nTurn away: deny {request.code}"
        )
        await self._note(said, f"request:{request.contact_id}:{request.code}:{request.requested_at.timestamp()}")

    async def _tell_drafts(self) -> None:
        drafts, _ = await self._drafts.waiting()
        for draft in drafts:
            text, short = safe_text(draft.text)[:_DRAFT_LIMIT], draft.id[:SHORT]
            ways = f"Send it: send {short}\nDrop it: drop {short}\nSay it your way: edit {short} ..."
            if draft.fault:
                ways = f"It cannot go out as it is. Say it your way: edit {short} ...\nDrop it: drop {short}"
            why = why_held(draft.reason)
            await self._note(
                f"A reply to {draft.contact_id} waits for you ({why}):\n{text}\n{ways}", f"draft:{draft.id}:{draft.reason}"
            )

    async def _note(self, text: str, cause: str) -> None:
        addresses = self._addresses()
        if addresses:
            best = next((address for address in addresses if address.is_open), addresses[0])
            await self._notes.tell(best.channel_id, best.contact_id, text, cause)


_BY_THEMSELVES = {
    "invite": "with your invite",
    "self-verified": "with their own code",
    "existing-history": "because you talked before",
}
_TELLING_STATES = frozenset({"needs_owner", "connected", "deaf"})
"""`connected` with a code is a late report of the platform's, like a reply that it would not deliver."""
_UNANSWERED = {
    "handed_over": "They asked whether they talk with a machine. I said nothing and leave them to you; they are paused for a while.",
    "refusal": "The model would not answer it.",
    "stale": "It had waited too long when I could have answered it.",
}
