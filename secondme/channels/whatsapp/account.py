"""Which account are we a device of? `linked.json` says it, 0600, without any key: those are in the library's own `device.db`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.jids import Jid, Own, as_person
from secondme.core.config.paths import private_dir
from secondme.core.errors import DataError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "device.db"
LINKED = "linked.json"
SPOOL = "spool"


@dataclass(frozen=True, slots=True)
class Account:
    """The linked account. `is_logged_out` when the phone has thrown this device out."""

    own: Own
    is_logged_out: bool = False


def is_linked(directory: Path) -> bool:
    """True once the device was linked, also after it was logged out: the owner should see that."""
    return (directory / LINKED).is_file()


def load_account(directory: Path) -> Account | None:
    """The account; None when no device was linked here. Raises DataError when the file cannot be read."""
    try:
        record = json.loads((directory / LINKED).read_bytes())
        return Account(own_from(record), record.get("loggedOut") is True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, AttributeError, DataError) as error:
        raise DataError(
            "whatsapp_bad_account", f"{directory / LINKED} cannot be read.", "secondme channels connect whatsapp"
        ) from error


def save_account(directory: Path, account: Account) -> None:
    """`linked.json` says it, 0600, all of it or nothing."""
    private_dir(directory)
    record = {**own_to(account.own), "loggedOut": account.is_logged_out}
    write_private(directory / LINKED, json.dumps(record, sort_keys=True).encode() + b"\n")


def write_private(path: Path, data: bytes) -> None:
    """The file holds `data`, 0600, and is on the disk: all of it or, after a crash, what it held before."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)


def own_to(own: Own) -> dict[str, Any]:
    """As a JSON object."""
    return {"phone": own.phone, "lid": own.lid, "device": own.device, "name": own.name}


def own_from(record: Any) -> Own:
    """From a JSON object. Raises DataError when it names no account."""
    try:
        phone, lid, device, name = (record[key] for key in ("phone", "lid", "device", "name"))
    except (KeyError, TypeError) as error:
        raise DataError("whatsapp_bad_account", "That is no account.") from error
    known = isinstance(phone, str) and as_person(Jid(phone, "s.whatsapp.net")) is not None
    hidden = isinstance(lid, str) and (not lid or as_person(Jid(lid, "lid")) is not None)
    if not (known and hidden and isinstance(device, int) and isinstance(name, str)):
        raise DataError("whatsapp_bad_account", "That is no account.")
    return Own(phone, lid, device, safe_name(name))


def erase_account(directory: Path) -> None:
    """The session's files are gone: keys, account, spool. The lock stays: a lock that is removed can be held twice. Repeatable."""
    for path in directory.glob(f"{DATABASE}*"):
        path.unlink(missing_ok=True)
    for name in (LINKED, SPOOL):
        (directory / name).unlink(missing_ok=True)
        (directory / f"{name}.new").unlink(missing_ok=True)
