"""What happens at the door, and what the owner decides about who stands there.

A stranger causes one request and nothing else: no history, no queue entry, no word of theirs anywhere. Wrong codes are met with
silence in every state, so that an answer tells nobody whether a code, a request or a denial exists.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from secondme.core.channel_manifest import channel_with
from secondme.core.enums import Tier
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId, code_of, contact_id, new_id, other_form
from secondme.core.messages import Challenge, ChannelContact, InboundMessage
from secondme.core.records import ApprovedContact, Invite, NewRow, PairingRequest
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.admit.store import RequestOutcome, RequestStore
    from secondme.core.config.loader import Settings
    from secondme.core.store.persons import PersonStore

    LookUp = Callable[[ContactId], Awaitable[ChannelContact | None]]

_NOTES_LIMIT = 500

PROMPT = (
    "Hi! I'm {name}'s AI assistant. To chat with me, please share this code with {name} for approval: {code}\n\n"
    "This code expires in {minutes} minutes. Or reply with the code if you already have it."
)
WELCOME = "Welcome! You can now chat with me."
NOTICE = "Thanks! {name} still has to approve you. You don't need to do anything else."


class PairingRequests:
    """Where strangers knock."""

    def __init__(self, door: RequestStore, settings: Settings, security: SecurityLog) -> None:
        self._door = door
        self._security = security
        self._settings = settings.pairing
        self._name = safe_name(settings.persona.name) or "the owner"

    async def knock(self, message: InboundMessage) -> Challenge:
        """What became of a message from somebody who was not approved. Raises UnavailableError: limits fail closed."""
        if not self._settings.enabled:
            return Challenge.CLOSED
        if message.aliases and await self._door.is_any_denied(message.aliases):
            return Challenge.DENIED  # the same person, by the platform's own word, under another id
        digits = code_of(message.text)
        if digits is None and message.backlog:
            return Challenge.TOO_OLD
        if digits is not None:
            notice = _row(message.contact_id, message.channel_id, "notice", NOTICE.format(name=self._name))
            knock = await self._door.redeem(message, digits, welcome_row(message.contact_id, message.channel_id), notice)
        else:
            knock = await self._door.challenge(message, self._prompt(message) if self._settings.prompt == "contact" else None)
        await self._write_down(message, knock)
        return knock.challenge

    async def _write_down(self, message: InboundMessage, knock: RequestOutcome) -> None:
        """What is new goes into the security log; those that a script published are only written."""
        contact, channel = message.contact_id, message.channel_id
        match knock.news:
            case "":
                pass
            case "request":
                prompted = knock.challenge is Challenge.PROMPTED
                self._security.write(SecurityEvent.PAIRING_REQUEST, Severity.INFO, contact, channelId=channel, prompted=prompted)
            case "existing":
                self._security.write(
                    SecurityEvent.PAIRING_APPROVED, Severity.INFO, contact, channelId=channel, by="existing-history"
                )
            case "full":
                self._security.write(SecurityEvent.PAIRING_FULL, Severity.WARN, channelId=channel)
            case "own_code":
                self._security.write(
                    SecurityEvent.PAIRING_CODE_ATTEMPT, Severity.INFO, contact, channelId=channel, success=False, own=True
                )
            case "invite" | "self_verified":
                by = "invite" if knock.news == "invite" else "self-verified"
                self._security.write(SecurityEvent.PAIRING_CODE_ATTEMPT, Severity.INFO, contact, channelId=channel, success=True)
                self._security.write(SecurityEvent.PAIRING_APPROVED, Severity.INFO, contact, channelId=channel, by=by)
            case "wrong_code" | "locked_out":
                await self._security.record(
                    SecurityEvent.PAIRING_CODE_ATTEMPT, Severity.WARN, contact, channelId=channel, success=False
                )
                if knock.news == "locked_out":
                    await self._security.record(
                        SecurityEvent.PAIRING_DENIED, Severity.WARN, contact, channelId=channel, by="wrong-codes"
                    )
            case _:
                assert_never(knock.news)
        if knock.closed_the_door:
            self._security.write(SecurityEvent.PAIRING_CLOSED, Severity.WARN, channelId=channel)

    def _prompt(self, message: InboundMessage) -> Callable[[str], NewRow]:
        minutes = f"{self._settings.code_expiration_minutes:g}"

        def prompt(code: str) -> NewRow:
            text = PROMPT.format(name=self._name, code=code, minutes=minutes)
            return _row(message.contact_id, message.channel_id, "prompt", text)

        return prompt


def twin_of(request: PairingRequest, approved: Sequence[ApprovedContact]) -> ApprovedContact | None:
    """Who is approved under the same number in another national form."""
    other = other_form(request.phone_number)
    return next((each for each in approved if other and each.phone_number == other), None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one decision of the owner came to."""

    contact_id: str
    outcome: Literal["approved", "already_approved", "denied", "already_denied", "revoked", "unblocked", "edited"]
    display_name: str = ""
    tier: str = ""


class PairingService:
    """What the owner decides. The CLI, the API and the owner's own chat all come here: there is no second way to approve.

    What is decided about a contact is decided about the person: about every contact that the owner linked with it.
    """

    def __init__(
        self,
        pairing: PairingStore,
        links: PersonStore,
        security: SecurityLog,
        let_go: Callable[[ContactId], None] = lambda _: None,
        *,
        by: str,
    ) -> None:
        """`let_go` is told of everybody who is approved no more: what is kept of them in files goes with it."""
        self._pairing = pairing
        self._links = links
        self._security = security
        self._let_go = let_go
        self._by = by

    async def approve(self, reference: str, tier: Tier = Tier.STANDARD, notes: str = "", look_up: LookUp | None = None) -> Decision:
        """The contact with this live code or id is approved; by the whole id of a channel's also one that never asked, of whom `look_up`
        says what the channel knows. Repeatable.

        Raises NotFoundError when there is nobody with it, or they are denied; BusyError when a denial came first, DataError for a corrupt
        record.
        """
        request = await self._pairing.find(reference)
        if request is None:
            return await self._approve_unasked(reference, tier, notes, look_up)
        return await self.approve_request(request, tier, notes)

    async def approve_request(self, request: PairingRequest, tier: Tier = Tier.STANDARD, notes: str = "") -> Decision:
        """The contact of exactly this request is approved, and told so. Repeatable. Raises as `approve`."""
        clean = safe_text(notes)[:_NOTES_LIMIT]
        welcome = welcome_row(request.contact_id, request.channel_id or "?") if request.channel_id else None
        return await self._settled(*await self._pairing.approve(request, by=self._by, tier=tier, notes=clean, welcome=welcome))

    async def _settled(self, outcome: Literal["approved", "already"], contact: ApprovedContact) -> Decision:
        """An approval is written down, and is one of the whole person, whose strictest tier and mode it has."""
        if outcome == "approved":
            await self._record(SecurityEvent.PAIRING_APPROVED, contact.contact_id, tier=contact.tier.value)
            who = contact_id(contact.contact_id)
            if others := await self._others(who):
                for other in others:
                    with contextlib.suppress(BusyError):  # denied under that id, which stays so
                        await self._links.link((who, contact.channel_id or "?"), (other, channel_of(other)))
                contact = await self._pairing.approved(who) or contact  # as strict as the rest of the person
        return _decision("approved" if outcome == "approved" else "already_approved", contact)

    async def approve_as(self, reference: str, known: ContactId) -> Decision:
        """Who waits under this code or id is the same person as `known`, who is approved, and so is approved too.

        Raises NotFoundError when nobody waits under it (any more) or `known` is not approved, BusyError when one of the two is denied.
        """
        request = await self._pairing.find(reference)
        approved = None
        if request is not None:
            contact = contact_id(request.contact_id)
            await self._pairing.lend_between(contact, known)
            await self._links.link((contact, request.channel_id or channel_of(contact)), (known, channel_of(known)))
            await self._record(SecurityEvent.PAIRING_APPROVED, contact)
            approved = await self._pairing.approved(contact)
        if approved is None:
            raise NotFoundError("not_waiting", "Nobody waits under that code or id.", "secondme pairing list")
        return _decision("approved", approved)

    async def approve_all(self, tier: Tier = Tier.STANDARD) -> list[Decision]:
        """Everybody who waits now is approved. Requests that end meanwhile are left out."""
        listing = await self._pairing.listing()
        decisions = []
        for request in listing.pending:
            try:
                decisions.append(await self.approve_request(request, tier))
            except NotFoundError:
                continue
        return decisions

    async def deny(self, reference: str, reason: str = "") -> Decision:
        """The contact with this live code or id is denied for the cooldown; what was kept for it is erased. Repeatable."""
        request = await self._pairing.find(reference)
        if request is not None:
            return await self.deny_request(request, reason)
        contact = _contact(reference)
        approved = await self._approved_or_none(contact)
        return await self._deny(contact, "", approved.channel_id if approved else None, reason)

    async def deny_request(self, request: PairingRequest, reason: str = "") -> Decision:
        """The contact of exactly this request is denied. Repeatable. Raises NotFoundError when the request is gone."""
        return await self._deny(contact_id(request.contact_id), request.code, request.channel_id, reason)

    async def _deny(self, contact: ContactId, code: str, channel: str | None, reason: str) -> Decision:
        outcome = await self._pairing.deny(
            contact, code=code, channel=channel or channel_of(contact), by=self._by, reason=safe_text(reason)[:_NOTES_LIMIT]
        )
        self._let_go(contact)
        if outcome == "denied":
            await self._record(SecurityEvent.PAIRING_DENIED, contact)
        for other in await self._others(contact):
            with contextlib.suppress(NotFoundError):
                await self._pairing.deny(other, code="", channel=channel_of(other), by=self._by)
                self._let_go(other)
                await self._record(SecurityEvent.PAIRING_DENIED, other)
        return Decision(contact, "denied" if outcome == "denied" else "already_denied")

    async def revoke(self, reference: str) -> Decision:
        """The contact is not approved any more, from this moment on. Raises NotFoundError when it was not."""
        contact = _contact(reference)
        approved = await self._approved_or_none(contact)
        channel = approved.channel_id if approved and approved.channel_id else channel_of(contact)
        await self._pairing.revoke(contact, channel=channel, by=self._by)
        self._let_go(contact)
        await self._record(SecurityEvent.PAIRING_REVOKED, contact)
        for other in await self._others(contact):
            with contextlib.suppress(NotFoundError):
                await self._pairing.revoke(other, channel=channel_of(other), by=self._by)
                self._let_go(other)
                await self._record(SecurityEvent.PAIRING_REVOKED, other)
        return Decision(contact, "revoked", (approved.display_name or "") if approved else "")

    async def unblock(self, reference: str) -> Decision:
        """The contact is unblocked. Raises NotFoundError when it was not denied."""
        contact = _contact(reference)
        await self._pairing.unblock(contact)
        await self._record(SecurityEvent.PAIRING_UNBLOCKED, contact)
        return Decision(contact, "unblocked")

    async def edit(self, reference: str, *, tier: Tier | None = None, notes: str | None = None) -> Decision:
        """The approved contact has this tier and these notes (None: as before). Repeatable. Raises NotFoundError when it was not approved."""
        clean = None if notes is None else safe_text(notes)[:_NOTES_LIMIT]
        who = _contact(reference)
        contact = await self._pairing.edit(who, await self._others(who), tier=tier, notes=clean)
        await self._record(SecurityEvent.PAIRING_EDITED, contact.contact_id, tier=contact.tier.value)
        return _decision("edited", contact)

    async def invite(self, name: str, tier: Tier, ttl: timedelta) -> Invite:
        """A fresh single-use code to hand over out of band."""
        made = await self._pairing.invite(name=safe_name(name), tier=tier, ttl=ttl)
        await self._security.record(SecurityEvent.PAIRING_INVITED, by=self._by, tier=tier.value)
        return made

    async def invites(self) -> tuple[list[Invite], list[DataError]]:
        """Every invite that nobody used, the one that ends first first, and what of them cannot be read."""
        return await self._pairing.invites()

    async def cancel_invite(self, code: str) -> None:
        """The invite with this code opens nothing any more. Raises NotFoundError when there is none: used, expired or cancelled."""
        if code_of(code) is None or not await self._pairing.cancel_invite(code.strip()):
            raise NotFoundError(
                "unknown_invite", "No unused invite has this code; it may have expired, or been used.", "secondme pairing invites"
            )
        await self._security.record(SecurityEvent.PAIRING_INVITE_CANCELLED, Severity.INFO, by=self._by)

    async def members(self, contact: ContactId) -> list[ContactId]:
        """`contact` first, then every other contact of the same person."""
        return await self._links.members(contact)

    async def _others(self, contact: ContactId) -> list[ContactId]:
        """The other contacts of the same person."""
        return (await self._links.members(contact))[1:]

    async def _record(self, event: SecurityEvent, contact: str, **details: str) -> None:
        await self._security.record(event, Severity.INFO, contact, by=self._by, **details)

    async def _approve_unasked(self, reference: str, tier: Tier, notes: str, look_up: LookUp | None) -> Decision:
        if code_of(reference):
            raise NotFoundError("unknown_code", "No request has this code; it may have expired.", "secondme pairing list")
        contact = _contact(reference)
        approved = await self._pairing.approved(contact)
        if approved is not None:
            return _decision("already_approved", approved)
        if await self._pairing.denied(contact) is not None:
            raise NotFoundError("contact_denied", f"{contact} is denied.", f"secondme pairing unblock {contact}")
        manifest = channel_with(contact)
        if manifest is None:  # a name is nobody's id: whoever asks chooses their own
            raise NotFoundError("unknown_contact", f"Nobody with the id {contact} waits.", "secondme pairing list")
        known = await look_up(contact) if look_up else None
        known = known or ChannelContact(contact, "")
        name, phone = safe_name(known.display_name), safe_text(known.phone_number)
        clean = safe_text(notes)[:_NOTES_LIMIT]
        return await self._settled(
            *await self._pairing.approve_unasked(
                ChannelContact(contact, name, phone), channel=manifest.id, by=self._by, tier=tier, notes=clean
            )
        )

    async def _approved_or_none(self, contact: ContactId) -> ApprovedContact | None:
        """A corrupt approval must not protect its contact from being denied or revoked."""
        try:
            return await self._pairing.approved(contact)
        except DataError:
            return None


def welcome_row(contact: str, channel: str) -> NewRow:
    """The row that tells a contact it was approved."""
    return _row(contact, channel, "welcome", WELCOME)


def channel_of(contact: str) -> str:
    """The channel of an id whose record does not say: WhatsApp ids have no prefix, all others do (SPEC section 1)."""
    return "whatsapp" if "@" in contact else contact.partition(":")[0]


def _row(contact: str, channel: str, kind: Literal["prompt", "notice", "welcome"], text: str) -> NewRow:
    unique = new_id()
    return NewRow(row_id=unique, reply_id=unique, contact_id=contact, channel_id=channel, kind=kind, text=text)


def _decision(outcome: Literal["approved", "already_approved", "edited"], contact: ApprovedContact) -> Decision:
    return Decision(contact.contact_id, outcome, contact.display_name or "", contact.tier.value)


def _contact(reference: str) -> ContactId:
    try:
        return contact_id(reference)
    except DataError:
        raise NotFoundError("unknown_contact", "There is no such contact or code.", "secondme pairing list") from None
