"""What the gate, strangers and the owner's choices do to the store: admit, correct, take over, challenge, redeem, choose. Each is one script."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Literal

from secondme.core.admit.pairing_store import TRIES
from secondme.core.clock import to_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.ids import ContactId, new_code, new_id
from secondme.core.messages import Admission, Challenge, InboundMessage, told
from secondme.core.records import ApprovedContact, FirstMessage, Lesson, NewRow, PairingRequest
from secondme.core.store import keys
from secondme.core.store.persons import PersonStore
from secondme.core.text import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secondme.core.config.models import LimitSettings, PairingSettings, TakeoverSettings
    from secondme.core.enums import ReplyMode
    from secondme.core.records import SpeechChoice
    from secondme.core.store.client import Store


class GateStore:
    """Decides about messages."""

    def __init__(self, store: Store, limits: LimitSettings, takeover: TakeoverSettings) -> None:
        self._store = store
        self._limits = limits
        self._takeover = takeover

    @property
    def _takeover_ms(self) -> int:
        return int(self._takeover.pause_minutes * 60_000)

    @property
    def _window_ms(self) -> int:
        return self._limits.window_s * 1000

    @property
    def _tail(self) -> tuple[str | int, ...]:
        limits = self._limits
        return limits.messages, limits.window_s, int(limits.pause_minutes * 60_000), keys.EVENTS_PAUSE

    async def admit(self, message: InboundMessage) -> Admission:
        """What became of the message; when this returns, it is safe. One round trip; a stranger causes no write."""
        contact = message.contact_id
        sent_ms = to_ms(message.sent_at)
        identity, content = quoted(message.message_id), quoted(message.text)
        answer: bytes = await self._store.run(
            "admit",
            (
                contact,
                message.message_id,
                _turn(message, identity, content, "incoming"),
                sent_ms,
                _mail(message, identity, content, sent_ms),
                message.channel_id,
                message.normalized_contact_id,
                *self._tail,
                "0" if message.is_time_claimed and not message.backlog else "late" if message.is_late else "1",
                message.album,
                message.display_name,
                message.expires_s * 1000,
            ),
            contact=contact,
            channel=message.channel_id,
        )
        return _ADMISSIONS[answer]

    async def revoke(self, message: InboundMessage) -> Admission:
        """The message that its sender took back is in no history and waits for nothing; a reply that answers only it is dropped, unless
        some of it has gone out. REVOKED, also for a message that is still to come; STRANGER, and nothing written, for who was not
        approved. Nobody can take back what somebody else said. Repeatable.
        """
        contact = message.contact_id
        answer: bytes = await self._store.run(
            "revoke",
            (
                contact,
                message.revokes,
                "assistant" if message.from_me else "user",
                to_ms(message.sent_at),
                self._window_ms,
            ),
            contact=contact,
            channel=message.channel_id,
        )
        return _ADMISSIONS[answer]

    async def set_aside(self, message: InboundMessage) -> Admission:
        """What the gate could not take for a broken record of its contact: SET_ASIDE, and the owner is told; STRANGER, and nothing is kept,
        when nobody approved them. The owner's own words pause the contact, as they do otherwise. Repeatable. Raises DataError when even
        that cannot be written.
        """
        contact = message.contact_id
        if message.from_me:
            await self._store.run("pause", (contact, self._takeover_ms, "0", keys.EVENTS_PAUSE), target=keys.pause(contact))
            await self._store.tell_broken(contact)
            return Admission.SET_ASIDE
        mail = _mail(message, quoted(message.message_id), quoted(message.text), to_ms(message.sent_at))
        answer: bytes = await self._store.run("set_aside", (contact, message.message_id, mail, keys.EVENTS_QUEUE), contact=contact)
        return _ADMISSIONS[answer]

    async def tell_broken(self, contact: ContactId) -> None:
        """As `Store.tell_broken`."""
        await self._store.tell_broken(contact)

    async def correct(self, message: InboundMessage, words: str) -> Admission:
        """What was said before is said in the new `words`, which are the message's without its attachments: CORRECTED, or IGNORED when it is not kept any more; STRANGER, and nothing
        written, for who was not approved. Nobody can correct what somebody else said. Repeatable.
        """
        contact = message.contact_id
        answer: bytes = await self._store.run(
            "correct",
            (message.edit_of, quoted(message.text), "assistant" if message.from_me else "user", contact, words),
            contact=contact,
        )
        return _ADMISSIONS[answer]

    async def take_over(self, message: InboundMessage) -> Admission:
        """The owner's own words are in the history, the contact is paused, and what waited to be said is dropped. Repeatable.

        OWN_ECHO when the message is one that we sent; STRANGER, and nothing written, when the contact was never let in.
        """
        contact = message.contact_id
        sent_ms = to_ms(message.sent_at)
        turn = _turn(message, quoted(message.message_id), quoted(message.text), "fromMe")
        answer: bytes = await self._store.run(
            "takeover",
            (
                contact,
                message.message_id,
                turn,
                sent_ms,
                self._takeover_ms,
                keys.EVENTS_PAUSE,
                message.expires_s * 1000,
                self._window_ms,
            ),
            contact=contact,
            channel=message.channel_id,
        )
        return _ADMISSIONS[answer]


def _mail(message: InboundMessage, identity: str, content: str, sent_ms: int) -> str:
    """A Mail as JSON, put together by hand as a Turn is."""
    return (
        f'{{"messageId":{identity},"contactId":"{message.contact_id}","channelId":"{message.channel_id}",'
        f'"normalizedContactId":{quoted(message.normalized_contact_id)},"contactName":{quoted(message.display_name)},'
        f'"content":{content},"timestamp":{sent_ms}{_extras(message)}}}'
    )


def _extras(message: InboundMessage) -> str:
    """What few messages have, as further fields of their mail."""
    if not (message.attachments or message.reply_to or message.is_forwarded or message.thread or message.expires_s):
        return ""
    return "".join(f',"{name}":{json.dumps(value)}' for name, value in (
        ("attachments", [attachment.to_dict() for attachment in message.attachments]),
        ("replyTo", message.reply_to),
        ("quoted", message.quoted),
        ("forwarded", message.is_forwarded),
        ("thread", message.thread),
        ("expiresS", message.expires_s),
    ) if value)  # fmt: skip


def _turn(message: InboundMessage, identity: str, content: str, kind: str) -> str:
    """A Turn as JSON, in the predecessor's key order. Put together by hand: the gate is the hot path, and text is quoted once."""
    role, sent_ms = "assistant" if message.from_me else "user", to_ms(message.sent_at)
    more = ',"forwarded":true' if message.is_forwarded else ""
    if message.reply_to:
        more += f',"replyTo":{quoted(message.reply_to)}'
    if message.expires_s:
        more += f',"expiresAt":{sent_ms + message.expires_s * 1000}'
    if message.attachments:
        more += f',"media":{len(message.attachments)}'
    return f'{{"id":{identity},"role":"{role}","content":{content},"timestamp":{sent_ms},"type":"{kind}"{more}}}'


_ADMISSIONS: dict[bytes, Admission] = {member.value.encode(): member for member in Admission}


_MOST_ALIASES = 8

News = Literal["", "request", "existing", "full", "own_code", "invite", "self_verified", "wrong_code", "locked_out"]


@dataclass(frozen=True, slots=True)
class RequestOutcome:
    """What became of a stranger's message, and what of it is new and worth a line in the security log."""

    challenge: Challenge
    news: News = ""
    """Empty when nothing changed: somebody who repeats themselves must not fill the log."""
    closed_the_door: bool = False
    """This was the wrong code that closed invites and self-verification for everybody."""


class RequestStore:
    """Requests and codes in Redis."""

    def __init__(self, store: Store, settings: PairingSettings) -> None:
        self._store = store
        self._links = PersonStore(store)
        self._settings = settings

    async def challenge(self, message: InboundMessage, prompt: Callable[[str], NewRow] | None) -> RequestOutcome:
        """A request for the sender exists, unless something forbids it; `prompt(code)` is the row that tells them, None for silence.

        Repeatable: a second message within the code's life changes nothing.
        """
        contact = message.contact_id
        first = _first_message(message) if self._settings.keep_first_line else ""
        for _ in range(TRIES):
            code = new_code()
            row = prompt(code) if prompt else None
            answer: bytes = await self._store.run(
                "challenge",
                (
                    contact,
                    message.phone_number or contact,
                    message.display_name,
                    message.channel_id,
                    code,
                    int(self._settings.code_expiration_minutes * 60_000),
                    self._settings.max_pending_requests,
                    self._settings.max_prompts_per_hour,
                    row.encode() if row else "",
                    row.row_id if row else "",
                    "1" if self._settings.auto_approve_existing else "0",
                    keys.EVENTS_PAIRING,
                    keys.EVENTS_SECURITY,
                    to_ms(message.sent_at),
                    int(self._settings.prompt_max_age_minutes * 60_000),
                    first,
                ),
                contact=contact,
                digits=code,
                channel=message.channel_id,
            )
            if answer != b"collision":
                return await self._agreed(contact, _KNOCKS[answer])
        raise BusyError("no_free_code", "Too many live codes; try again in a moment.")

    async def is_any_denied(self, contacts: Sequence[ContactId]) -> bool:
        """True when one of `contacts` is in the cooldown after a denial."""
        return bool(
            await self._store.call(self._store.client.exists(*(keys.denied(contact) for contact in contacts[:_MOST_ALIASES])))
        )

    async def redeem(self, message: InboundMessage, digits: str, welcome: NewRow, notice: NewRow) -> RequestOutcome:
        """The outcome of six digits from a stranger. `welcome` is said when they open the door, `notice` once when only the owner can.

        Not repeatable as such: a second call counts as a second attempt, as it must.
        """
        contact = message.contact_id
        for _ in range(TRIES):
            raw = await self._store.call(self._store.client.get(keys.pending(contact))) or b""
            own = _code_in(raw, keys.pending(contact))
            answer: bytes = await self._store.run(
                "redeem",
                (
                    contact,
                    message.phone_number or contact,
                    message.display_name,
                    message.channel_id,
                    digits,
                    own,
                    self._settings.mode.value,
                    self._settings.self_verify_tier.value,
                    self._settings.wrong_codes_per_contact,
                    int(self._settings.denial_cooldown_hours * 3_600_000),
                    self._settings.wrong_codes_per_hour,
                    welcome.encode(),
                    notice.encode(),
                    new_id(),
                    keys.EVENTS_PAIRING,
                    keys.EVENTS_SECURITY,
                    raw,
                ),
                contact=contact,
                own=own or "none",
                digits=digits,
                channel=message.channel_id,
            )
            if answer != b"changed":
                return await self._agreed(contact, _KNOCKS[answer])
        raise BusyError("pairing_changed", "The request kept changing; try again.")

    async def _agreed(self, contact: ContactId, outcome: RequestOutcome) -> RequestOutcome:
        """The outcome; who came in by it has the tier and the mode of their person, where the owner had linked them before."""
        if outcome.news in {"existing", "invite", "self_verified"}:
            await self._links.agree(contact)
        return outcome


_FIRST_LINE = 200
"""Characters of what somebody who waits wrote first."""
_COMMAND = re.compile(r"/\w{1,64}(?:@\w{1,64})?")
"""What a platform types for its user, like Telegram's Start: it says nothing."""


def _first_message(message: InboundMessage) -> str:
    """What is kept of a stranger's first message, as JSON: its first line, else a word for what came; empty when there is neither."""
    line = first_line(message.text, _FIRST_LINE)
    shown = line or first_line(told("", message.attachments[:1]), _FIRST_LINE)
    if not shown:
        return ""
    is_said = bool(line) and not _COMMAND.fullmatch(line)
    return FirstMessage(
        line=shown,
        id=message.message_id if is_said else "",
        at=message.sent_at,
        normalized_contact_id=message.normalized_contact_id,
        thread=message.thread,
        expires_s=message.expires_s,
    ).encode()


def _code_in(raw: bytes, key: str) -> str:
    """The code of the request that `raw` holds; empty for one that cannot be read: then only an invite can open the door."""
    try:
        return PairingRequest.decode(raw, key).code if raw else ""
    except DataError:
        return ""


_KNOCKS = {
    b"approved": RequestOutcome(Challenge.APPROVED),
    b"existing": RequestOutcome(Challenge.APPROVED, news="existing"),
    b"denied": RequestOutcome(Challenge.DENIED),
    b"already_pending": RequestOutcome(Challenge.ALREADY_PENDING),
    b"too_old": RequestOutcome(Challenge.TOO_OLD),
    b"closed": RequestOutcome(Challenge.CLOSED),
    b"full": RequestOutcome(Challenge.CLOSED),
    b"full_now": RequestOutcome(Challenge.CLOSED, news="full"),
    b"prompted": RequestOutcome(Challenge.PROMPTED, news="request"),
    b"requested": RequestOutcome(Challenge.REQUESTED, news="request"),
    b"needs_owner": RequestOutcome(Challenge.NEEDS_OWNER, news="own_code"),
    b"needs_owner_again": RequestOutcome(Challenge.NEEDS_OWNER),
    b"welcomed_invite": RequestOutcome(Challenge.WELCOMED, news="invite"),
    b"welcomed_own": RequestOutcome(Challenge.WELCOMED, news="self_verified"),
    b"wrong_code": RequestOutcome(Challenge.WRONG_CODE, news="wrong_code"),
    b"wrong_code_closing": RequestOutcome(Challenge.WRONG_CODE, news="wrong_code", closed_the_door=True),
    b"locked_out": RequestOutcome(Challenge.DENIED, news="locked_out"),
    b"locked_out_closing": RequestOutcome(Challenge.DENIED, news="locked_out", closed_the_door=True),
}


_Choice = Literal["persona", "replyMode", "speech", "lessons"]


class ContactChoices:
    """The owner's choices for a contact, and for every other contact of the same person. Everything else in an approval stays as it is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = PersonStore(store)

    async def set_persona(self, contact: ContactId, persona: str | None) -> ApprovedContact:
        """The approval with this persona's id; None: the relationship decides. Repeatable. Raises NotFoundError or DataError; then nothing changed."""
        return await self._set_all(contact, "persona", persona or "")

    async def set_mode(self, contact: ContactId, mode: ReplyMode | None) -> ApprovedContact:
        """The approval with this reply mode; None: the tier decides. Repeatable. Raises NotFoundError or DataError; then nothing changed."""
        return await self._set_all(contact, "replyMode", mode.value if mode else "")

    async def set_speech(self, contact: ContactId, wanted: SpeechChoice | None) -> ApprovedContact:
        """The approval with this word about spoken replies; None: the settings decide. Repeatable. Raises NotFoundError or DataError; then nothing
        changed."""
        return await self._set_all(contact, "speech", wanted or "")

    async def set_lessons(self, contact: ContactId, lessons: Sequence[Lesson]) -> ApprovedContact:
        """The approval with these lessons and no others; with none, it has none. Repeatable. Raises NotFoundError or DataError; then nothing
        changed."""
        value = json.dumps([json.loads(each.encode()) for each in lessons]) if lessons else ""
        return await self._set_all(contact, "lessons", value)

    async def _set_all(self, contact: ContactId, field: _Choice, value: str) -> ApprovedContact:
        others = (await self._links.members(contact))[1:]
        key = keys.approved(contact)
        args = (contact, field, value, keys.EVENTS_PAIRING, *others)
        answer = await self._store.run("choose", args, contact=contact, others=[keys.approved(other) for other in others])
        match answer[0]:
            case b"edited":
                return ApprovedContact.decode(answer[1], key)
            case b"corrupt":
                raise DataError("corrupt_record", f"The record {key} cannot be read; it was left as it is.")
            case _:
                raise NotFoundError(
                    "not_approved", f"{contact} is not an approved contact.", "secondme pairing list --status approved"
                )
