"""The one file that imports neonize (whatsmeow, in Go, behind ctypes). Only the device process loads it.

Two traps decide its shape. Before the library's first event its table of clients is being built, and after `Stop` the client is gone:
a call then is a nil pointer in Go, which ends the process. So nothing is called before the first event. And whatsmeow tells WhatsApp
that a message arrived once it is in neonize's channel of 100 events; the channel is emptied by our callback, one event at a time.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

from secondme.channels.whatsapp.account import DATABASE
from secondme.channels.whatsapp.device.messages import is_media_path, read_jid
from secondme.channels.whatsapp.jids import LID_SERVER, PHONE_SERVER, Jid, OwnDevice, as_person
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UUID = "secondme"
"""The library's name for its only client."""


_VOICE_MIME = "audio/ogg; codecs=opus"


class LibraryError(Exception):
    """The library said no. `text` is its own words: never shown, they may quote a person; only matched."""

    def __init__(self, text: str) -> None:
        super().__init__("the library said no")
        self.text = text


class MissingLibraryError(Exception):
    """neonize, its compiled part, or libmagic is not on this machine."""


class WhatsAppLibrary:
    """One linked device. Calls block, and may block for long: each belongs in a thread of its own."""

    def __init__(self, device_name: str) -> None:
        """Raises MissingLibraryError. Takes half a second and 60 MB."""
        _require_compiled_part()
        forbid_link_previews()
        try:
            from neonize import client  # type: ignore[import-untyped]  # noqa: PLC0415  costs what the docstring says
            from neonize.proto import Neonize_pb2  # type: ignore[import-untyped]  # noqa: PLC0415
            from neonize.proto.waE2E import WAWebProtobufsE2E_pb2  # type: ignore[import-untyped]  # noqa: PLC0415
            from neonize.utils import enum  # type: ignore[import-untyped]  # noqa: PLC0415
        except Exception as error:  # ImportError for libmagic; OSError and its own for the compiled part
            raise MissingLibraryError from error
        logging.disable(logging.CRITICAL)  # whatsmeow's log may quote messages; the import has sent it to stderr
        logging.getLogger("neonize.utils.log").setLevel(logging.ERROR)  # the least that the Go side can be told to say
        self._protos, self._e2e, self._enum = Neonize_pb2, WAWebProtobufsE2E_pb2, enum
        props = client.DeviceProps(os=device_name, platformType=client.DeviceProps.CHROME, requireFullSync=False)
        self._client = client.NewClient(DATABASE, props=props, uuid=UUID)

    def on(self, event: str, handler: Callable[[Any], object]) -> None:
        """`handler` is called in the library's thread with each event of that name, which waits for it to return."""
        self._client.event(getattr(self._protos, event))(lambda _, proto: handler(proto))

    def on_qr(self, handler: Callable[[str], None]) -> None:
        """`handler` is called in the library's thread with each QR code's payload."""
        self._client.qr(lambda _, payload: handler(payload.decode("utf-8", "replace")))

    def connect(self) -> None:
        """Returns when the connection was stopped; raises LibraryError when it could not be begun."""
        self._call(self._client.connect)

    def disconnect(self) -> None:
        """No more events come from WhatsApp; those that wait are still delivered."""
        self._call(self._client.disconnect)

    def is_alive(self) -> bool:
        """True while there is a connection and WhatsApp has taken our login."""
        return bool(self._client.is_connected and self._client.is_logged_in)

    def own(self) -> OwnDevice | None:
        """The account that we are a device of; None while there is none."""
        device = self._call(self._client.get_me)
        jid, lid = read_jid(device.JID), read_jid(device.LID)
        person = as_person(jid) if jid is not None else None
        hidden = as_person(lid) if lid is not None else None
        if jid is None or person is None or not person.phone:
            return None
        return OwnDevice(person.phone, hidden.lid if hidden is not None else "", jid.device, safe_name(device.PushName))

    def other_address(self, jid: Jid) -> Jid | None:
        """The person's other address, from what WhatsApp itself told the library. None when it does not know."""
        ask = self._client.get_pn_from_lid if jid.server == LID_SERVER else self._client.get_lid_from_pn
        try:
            other = read_jid(self._call(ask, self._proto_of(jid)))
        except LibraryError:
            return None
        wanted = PHONE_SERVER if jid.server == LID_SERVER else LID_SERVER
        return other if other is not None and other.server == wanted else None

    def send(self, to: Jid, text: str, expires_s: int = 0) -> str:
        """WhatsApp has the message, which its chat forgets after `expires_s` seconds, if any; its id. Raises LibraryError: whether it went
        out depends on what the library said."""
        message = self._e2e.Message(conversation=text)
        if expires_s:
            message = self._e2e.Message(extendedTextMessage=self._e2e.ExtendedTextMessage(text=text))
            message.extendedTextMessage.contextInfo.expiration = expires_s
        response = self._call(self._client.send_message, self._proto_of(to), message)
        return str(response.ID)

    def upload_voice(self, data: bytes, seconds: int, waveform: bytes) -> Any:
        """The message that is a voice note, whose file WhatsApp's servers have now, encrypted; nobody was sent it. Raises LibraryError.

        Built here and not by the library, which names a kind of file that WhatsApp takes and never delivers.
        """
        there = self._call(self._client.upload, data, self._enum.MediaType.MediaAudio)
        message = self._e2e.Message()
        audio = message.audioMessage
        audio.URL, audio.directPath, audio.mediaKey = there.url, there.DirectPath, there.MediaKey
        audio.fileSHA256, audio.fileEncSHA256, audio.fileLength = there.FileSHA256, there.FileEncSHA256, there.FileLength
        audio.mimetype, audio.PTT, audio.seconds, audio.waveform = _VOICE_MIME, True, seconds, waveform
        return message

    def send_voice(self, to: Jid, message: Any, expires_s: int = 0) -> str:
        """As `send`, of what `upload_voice` made."""
        if expires_s:
            message.audioMessage.contextInfo.expiration = expires_s
        return str(self._call(self._client.send_message, self._proto_of(to), message).ID)

    def show_typing(self, to: Jid, *, recording: bool) -> None:
        """The contact sees that we write, or that we record a voice message."""
        composing, kinds = self._enum.ChatPresence.CHAT_PRESENCE_COMPOSING, self._enum.ChatPresenceMedia
        kind = kinds.CHAT_PRESENCE_MEDIA_AUDIO if recording else kinds.CHAT_PRESENCE_MEDIA_TEXT
        self._call(self._client.send_presence, self._enum.Presence.AVAILABLE)
        self._call(self._client.send_chat_presence, self._proto_of(to), composing, kind)

    def be_away(self) -> None:
        """We are not there: the phone rings for new messages."""
        self._call(self._client.send_presence, self._enum.Presence.UNAVAILABLE)

    def contacts(self) -> Iterator[tuple[str, str]]:
        """Phone digits and name of everybody in the address book who has a phone address."""
        for contact in self._call(self._client.contact.get_all_contacts):
            jid = read_jid(contact.JID)
            person = as_person(jid) if jid is not None else None
            info = contact.Info
            if person is not None and person.phone:
                yield person.phone, safe_name(info.FullName or info.FirstName or info.BusinessName or info.PushName)

    def claimed_size(self, media: bytes) -> int | None:
        """What the sender says how long the file is; None when `media` is not one downloadable file of a message."""
        message = self._media_of(media)
        return None if message is None else int(message.fileLength)

    def download(self, media: bytes) -> bytes:
        """The file that the keys in `media` stand for, checked against its hash. Raises LibraryError."""
        if self._media_of(media) is None:
            raise LibraryError("no downloadable file")
        return bytes(self._call(self._client.download_any, self._e2e.Message.FromString(media)) or b"")

    def pair(self, phone: str) -> str:
        """The code to type on the phone. Raises LibraryError. Only after the first QR code came."""
        return str(self._call(self._client.PairPhone, phone, show_push_notification=True))

    def logout(self) -> None:
        """The phone lists this device no more. Raises LibraryError."""
        self._call(self._client.logout)

    def _media_of(self, media: bytes) -> Any | None:
        """The one media part. A handle comes back from our own store, but a fetch is worth a second look."""
        try:
            parts = self._e2e.Message.FromString(media).ListFields()
        except Exception:  # noqa: BLE001  protobuf's own DecodeError, and what its implementations raise beside it
            return None
        if len(parts) != 1 or not hasattr(parts[0][1], "directPath"):
            return None
        part = parts[0][1]
        return part if is_media_path(part.directPath) and not part.URL else None

    def _proto_of(self, jid: Jid) -> Any:
        return self._protos.JID(User=jid.user, Server=jid.server, Device=0, RawAgent=0, Integrator=0, IsEmpty=False)

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except Exception as error:  # neonize's tree has no single root below Exception
            raise LibraryError(str(error)) from error


def forbid_link_previews() -> None:
    """The library has nothing that could fetch an address out of a message, and loads in two thirds of the time. Before its import."""
    stand_in = ModuleType("linkpreview")
    stand_in.link_preview = _refuse  # type: ignore[attr-defined]  # the one name that neonize takes from it
    sys.modules["linkpreview"] = stand_in


def _refuse(*_: object, **__: object) -> NoReturn:
    raise LibraryError("no address is fetched")


def _require_compiled_part() -> None:
    """Raises MissingLibraryError when the package has no compiled part for this machine: its import would download one."""
    from importlib.util import find_spec  # noqa: PLC0415  once, in the device process

    spec = find_spec("neonize")
    if spec is None or spec.origin is None:
        raise MissingLibraryError
    suffix = "dylib" if sys.platform == "darwin" else "so"
    if not any(Path(spec.origin).parent.glob(f"neonize-*.{suffix}")):
        raise MissingLibraryError
