"""What the owner wrote with their own hands, out of a conversation, each message with what it answered. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.clock import to_ms
from secondme.core.messages import split_told
from secondme.core.records import OwnMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.records import Turn

FOLLOWS_MS = 90_000
"""Within this long of each other the owner's messages are one answer."""
_BEFORE_LIMIT = 500


def own_messages(turns: Sequence[Turn]) -> list[OwnMessage]:
    """What the owner wrote with their own hands in these turns, oldest first, each with what it answered.

    Words that somebody answered already, the clone too, are not before the next message; lines that stand for attachments are nobody's
    words, and a message without others is left out; so is what was forwarded, and what its chat forgets, whoever said it.
    """
    found: list[OwnMessage] = []
    said: list[str] = []
    last_ms: int | None = None
    for turn in turns:
        if turn.type != "fromMe":
            last_ms = None
            if turn.role != "user":
                said = []
            elif turn.expires_at is None:
                said = [*said, turn.content]
            continue
        at_ms = to_ms(turn.timestamp)
        _, text = split_told(turn.content)
        if text and not turn.forwarded and turn.expires_at is None:
            follows = last_ms is not None and at_ms - last_ms <= FOLLOWS_MS
            before = "" if follows else "\n".join(said)[-_BEFORE_LIMIT:]
            found.append(OwnMessage(id=turn.id, at=turn.timestamp, text=text, before=before, follows=follows, sources=turn.sources))
            last_ms, said = at_ms, []
    return found
