"""WhatsApp's events as the library hands them over: protobufs with every required field set."""

import logging
import os
from typing import Any

_HANDLERS = list(logging.getLogger().handlers)
_SPHINX = os.environ.get("SPHINX")
os.environ["SPHINX"] = "1"  # the library's own switch for "do not load the compiled part"
from neonize.events import EVENT_TO_INT, INT_TO_EVENT  # noqa: E402
from neonize.proto import Neonize_pb2 as pb  # noqa: E402
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2 as e2e  # noqa: E402

if _SPHINX is None:
    del os.environ["SPHINX"]
logging.getLogger().handlers[:] = _HANDLERS  # its import sends every log to stderr

__all__ = ["EVENT_TO_INT", "INT_TO_EVENT", "e2e", "pb"]

OWN_PHONE, OWN_LID, OWN_DEVICE = "4915550000001", "900000000000001", 12
PEOPLE = {"anna": ("4915112345678", "111222333444555"), "bert": ("4917098765432", "222333444555666")}
"""Phone and hidden number."""
NOW_MS = 1_800_000_000_000


def jid(user: str = "", server: str = "s.whatsapp.net", device: int = 0, agent: int = 0, integrator: int = 0) -> Any:
    return pb.JID(User=user, RawAgent=agent, Device=device, Integrator=integrator, Server=server, IsEmpty=not user)


def phone(person: str, device: int = 0) -> Any:
    return jid(PEOPLE[person][0], device=device)


def lid(person: str, device: int = 0) -> Any:
    return jid(PEOPLE[person][1], "lid", device)


def source(chat: Any, sender: Any, **more: Any) -> Any:
    facts = {"SenderAlt": jid(), "RecipientAlt": jid(), "BroadcastListOwner": jid(), "IsFromMe": False, "IsGroup": False}
    return pb.MessageSource(Chat=chat, Sender=sender, **{**facts, **more})


def info(where: Any, native: str = "ID1", at: int = NOW_MS, name: str = "Anna", *, multicast: bool = False) -> Any:
    return pb.MessageInfo(
        MessageSource=where,
        ID=native,
        ServerID=0,
        Type="text",
        Pushname=name,
        Timestamp=at,
        Category="",
        Multicast=multicast,
        MediaType="",
        Edit="",
    )


def message(about: Any, content: Any) -> Any:
    flags = (
        "IsEphemeral",
        "IsViewOnce",
        "IsViewOnceV2",
        "IsViewOnceV2Extension",
        "IsDocumentWithCaption",
        "IsLottieSticker",
        "IsEdit",
    )
    event = pb.Message(Info=about, UnavailableRequestID="", RetryCount=0, **dict.fromkeys(flags, False))
    if content is not None:
        event.Message.CopyFrom(content)
        event.Raw.CopyFrom(content)
    return event


def text(words: str) -> Any:
    return e2e.Message(conversation=words)


def from_contact(person: str, words: str, native: str = "ID1", at: int = NOW_MS) -> Any:
    """`person` writes to us, as WhatsApp delivers it today: the chat by hidden number, the phone beside it."""
    where = source(lid(person), lid(person), SenderAlt=phone(person))
    return message(info(where, native, at, person.title()), text(words))


def from_owner(person: str, words: str, native: str = "OWN1", at: int = NOW_MS, device: int = 0) -> Any:
    """The owner writes to `person` on their phone (device 0), or on another device."""
    where = source(phone(person), jid(OWN_PHONE, device=device), IsFromMe=True)
    return message(info(where, native, at, "The owner"), text(words))


def to_oneself(words: str, native: str = "SELF1", at: int = NOW_MS, device: int = 0) -> Any:
    where = source(jid(OWN_PHONE), jid(OWN_PHONE, device=device), IsFromMe=True)
    return message(info(where, native, at, "The owner"), text(words))


def own_device(*, with_lid: bool = True) -> Any:
    device = pb.Device(Platform="android", BussinessName="", PushName="The owner", Initialized=True)
    device.JID.CopyFrom(jid(OWN_PHONE, device=OWN_DEVICE))
    if with_lid:
        device.LID.CopyFrom(jid(OWN_LID, "lid", OWN_DEVICE))
    return device


def fill(proto: Any) -> Any:
    """Any event with its required fields set to something harmless, all the way down."""
    for field in proto.DESCRIPTOR.fields:
        if not field.is_required:
            continue
        if field.message_type is not None:
            fill(getattr(proto, field.name)).SetInParent()
        elif field.enum_type is not None:
            setattr(proto, field.name, field.enum_type.values[0].number)
        else:
            kind = type(getattr(proto, field.name))
            setattr(proto, field.name, kind())
    return proto
