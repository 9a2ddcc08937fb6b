"""The real device process on a library whose compiled part the test plays. Run as a script: CONTROL-SOCKET, then the device's arguments.

Only the ctypes boundary is replaced (`gocode`). Events go as pointer and size through neonize's own dispatcher; what the channel sends
is seen where neonize would have handed it to Go. As in Go, one thread delivers events, one at a time, from a queue.

A test says on the control socket, in JSON lines:  {do: event|qr|set|hold|release|crash|end|sync, ...}
and hears:  {native: name, ...} for each call,  {returned: number} when an event's callback returned,  {synced: number}.
"""
# ruff: noqa: N802, ARG002  the names and the arguments are those of the exported functions

import base64
import ctypes
import hashlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from secondme.channels.whatsapp.device.library import forbid_link_previews

forbid_link_previews()
os.environ["SPHINX"] = "1"  # the library's own switch for "do not load the compiled part"
import neonize._binder as binder  # noqa: E402
import neonize.client as neonize_client  # noqa: E402
from neonize.proto import Neonize_pb2 as pb  # noqa: E402
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e  # noqa: E402


class Control:
    """The test's end of the library."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._sending = threading.Lock()

    def say(self, **facts: Any) -> None:
        with self._sending:
            self._socket.sendall(json.dumps(facts).encode() + b"\n")

    def orders(self) -> Any:
        with self._socket.makefile("rb") as lines:
            yield from map(json.loads, lines)


class FakeGo:
    """What `neonize-linux-amd64.so` exports, as far as the channel uses it."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._held: dict[str, threading.Event] = {}
        self._facts: dict[str, Any] = {"connected": True, "errors": {}, "lids": {}, "contacts": [], "files": {}, "me": ""}
        self._sent = 0
        threading.Thread(target=self._obey, daemon=True).start()

    def _obey(self) -> None:
        for order in self._control.orders():
            do = order["do"]
            if do in {"event", "qr"}:
                self._events.put(order)
            elif do == "set":
                self._facts.update(order["facts"])
            elif do == "hold":
                self._held[order["name"]] = threading.Event()
            elif do == "release":
                self._held.pop(order["name"]).set()
            elif do == "sync":
                self._control.say(synced=order["number"])
            elif do == "crash":
                os._exit(9) if order["how"] == "exit" else os.kill(os.getpid(), signal.SIGSEGV)
            elif do == "end":
                self._facts["ended"] = order.get("error", "")
                self._events.put(None)

    def _called(self, name: str, **facts: Any) -> str:
        """The test knows of the call; an error's text if it wants one. Waits while the test holds it."""
        self._control.say(native=name, **facts)
        held = self._held.get(name)
        if held is not None:
            held.wait()
        return str(self._facts["errors"].get(name, ""))

    def Neonize(self, db: bytes, *arguments: Any) -> bytes:
        qr_callback, event_callback = arguments[5], arguments[7]
        for suffix in ("", "-wal", "-shm"):
            Path(db.decode() + suffix).touch(mode=0o666)
        self._called("Neonize", db=db.decode(), subscribed=list(arguments[9][: arguments[10]]))
        while (order := self._events.get()) is not None:
            if order["do"] == "qr":
                qr_callback(b"secondme", ctypes.cast(ctypes.create_string_buffer(order["payload"].encode()), ctypes.c_void_p))
                continue
            data = base64.b64decode(order["data"])
            buffer = ctypes.create_string_buffer(data, len(data))
            if (held := self._held.get("Dispatch")) is not None:
                held.wait()
            event_callback(b"secondme", ctypes.cast(buffer, ctypes.c_void_p), len(data), order["code"])
            self._control.say(returned=order["number"])
        return str(self._facts.get("ended", "")).encode()

    def Stop(self, uuid: bytes) -> bytes:
        self._events.put(None)
        return b""

    def Disconnect(self, uuid: bytes) -> None:
        self._facts["connected"] = False
        self._called("Disconnect")

    def IsConnected(self, uuid: bytes) -> bool:
        self._called("IsConnected")
        return bool(self._facts["connected"])

    def IsLoggedIn(self, uuid: bytes) -> bool:
        return bool(self._facts["connected"])

    def GetMe(self, uuid: bytes) -> bytes:
        return base64.b64decode(self._facts["me"])

    def SendMessage(self, uuid: bytes, to: bytes, to_size: int, message: bytes, size: int) -> bytes:
        target, said = pb.JID.FromString(to[:to_size]), e2e.Message.FromString(message[:size])
        self._sent += 1
        audio = said.audioMessage if said.HasField("audioMessage") else None
        voice = {} if audio is None else {"voice": base64.b64encode(audio.SerializeToString()).decode()}
        native = self._facts.get("next_id") or f"3EB0{os.getpid():08X}{self._sent:08X}"
        words = said.conversation or said.extendedTextMessage.text
        expires = (audio or said.extendedTextMessage).contextInfo.expiration
        error = self._called("SendMessage", user=target.User, server=target.Server, text=words, id=native, expires=expires, **voice)
        result = pb.SendMessageReturnFunction()
        if error:
            result.Error = error
        else:
            timings = dict.fromkeys((field.name for field in pb.MessageDebugTimings.DESCRIPTOR.fields), 0)
            result.SendResponse.CopyFrom(
                pb.SendResponse(Timestamp=int(time.time()), ID=native, ServerID=0, DebugTimings=pb.MessageDebugTimings(**timings))
            )
        return result.SerializeToString()

    def Upload(self, uuid: bytes, data: bytes, size: int, kind: int) -> bytes:
        error = self._called("Upload", data=base64.b64encode(data[:size]).decode(), kind=kind)
        if error:
            return pb.UploadReturnFunction(Error=error).SerializeToString()
        plain = hashlib.sha256(data[:size]).digest()
        there = pb.UploadResponse(
            url="https://mmg.whatsapp.net/v/t62",
            DirectPath="/v/t62",
            Handle="",
            MediaKey=b"k" * 32,
            FileEncSHA256=hashlib.sha256(plain).digest(),
            FileSHA256=plain,
            FileLength=size,
        )
        return pb.UploadReturnFunction(UploadResponse=there).SerializeToString()

    def SendPresence(self, uuid: bytes, presence: bytes) -> bytes:
        return self._called("SendPresence", presence=presence.decode()).encode()

    def SendChatPresence(self, uuid: bytes, to: bytes, size: int, state: int, media: int) -> bytes:
        return self._called("SendChatPresence", user=pb.JID.FromString(to[:size]).User, state=state, media=media).encode()

    def DownloadAny(self, uuid: bytes, message: bytes, size: int) -> bytes:
        asked = e2e.Message.FromString(message[:size])
        part = asked.ListFields()[0][1]
        error = self._called("DownloadAny", path=part.directPath, url=part.URL, parts=len(asked.ListFields()))
        if error:
            return pb.DownloadReturnFunction(Error=error).SerializeToString()
        return pb.DownloadReturnFunction(Binary=bytes(self._facts["files"].get(part.directPath, 0))).SerializeToString()

    def _other(self, name: str, asked: bytes, server: str) -> bytes:
        user = pb.JID.FromString(asked).User
        self._called(name, user=user)
        found = self._facts["lids"].get(user, "")
        jid = pb.JID(User=found, Server=server if found else "", RawAgent=0, Device=0, Integrator=0, IsEmpty=not found)
        return pb.GetJIDFromStoreReturnFunction(Jid=jid).SerializeToString()

    def GetPNFromLID(self, uuid: bytes, asked: bytes, size: int) -> bytes:
        return self._other("GetPNFromLID", asked[:size], "s.whatsapp.net")

    def GetLIDFromPN(self, uuid: bytes, asked: bytes, size: int) -> bytes:
        return self._other("GetLIDFromPN", asked[:size], "lid")

    def GetAllContacts(self, uuid: bytes) -> bytes:
        error = self._called("GetAllContacts")
        result = pb.ContactsGetAllContactsReturnFunction(**({"Error": error} if error else {}))
        for user, server, name in self._facts["contacts"]:
            names = {"FirstName": "", "FullName": name, "PushName": "", "BusinessName": "", "RedactedPhone": ""}
            result.Contact.add(
                JID=pb.JID(User=user, Server=server, RawAgent=0, Device=0, Integrator=0, IsEmpty=False),
                Info=pb.ContactInfo(Found=True, **names),
            )
        return result.SerializeToString()

    def PairPhone(self, uuid: bytes, params: bytes, size: int) -> bytes:
        asked = pb.PairPhoneParams.FromString(params[:size])
        error = self._called("PairPhone", phone=asked.phone, shown_as=asked.clientDisplayName)
        return pb.PairPhoneReturnFunction(**({"Error": error} if error else {"Code": "ABCD-1234"})).SerializeToString()

    def Logout(self, uuid: bytes) -> bytes:
        return self._called("Logout").encode()


def main() -> None:
    native: Any = FakeGo(Control(sys.argv[1]))
    binder.gocode = neonize_client.gocode = native
    from secondme.channels.whatsapp.device.__main__ import main as run_device

    run_device(sys.argv[2:])


main()
