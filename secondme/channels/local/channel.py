"""The local channel: terminals of this machine over a private socket, and a mailbox file for each contact that is away.

A line of a mailbox is a message (`{"id", "text"}`) or the mark that one was received (`{"ack"}`). Writing the same id twice changes
nothing: this is the platform that collapses resends.

The socket is 0600 in a 0700 directory: whoever can open it is the owner of this machine's account anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from secondme.channels.local.names import LocalNames
from secondme.channels.local.protocol import CHANNEL, LINE_LIMIT, OWNER, decode, encode
from secondme.core import fault_points
from secondme.core.clock import from_ms
from secondme.core.errors import DataError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.files import private_dir, replacement
from secondme.core.ids import ChannelId, ContactId, MessageId, mask_contact_id, message_id
from secondme.core.log import get_logger
from secondme.core.messages import (
    Admission,
    Attachment,
    AttachmentKind,
    Challenge,
    ChannelContact,
    ChannelState,
    ChatKind,
    InboundMessage,
    MessageContent,
    NotSent,
    SendOutcome,
    Sent,
    VoiceNote,
    describe,
)
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from secondme.core.ports import ChannelHost, Clock


_COMPACT_LINES = 400
_KEEP_IDS = 200


def mail_path(directory: Path, contact: str) -> Path:
    """The file of one contact's mail. Its name tells nobody who that is."""
    return directory / (hashlib.sha256(contact.encode()).hexdigest()[:32] + ".jsonl")


def voice_path(directory: Path, contact: str) -> Path:
    """The file of the last voice note that one contact was sent."""
    return mail_path(directory, contact).with_suffix(".ogg")


class LocalMailbox:
    """The messages of one contact that were not acknowledged yet."""

    def __init__(self, directory: Path, contact: str) -> None:
        self._path = mail_path(directory, contact)
        self._known: dict[str, str | None] = {}
        """Id -> text, or None once received; in order of arrival."""
        self._lines = 0
        self._read()

    def make(self) -> None:
        """There is a file, with or without mail. Repeatable. Raises UnavailableError when the disk refuses."""
        with _on_disk():
            self._path.touch(0o600)

    def add(self, message: str, text: str) -> bool:
        """The message is on disk. False when it was there before. Raises UnavailableError when the disk refuses."""
        if message in self._known:
            return False
        self._append({"id": message, "text": text})
        self._known[message] = text
        return True

    def acknowledge(self, message: str) -> None:
        """The message was received and is forgotten, its id is not. Repeatable."""
        if self._known.get(message) is not None:
            self._append({"ack": message})
            self._known[message] = None
            if self._lines > _COMPACT_LINES:
                self._compact()

    def waiting(self) -> list[tuple[str, str]]:
        """What was not acknowledged, oldest first, as (id, text)."""
        return [(message, text) for message, text in self._known.items() if text is not None]

    def _read(self) -> None:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return
        for line in raw.splitlines():
            try:
                entry = json.loads(line)
                self._lines += 1
                if "ack" in entry:
                    self._known[entry["ack"]] = None
                else:
                    self._known[entry["id"]] = entry["text"]
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a process that was killed while it wrote
        if raw and not raw.endswith(b"\n"):
            self._compact()

    def _append(self, entry: dict[str, str]) -> None:
        data = _encoded([entry])
        with _on_disk():
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                before = os.fstat(descriptor).st_size
                if os.write(descriptor, data) != len(data):
                    os.ftruncate(descriptor, before)
                    raise OSError("short write")
            finally:
                os.close(descriptor)
        self._lines += 1

    def _compact(self) -> None:
        received = [message for message, text in self._known.items() if text is None][-_KEEP_IDS:]
        waiting = dict(self.waiting())
        self._known = {**dict.fromkeys(received), **waiting}
        entries = [{"ack": message} for message in received] + [{"id": message, "text": text} for message, text in waiting.items()]
        with _on_disk(), replacement(self._path) as file:
            file.write(_encoded(entries))
        self._lines = len(entries)


def _encoded(entries: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


@contextlib.contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError("local_mail_unwritable", "The local channel cannot write its mail.", "Check the disk.") from error


log = get_logger(__name__)

_HELLO_TIMEOUT_S = 5.0
_WRITE_TIMEOUT_S = 5.0
_AGAIN_S = 0.2
"""Between two tries of a message that cannot be taken at the moment."""
_SECONDS_AHEAD_MS = 60_000


class LocalChannel:
    """Serves `secondme chat` on a unix socket."""

    def __init__(self, socket_path: Path, mail_directory: Path, clock: Clock) -> None:
        self._socket_path = socket_path
        self._mail_directory = mail_directory
        self._clock = clock
        self._ids = LocalNames(mail_directory, lambda contact: mail_path(mail_directory, contact).exists())
        self._mail: dict[ContactId, LocalMailbox] = {}
        self._lines: dict[ContactId, set[asyncio.StreamWriter]] = {}
        self._names: dict[ContactId, str] = {}
        self._late: dict[tuple[ContactId, str], Admission | Challenge] = {}
        """What became of messages that were refused at first: their clients may have offered them again meanwhile."""

    @property
    def id(self) -> ChannelId:
        """`local`."""
        return CHANNEL

    @property
    def account(self) -> str:
        """Its home: each has a `local` of its own."""
        return str(self._mail_directory)

    @property
    def owner_chat(self) -> ContactId | None:
        """The owner's own chat, once they have opened it: what nobody reads is not written there."""
        return OWNER if mail_path(self._mail_directory, OWNER).exists() else None

    async def run(self, host: ChannelHost) -> None:
        """Serve until cancelled; then every client is disconnected and the socket is gone."""
        private_dir(self._socket_path.parent)
        private_dir(self._mail_directory)
        self._socket_path.unlink(missing_ok=True)
        conversations: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            conversations.add(task)
            try:
                await self._converse(reader, writer, host)
            except asyncio.CancelledError:
                pass  # the channel ends, which the stream's own callback would call an error
            finally:
                conversations.discard(task)

        server = await asyncio.start_unix_server(accept, self._socket_path, limit=LINE_LIMIT)
        self._socket_path.chmod(0o600)
        host.report(ChannelState.CONNECTED)
        try:
            await asyncio.Event().wait()  # serve_forever, when cancelled, waits for every client to go (Python 3.12 and later)
        finally:
            server.close()
            for task in list(conversations):
                task.cancel()
            self._socket_path.unlink(missing_ok=True)

    async def send(self, contact_id: ContactId, content: MessageContent, client_message_id: str) -> SendOutcome:
        """The message is in the contact's mail on disk, and on its terminal if it is there. A resend under the same id collapses.

        Of a voice note the terminal is told where its file is; the next one takes its place.
        """
        try:
            text = content.text if content.voice is None else self._kept(contact_id, content.voice)
            fresh = self._mail_of(contact_id).add(client_message_id, text)
        except UnavailableError as error:
            return NotSent(error.code)
        if fresh:
            await self._tell(contact_id, {"type": "message", "id": client_message_id, "text": text})
        return Sent(client_message_id)

    async def typing(self, contact_id: ContactId, thread: str = "", *, recording: bool = False) -> None:  # noqa: ARG002  neither is shown
        """The contact's terminal shows that somebody types."""
        await self._tell(contact_id, {"type": "typing"})

    async def contacts(self) -> list[ChannelContact]:
        """Who is at a terminal now, under the name that they came by: this platform knows nobody else."""
        return [ChannelContact(contact, name) for contact, name in self._names.items()]

    async def contact(self, contact_id: ContactId) -> ChannelContact | None:
        """Whoever is at a terminal now."""
        return ChannelContact(contact_id, self._names[contact_id]) if contact_id in self._names else None

    async def download(self, handle: str, limit_bytes: int) -> bytes:
        """Nothing is ever attached here. Raises NotFoundError."""
        del handle, limit_bytes
        raise NotFoundError("no_such_attachment", "The local channel carries no attachments.")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: ChannelHost) -> None:
        contact: ContactId | None = None
        try:
            async with asyncio.timeout(_HELLO_TIMEOUT_S):
                first = await reader.readline()
            if not first:
                return  # somebody looked whether we answer
            hello = decode(first)
            is_owner = hello.get("self") is True
            name = "" if is_owner else _text(hello, "as")
            contact = OWNER if is_owner else self._ids.id_of(name)
            if is_owner:
                self._mail_of(contact).make()
            self._lines.setdefault(contact, set()).add(writer)
            if not is_owner:
                self._names[contact] = safe_name(name)
            await _write(writer, {"type": "welcome", "contactId": contact})
            for message, text in self._mail_of(contact).waiting():
                await _write(writer, {"type": "message", "id": message, "text": text})
            while raw := await reader.readline():
                await self._hear(decode(raw), contact, name, reader, writer, host)
        except (DataError, ValueError) as error:  # ValueError: a line over the limit
            log.warning("local_client_refused", error=type(error).__name__)
            with contextlib.suppress(OSError, TimeoutError):
                await _write(writer, {"type": "error", "code": "bad_line"})
        except UnavailableError as error:
            log.warning("local_mail_refused", code=error.code)  # the client comes back, and is given what it could not acknowledge
        except (OSError, TimeoutError):
            pass  # it went away; what it did not receive waits in its mail
        except Exception as error:  # noqa: BLE001  the top of a task: asyncio would write down the exception's text, which may quote a person
            log.error("local_client_crashed", error)
        finally:
            if contact is not None:
                self._lines[contact].discard(writer)
                if not self._lines[contact]:
                    del self._lines[contact]
                    self._names.pop(contact, None)
                    self._late = {key: outcome for key, outcome in self._late.items() if key[0] != contact}
            writer.close()

    async def _hear(
        self,
        event: dict[str, Any],
        contact: ContactId,
        name: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: ChannelHost,
    ) -> None:
        match event["type"]:
            case "message":
                await self._take(self._understand(event, contact, name), event["id"], reader, writer, host)
            case "ack":
                self._mail_of(contact).acknowledge(_text(event, "id"))
            case _:
                raise DataError("bad_line", "Unknown kind of line.")

    async def _take(
        self, message: InboundMessage, identity: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: ChannelHost
    ) -> None:
        """The message is accepted, or refused for good. One that cannot be taken for a moment is refused once and tried again as long as
        its client is there: what it said next is not read before, and so overtakes nothing."""
        key = (message.contact_id, identity)
        has_refused = False
        while key not in self._late:
            try:
                outcome = await host.receive(message)
                if has_refused:
                    self._late[key] = outcome
                break
            except SecondmeError as error:
                if not has_refused:
                    log.warning("local_message_refused", contact=mask_contact_id(message.contact_id), code=error.code)
                    await _write(writer, {"type": "refused", "id": identity, "code": error.code})
                has_refused = True
                if not isinstance(error, UnavailableError) or reader.at_eof():
                    return
                await self._clock.sleep(_AGAIN_S)
        else:
            outcome = self._late.pop(key)
        fault_points.point("channel.admitted")
        await _write(writer, {"type": "accepted", "id": identity, "outcome": outcome.value})

    def _understand(self, event: dict[str, Any], contact: ContactId, name: str) -> InboundMessage:
        sent_ms, now_ms = event.get("sentAt"), self._clock.now_ms()
        if not isinstance(sent_ms, int) or isinstance(sent_ms, bool) or not 0 < sent_ms < now_ms + _SECONDS_AHEAD_MS:
            sent_ms = now_ms
        return InboundMessage(
            channel_id=CHANNEL,
            contact_id=contact,
            normalized_contact_id=contact,
            message_id=MessageId(message_id(_text(event, "id"))),
            text=_text(event, "text"),
            sent_at=from_ms(sent_ms),
            display_name=safe_name(name),
            kind=ChatKind.OWNER if contact == OWNER else ChatKind.DIRECT,
            from_me=event.get("fromOwner") is True,
            is_time_claimed=True,
        )

    async def _tell(self, contact: ContactId, event: dict[str, Any]) -> None:
        """Write to every terminal of the contact; one that does not read is cut off and finds its mail when it is back."""
        for writer in list(self._lines.get(contact, ())):
            try:
                await _write(writer, event)
            except (OSError, TimeoutError):
                writer.close()

    def _kept(self, contact: ContactId, note: VoiceNote) -> str:
        path = voice_path(self._mail_directory, contact)
        with _on_disk(), replacement(path) as file:
            file.write(note.data)
        seconds = max(1, round(note.seconds))
        return f"{describe(Attachment(AttachmentKind.VOICE, duration_s=seconds))} {path}"

    def _mail_of(self, contact: ContactId) -> LocalMailbox:
        if contact not in self._mail:
            self._mail[contact] = LocalMailbox(self._mail_directory, contact)
        return self._mail[contact]


async def _write(writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
    async with asyncio.timeout(_WRITE_TIMEOUT_S):
        writer.write(encode(event))
        await writer.drain()


def _text(event: dict[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str):
        raise DataError("bad_line", f"A line lacks its {field}.")
    return value
