"""The WhatsApp channel: one linked device, whose connection is held by a child process.

Nothing here can be blocked, crashed or printed over by the library: it lives in the device process, and what that says is checked.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.account import WhatsAppAccount, load_account, own_from, own_to, save_account
from secondme.channels.whatsapp.failures import STATES, banned, failure
from secondme.channels.whatsapp.jids import PHONE_SERVER, Jid, as_person, jid_of
from secondme.channels.whatsapp.manifest import ID
from secondme.channels.whatsapp.process import COMMAND, DeviceProcess
from secondme.channels.whatsapp.protocol import PART_BYTES
from secondme.core import fault_points
from secondme.core.clock import from_ms
from secondme.core.errors import DataError, NotFoundError, SecondmeError
from secondme.core.ids import ChannelId, ContactId, MessageId, contact_id, mask_contact_id, message_id
from secondme.core.log import get_logger
from secondme.core.messages import (
    Attachment,
    AttachmentKind,
    ChannelContact,
    ChannelState,
    ChatKind,
    InboundMessage,
    MessageContent,
    NotSent,
    SendOutcome,
    Sent,
    Undeliverable,
    VoiceNote,
    VoiceRefused,
)
from secondme.core.retry import backoff_s
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.channels.whatsapp.protocol import Frame
    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.ports import ChannelHost


CHANNEL = ChannelId(ID)
_KINDS = frozenset({ChatKind.DIRECT, ChatKind.OWNER})


def read_received(record: Frame) -> InboundMessage:
    """The message. Raises DataError when the record is none: a spool that was tampered with, or a device process gone mad."""
    try:
        kind = ChatKind(record["kind"])
        if kind not in _KINDS:
            raise DataError("whatsapp_bad_message", "The device process handed over a message of no person.")
        contact, phone = contact_id(_text(record["contact"])), _text(record["phone"])
        return InboundMessage(
            channel_id=CHANNEL,
            contact_id=contact,
            normalized_contact_id=phone or contact,
            message_id=message_id(_text(record["id"])),
            text=_text(record["text"]),
            sent_at=from_ms(int(record["sentMs"])),
            display_name=_text(record["name"]),
            phone_number=phone,
            kind=kind,
            from_me=record["fromMe"] is True,
            attachments=tuple(map(_attachment, record["attachments"])),
            reply_to=_reference(record["replyTo"]),
            edit_of=_reference(record["editOf"]),
            revokes=_reference(record.get("revokes", "")),
            is_forwarded=record.get("forwarded") is True,
            expires_s=_number(record.get("expiresS")) or 0,
            album=_text(record.get("album", "")),
            aliases=tuple(ContactId(contact_id(_text(alias))) for alias in record["aliases"]),
            backlog=record["backlog"] is True,
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError("whatsapp_bad_message", "The device process handed over something that is no message.") from error


def _attachment(claims: Any) -> Attachment:
    return Attachment(
        AttachmentKind(claims["kind"]),
        _text(claims.get("mime", "")),
        _number(claims.get("sizeBytes")),
        _number(claims.get("durationS")),
        _text(claims.get("fileName", "")),
        _text(claims.get("handle", "")),
        is_view_once=claims.get("viewOnce") is True,
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: object) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError
    return value


def _reference(native: object) -> MessageId | str:
    text = _text(native)
    return message_id(text) if text else ""


log = get_logger(__name__)

PING_S = 10.0
PONG_S = 30.0
GRACE_S = 1.0
POLL_S = 20.0
"""How often the device process asks its library whether WhatsApp is there."""
SEND_S = 85.0
"""whatsmeow itself waits 75 s for WhatsApp's answer."""
TYPING_S = 5.0
CONTACTS_S = 30.0
DOWNLOAD_S = 65.0
_AGAIN_FIRST_S = 0.2
_AGAIN_LAST_S = 5.0
_CONTACTS = 20_000
_REASON = 40
"""Characters of a reason that the device process gives."""


class WhatsAppChannel:
    """One linked device."""

    def __init__(self, context: ChannelContext, command: Sequence[str] = COMMAND, poll_s: float = POLL_S) -> None:
        self._context = context
        self._poll_s = poll_s
        self._clock = context.clock
        self._command = command
        self._device: DeviceProcess | None = None
        self._account: WhatsAppAccount | None = None
        self._heard_at = 0.0

    @property
    def id(self) -> ChannelId:
        """`whatsapp`."""
        return CHANNEL

    @property
    def account(self) -> str:
        """The number of the linked phone, masked."""
        account = self._account or self._load()
        return mask_contact_id(account.own.person.contact_id) if account is not None else ""

    @property
    def owner_chat(self) -> ContactId | None:
        """The owner's messages to themselves; None until the account is known."""
        account = self._account or self._load()
        return ContactId(account.own.person.contact_id) if account is not None else None

    @property
    def invite_link(self) -> str:
        """What opens a chat with the linked number, the code typed but not sent. Empty until the account is known."""
        chat = self.owner_chat
        digits = chat.partition("@")[0] if chat else ""
        return f"https://wa.me/{digits}?text=" if digits.isascii() and digits.isdigit() else ""

    async def run(self, host: ChannelHost) -> None:
        """Connected until cancelled; then the device process has ended and what it had not handed over is in its spool.

        Raises CredentialsError when the owner must act (logged out, replaced, banned, outdated), ConfigError without the library,
        UnavailableError when it crashed, hung, or cannot reach WhatsApp.
        """
        try:
            account = load_account(self._context.directory)
        except DataError as error:
            raise failure("bad_account") from error
        if account is None or account.is_logged_out:
            raise failure("logged_out" if account is not None else "not_linked")
        self._account = account
        host.report(ChannelState.CONNECTING)
        device = DeviceProcess(self._command, self._context.directory)
        try:
            await device.start(self._first(account))
            self._heard_at = self._clock.monotonic()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear(device, host, group))
                group.create_task(self._ping(device))
        except ExceptionGroup as errors:
            raise _first_of(errors) from errors
        finally:
            self._device = None
            await device.stop()

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        """WhatsApp has the message, as a voice note if there is one. Within one life of the device process, a second call under the same id
        sends nothing."""
        if jid_of(contact_id) is None:
            return Undeliverable("not_a_whatsapp_id")
        device = self._device
        if device is None:
            return NotSent("not_connected")
        frame: Frame = {
            "type": "send",
            "id": client_message_id,
            "to": contact_id,
            "text": content.text,
            "expiresS": content.expires_s,
        }
        if content.voice is not None:
            frame["voice"] = _described(content.voice)
            try:
                await _hand_over(device, client_message_id, content.voice.data)
            except SecondmeError:  # the process is gone, and was never told to send it
                return NotSent("not_connected")
        answer = await device.ask(frame, SEND_S)
        reason = str(answer.get("reason", ""))[:_REASON]
        match answer.get("outcome"):
            case "sent":
                return Sent(str(answer.get("id", "")))
            case "not_sent":
                return NotSent(reason)
            case "undeliverable":
                return Undeliverable(reason)
            case "voice_refused":
                return VoiceRefused(reason)
            case _:
                raise failure("send_unknown")

    async def typing(self, contact_id: ContactId, thread: str = "", *, recording: bool = False) -> None:  # noqa: ARG002  WhatsApp has no topics
        """The contact sees that an answer is being typed, or recorded, if WhatsApp is there."""
        device = self._device
        if device is not None and jid_of(contact_id) is not None:
            try:
                await device.ask({"type": "typing", "to": contact_id, "recording": recording}, TYPING_S)
            except SecondmeError as error:
                log.debug("whatsapp_typing_failed", code=error.code)

    async def contacts(self) -> list[ChannelContact]:
        """Everybody in the phone's address book whose number is known."""
        book: list[ChannelContact] = []

        def take(part: Frame) -> None:
            book.extend(map(_contact, part.get("contacts", ())[: _CONTACTS - len(book)]))

        answer = await self._there().ask({"type": "contacts"}, CONTACTS_S, take)
        if answer.get("outcome") != "ok":
            raise failure("unavailable")
        return book

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        """Whoever has this id in the phone's address book."""
        return next((each for each in await self.contacts() if each.contact_id == contact_id), None)

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        """The file, decrypted and checked against its hash by the library. No address from a message is ever asked."""
        data = bytearray()

        def take(part: Frame) -> None:
            try:
                data.extend(base64.b64decode(part["data"], validate=True))
            except (KeyError, TypeError, binascii.Error) as error:
                raise DataError("whatsapp_bad_frame", "The device process sent a part that is none.") from error
            if len(data) > limit_bytes:
                raise DataError("attachment_too_large", "The attachment is larger than allowed.")

        answer = await self._there().ask({"type": "download", "handle": handle, "limit": limit_bytes}, DOWNLOAD_S, take)
        match answer.get("outcome"):
            case "ok":
                return bytes(data)
            case "gone":
                raise NotFoundError("attachment_gone", "WhatsApp does not have the attachment any more.")
            case "too_large":
                raise DataError("attachment_too_large", "The attachment is larger than allowed.")
            case "bad":
                raise DataError("attachment_unreadable", "The attachment is not what its sender said.")
            case _:
                raise failure("unavailable")

    async def _hear(self, device: DeviceProcess, host: ChannelHost, group: asyncio.TaskGroup) -> None:
        """Every frame of the device process, until it ends, which is always a failure."""
        waiting: asyncio.Queue[Frame] = asyncio.Queue()
        group.create_task(self._hand_over(device, host, waiting))
        while (frame := await device.hear()) is not None:
            self._heard_at = self._clock.monotonic()
            kind = frame["type"]
            if kind == "message":
                waiting.put_nowait(frame)  # at most one: the device process waits for each
            elif kind == "alive":
                host.alive()
            elif kind == "hello":
                self._device = device
            elif kind == "state":
                self._state(frame, host)
            elif kind == "failed":
                raise failure(str(frame.get("code")))
            elif kind in {"undecryptable", "unreadable"}:  # nothing that could be handed over; the phone shows it
                log.warning("whatsapp_message_lost", why=kind, count=_count(frame.get("count")))
        raise failure("crashed")

    async def _hand_over(self, device: DeviceProcess, host: ChannelHost, waiting: asyncio.Queue[Frame]) -> None:
        while True:
            frame = await waiting.get()
            try:
                message = read_received(frame.get("message") or {})
            except DataError as error:
                log.error("whatsapp_message_refused", code=error.code)
            else:
                fault_points.point("whatsapp.received")
                await self._until_safe(host, message)
            fault_points.point("whatsapp.safe")
            await device.tell({"type": "done", "seq": frame.get("seq")})

    async def _until_safe(self, host: ChannelHost, message: Any) -> None:
        """The host has it. Offered again and again: WhatsApp will not send it a second time."""
        for failures in itertools.count():
            try:
                await host.receive(message)
            except DataError as error:
                log.error("whatsapp_message_refused", code=error.code)
            except SecondmeError as error:
                log.info("whatsapp_message_waits", code=error.code)
                await self._clock.sleep(backoff_s(failures, _AGAIN_FIRST_S, _AGAIN_LAST_S))
                continue
            return

    def _state(self, frame: Frame, host: ChannelHost) -> None:
        """Report how the connection stands. Raises what the owner must mend."""
        state = frame.get("state")
        if state == "connected":
            self._keep(frame.get("own"))
            host.report(ChannelState.CONNECTED)
            host.alive()
        elif state == "disconnected":
            host.report(ChannelState.CONNECTING)  # whatsmeow reconnects by itself
        elif state == "silent":
            host.report(ChannelState.STALLED, "whatsapp_keepalive")
        elif state == "banned":
            raise banned(frame.get("seconds"), self._clock.now_ms())
        elif state in STATES:
            if state == "logged_out" and self._account is not None:
                save_account(self._context.directory, WhatsAppAccount(self._account.own, is_logged_out=True))
            raise failure(str(state))

    def _keep(self, record: object) -> None:
        """Our own addresses as the library knows them now: the hidden one, and this device's number, can come later."""
        if record is None or self._account is None:
            return
        own = own_from(record)
        if own.phone == self._account.own.phone and own != self._account.own:
            self._account = WhatsAppAccount(own)
            save_account(self._context.directory, self._account)

    async def _ping(self, device: DeviceProcess) -> None:
        """Raises UnavailableError when the device process does not answer any more; it was killed then."""
        while True:
            await device.tell({"type": "ping"})
            await self._clock.sleep(PING_S)
            if self._is_silent():
                await self._clock.sleep(GRACE_S)  # if it was we who were frozen, its answers wait in our own socket
                if self._is_silent():
                    device.kill()
                    raise failure("hung")

    def _is_silent(self) -> bool:
        return self._clock.monotonic() - self._heard_at > PONG_S

    def _first(self, account: WhatsAppAccount) -> Frame:
        name = str(self._context.settings.get("device_name") or "secondme")
        return {"type": "start", "mode": "run", "device": name, "own": own_to(account.own), "pollS": self._poll_s}

    def _load(self) -> WhatsAppAccount | None:
        try:
            return load_account(self._context.directory)
        except DataError:
            return None

    def _there(self) -> DeviceProcess:
        if self._device is None:
            raise failure("not_connected")
        return self._device


async def _hand_over(device: DeviceProcess, client_id: str, data: bytes) -> None:
    """The device process has the voice note, whose `send` must follow. Raises UnavailableError when it is gone."""
    for at in range(0, len(data), PART_BYTES):
        piece = base64.b64encode(data[at : at + PART_BYTES]).decode()
        await device.tell({"type": "piece", "id": client_id, "at": at, "data": piece})


def _described(note: VoiceNote) -> Frame:
    seconds = max(1, round(note.seconds))
    return {"sizeBytes": len(note.data), "seconds": seconds, "waveform": base64.b64encode(note.waveform).decode()}


def _contact(entry: Any) -> ChannelContact:
    """One of the address book. Raises DataError when it is no phone number and name."""
    match entry:
        case [str(phone), str(name)] if (known := as_person(Jid(phone, PHONE_SERVER))) is not None:
            return ChannelContact(ContactId(known.contact_id), safe_name(name), known.phone)
        case _:
            raise DataError("whatsapp_bad_frame", "The device process sent a contact that is none.")


def _count(value: object) -> int:
    return value if isinstance(value, int) else 1


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended the run first: of a hang, not the broken pipe that follows it."""
    causes = [_first_of(error) if isinstance(error, BaseExceptionGroup) else error for error in errors.exceptions]
    return max(causes, key=lambda error: not isinstance(error, SecondmeError) or error.code != "whatsapp_crashed")
