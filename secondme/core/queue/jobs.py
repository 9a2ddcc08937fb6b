"""What is a job? A contact's turn to be worked on, the burst that was leased with it, and what became of it on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondme.core.errors import DataError

if TYPE_CHECKING:
    from secondme.core.ids import ContactId
    from secondme.core.records import ApprovedContact, Mail


@dataclass(frozen=True, slots=True)
class Token:
    """A contact's turn to be worked on, as taken from the stream."""

    entry: str
    contact_id: ContactId
    channel_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """A contact's burst of messages, leased to one worker under one fence."""

    token: Token
    now_ms: int
    """The store's time when it was begun, Unix ms."""
    fence: int
    attempt: int
    defers: int
    """How often it was put off since it last succeeded."""
    last_reply_ms: int | None
    contact: ApprovedContact
    mail: tuple[Mail, ...]

    @property
    def channel_id(self) -> str:
        """Where the burst came from, and where the reply goes."""
        return self.mail[0].channel_id


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that a burst passed, `after_ms` after it was begun. `facts` are JSON values that quote nobody."""

    name: str
    after_ms: int
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self, job: Job) -> str:
        """As a line of the contact's trace, by the store's clock."""
        messages = [mail.message_id for mail in job.mail]
        return json.dumps({"stage": self.name, "at": job.now_ms + self.after_ms, "messages": messages, **self.facts})


class UnreadableJobError(DataError):
    """A job was begun, but the contact's record, or its mail (`is_mail`), cannot be read. `fence` lets the caller defer it."""

    def __init__(self, error: DataError, fence: int, *, is_mail: bool) -> None:
        super().__init__(error.code, error.message, error.fix)
        self.fence = fence
        self.is_mail = is_mail
