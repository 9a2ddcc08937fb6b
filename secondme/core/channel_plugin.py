"""What a channel's package offers: a setup module that links and builds it, what it is built from, and the steps of linking.

`connect(context, ask)` of the setup module is an async generator of steps: the command line, the wizard or a screen draws them. What was
tried and works comes last, in `Linked`; whoever drew the steps saves it. Nothing is saved before it was tried.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from secondme.core.channel_manifest import Manifest
    from secondme.core.ids import ContactId
    from secondme.core.ports import Channel, Clock, Random


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel is built from."""

    settings: Mapping[str, Any]
    """The channel's own settings: its section of the configuration as plain values, secrets included, so never to be logged."""
    directory: Path
    """Where the channel may keep files. It may not exist yet: `files.private_dir` makes it 0700."""
    clock: Clock
    rng: Random
    socket: Path = field(default_factory=Path)
    """A unix socket of its own, for a channel that listens on this machine."""


@dataclass(frozen=True, slots=True)
class ChannelFactory:
    """A channel that can be built: what it is, and how. `build` may import its library and gives None when it is not set up."""

    manifest: Manifest
    build: Callable[[], Channel | None]


@dataclass(frozen=True, slots=True)
class LinkQuestion:
    """Something only the owner knows. `name` is the setting it answers."""

    name: str
    text: str
    secret: bool = False
    check: Callable[[str], str] = field(default=lambda _: "")
    """What is wrong with an answer, in words; empty when it will do. Whoever is at a terminal is asked again."""
    default: str | None = None
    """The answer of an owner who gave none beforehand; None: they are asked."""


Ask = Callable[[LinkQuestion], Awaitable[str]]
"""How a channel gets an answer: typed by a person, or given beforehand by a script."""


@dataclass(frozen=True, slots=True)
class Say:
    """A plain sentence to show."""

    text: str


@dataclass(frozen=True, slots=True)
class ShowQr:
    """A QR code to show instead of the last one; it is worthless after `seconds`."""

    payload: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ShowCode:
    """A short code to show instead of the last one; it is worthless after `seconds`."""

    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Linked:
    """It works. `account` names it for the owner; `settings` are the channel's own settings to be saved, secrets included."""

    account: str
    settings: Mapping[str, str | int] = field(default_factory=dict)


Step = Say | ShowQr | ShowCode | Linked


class SetupModule(Protocol):
    """What the module that `Manifest.setup` names offers. Importing it imports no vendor's library."""

    def is_set_up(self, context: ChannelContext) -> bool:
        """True when `build` can give a channel."""

    def build(self, context: ChannelContext) -> Channel:
        """The channel, not yet running."""

    def forget(self, context: ChannelContext, contact_id: ContactId) -> None:
        """Nothing of the contact is in the channel's files any more. Repeatable."""

    def connect(self, context: ChannelContext, ask: Ask) -> AsyncIterator[Step]:
        """Link it, step by step; `Linked` comes last. Raises CredentialsError, UnavailableError."""

    async def unlink(self, context: ChannelContext) -> None:
        """The platform knows us no more, as far as it can be reached, and our files of the link are gone. Repeatable."""

    def owner_chat(self, context: ChannelContext) -> ContactId | None:
        """The owner's own chat, as far as it is known while the channel does not run. Optional: without it nobody knows then."""

    async def look(self, context: ChannelContext, timeout_s: float) -> str:
        """Which account it is, said by its files and its platform. Optional: without it the doctor only knows that it is linked.

        Raises SecondmeError when something is wrong.
        """


def setup_of(manifest: Manifest) -> SetupModule:
    """The channel's setup module."""
    return importlib.import_module(manifest.setup)
