"""The linked account on disk, and the spool of messages that the gateway has not taken yet."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.jids import Jid, OwnDevice, as_person
from secondme.channels.whatsapp.manifest import CONNECT
from secondme.core.errors import DataError
from secondme.core.files import remove_unfinished, write_private
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


DATABASE = "device.db"
LINKED = "linked.json"
SPOOL = "spool"


@dataclass(frozen=True, slots=True)
class WhatsAppAccount:
    """The linked account. `is_logged_out` when the phone has thrown this device out."""

    own: OwnDevice
    is_logged_out: bool = False


def is_linked(directory: Path) -> bool:
    """True once the device was linked, also after it was logged out: the owner should see that."""
    return (directory / LINKED).is_file()


def load_account(directory: Path) -> WhatsAppAccount | None:
    """The account; None when no device was linked here. Raises DataError when the file cannot be read."""
    try:
        record = json.loads((directory / LINKED).read_bytes())
        return WhatsAppAccount(own_from(record), record.get("loggedOut") is True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, AttributeError, DataError) as error:
        raise DataError("whatsapp_bad_account", f"{directory / LINKED} cannot be read.", CONNECT) from error


def save_account(directory: Path, account: WhatsAppAccount) -> None:
    """`linked.json` says it, 0600, all of it or nothing."""
    record = {**own_to(account.own), "loggedOut": account.is_logged_out}
    write_private(directory / LINKED, json.dumps(record, sort_keys=True).encode() + b"\n")


def own_to(own: OwnDevice) -> dict[str, Any]:
    """As a JSON object."""
    return {"phone": own.phone, "lid": own.lid, "device": own.device, "name": own.name}


def own_from(record: Any) -> OwnDevice:
    """From a JSON object. Raises DataError when it names no account."""
    try:
        phone, lid, device, name = (record[key] for key in ("phone", "lid", "device", "name"))
    except (KeyError, TypeError) as error:
        raise DataError("whatsapp_bad_account", "That is no account.") from error
    has_phone = isinstance(phone, str) and as_person(Jid(phone, "s.whatsapp.net")) is not None
    has_lid = isinstance(lid, str) and (not lid or as_person(Jid(lid, "lid")) is not None)
    if not (has_phone and has_lid and isinstance(device, int) and isinstance(name, str)):
        raise DataError("whatsapp_bad_account", "That is no account.")
    return OwnDevice(phone, lid, device, safe_name(name))


def erase_account(directory: Path) -> None:
    """The session's files are gone: keys, account, spool. The lock stays: a lock that is removed can be held twice. Repeatable."""
    for path in directory.glob(f"{DATABASE}*"):
        path.unlink(missing_ok=True)
    for name in (LINKED, SPOOL):
        (directory / name).unlink(missing_ok=True)
        remove_unfinished(directory / name)


LIMIT_BYTES = 16 * 1024 * 1024
"""The library holds back at most 100 events; what is longer than this is not ours."""

Message = dict[str, Any]


def read_spool(directory: Path) -> list[Message]:
    """The messages, oldest first. What cannot be read of it, torn ends above all, is passed over."""
    try:
        with (directory / SPOOL).open("rb") as file:
            lines = file.read(LIMIT_BYTES).splitlines()
    except OSError:
        return []
    messages = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            message = json.loads(line)
            if isinstance(message, dict) and isinstance(message.get("id"), str):
                messages.append(message)
    return messages


def write_spool(directory: Path, messages: Sequence[Message]) -> None:
    """The spool holds exactly `messages`; there is none when there are none."""
    if not messages:
        (directory / SPOOL).unlink(missing_ok=True)
        return
    lines = [json.dumps(message).encode() + b"\n" for message in messages]
    write_private(directory / SPOOL, b"".join(lines))


def forget_in_spool(directory: Path, contact_id: str) -> None:
    """Nothing of the contact is in the spool any more. Repeatable."""
    if not (directory / SPOOL).exists():
        return
    others = [
        message
        for message in read_spool(directory)
        if message.get("contact") != contact_id and contact_id not in (message.get("aliases") or ())
    ]
    write_spool(directory, others)
