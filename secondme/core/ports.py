"""The seams, on one page. Each has two implementations today: a real one, and one that needs no phone and no money."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from secondme.core.ids import ChannelId, ContactId
from secondme.core.types import Admission, Challenge, InboundMessage, ModelOutcome, Prompt, SendOutcome

Inbox = Callable[[InboundMessage], Awaitable[Admission | Challenge]]
"""How a channel hands a message over. When it returns, the message is safe: only then may the channel confirm it upstream.
Raises UnavailableError when it is not; the channel must offer the message again."""


class Channel(Protocol):
    """A platform where contacts write and are answered."""

    @property
    def id(self) -> ChannelId:
        """The first part of its contacts' ids, or the platform's name."""

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled, handing each message to `inbox` in the order of its conversation."""

    async def send(self, contact_id: ContactId, text: str, client_message_id: str) -> SendOutcome:
        """Deliver `text`. A second call with the same `client_message_id` must not show twice where the platform allows it.

        An exception or a time-out means: nobody knows whether it went out.
        """

    async def typing(self, contact_id: ContactId) -> None:
        """Show the contact that an answer is being typed. Best effort: it never raises."""


class Model(Protocol):
    """A language model that writes the owner's next message."""

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        """One answer. Raises UnavailableError to be asked again later, CredentialsError when a human must act first."""


class Clock(Protocol):
    """Time, injected so that tests own it."""

    def now_ms(self) -> int:
        """The current Unix time in milliseconds."""

    def monotonic(self) -> float:
        """Seconds that only ever grow."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class Random(Protocol):
    """Chance, injected so that a schedule can be repeated from its seed."""

    def uniform(self, a: float, b: float, /) -> float:
        """A number between `a` and `b`."""
