"""What happens to a message that WhatsApp has given us for good while nobody could keep it? It is written down, for the next start only.

WhatsApp is told that a message arrived before we ever see it, so it does not come a second time. As long as both processes live, it
waits in memory. When the device process ends first, it writes what is not safe to `spool`, 0600; the next one offers that before
anything else, under the same ids, and erases it. In ordinary operation nothing of anybody is on disk.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from secondme.channels.whatsapp.account import SPOOL, write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            message = json.loads(line)
            if isinstance(message, dict) and isinstance(message.get("id"), str):
                found.append(message)
    return found


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
    kept = [
        message
        for message in read_spool(directory)
        if message.get("contact") != contact_id and contact_id not in (message.get("aliases") or ())
    ]
    write_spool(directory, kept)
