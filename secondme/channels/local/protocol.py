"""The protocol between `secondme chat` and the gateway: JSON lines over a private unix socket.

    client -> {"type": "hello", "as": name, "self": bool}          `self`: the owner, in the chat with their clone; `as` is not read
    client -> {"type": "message", "id": id, "text": text, "sentAt": ms, "fromOwner": bool}
    client -> {"type": "ack", "id": id}
    server -> {"type": "accepted", "id": id, "outcome": outcome}   the gate has decided; the client may forget the message
    server -> {"type": "refused", "id": id, "code": code}          the gate could not decide; the client must offer it again.
                                                                   What it said next is not looked at before, as long as it is there
    server -> {"type": "typing"}
    server -> {"type": "message", "id": id, "text": text}          until it is acknowledged, it comes again after a reconnect

Ids are chosen by whoever sends, so that both directions can repeat without showing anything twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from secondme.core.errors import DataError
from secondme.core.ids import ChannelId, ContactId
from secondme.core.text import caseless, safe_name

CHANNEL = ChannelId("local")
LINE_LIMIT = 512 * 1024
"""Bytes. 64 KB of text are at most 400 KB as escaped JSON."""
OWNER = ContactId(f"{CHANNEL}:~owner")
"""The owner's own chat. No name is this contact: those of others are plain, or twenty digits behind the `~`."""
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")


def contact_of(name: str) -> ContactId:
    """The contact that `name` is: one person per name, whatever its capitals or its Unicode form. Raises DataError for an empty one.

    Plain names are readable ids; all others are hashed, behind a `~` that no plain one can start with.
    """
    folded = caseless(name.strip())
    if not safe_name(name):
        raise DataError("bad_name", "A contact needs a visible name.", "secondme chat --as Anna")
    if _PLAIN.fullmatch(folded):
        return ContactId(f"{CHANNEL}:{folded}")
    return ContactId(f"{CHANNEL}:~" + hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()[:20])


def encode(event: dict[str, Any]) -> bytes:  # one line of JSON has no closer type
    """One line, newline included."""
    return json.dumps(event).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The event of one line. Raises DataError when it is not a JSON object with a `type`."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):  # nested beyond reason
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise DataError("bad_line", "The other side does not speak the local channel's protocol.")
    return event
