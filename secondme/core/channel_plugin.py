"""A channel as plain data: its manifest, what it is built from, and the steps by which an owner links it.

Importing this costs nothing; what a manifest names is imported when the channel is used. A package brings a channel of its own by an
entry point of the group `secondme.channels` that names a `Manifest`.

A channel's setup module has `connect(context, ask)`, an async generator of steps: the command line, the wizard or a screen draws them.
What was tried and works comes last, in `Linked`; whoever drew the steps saves it. Nothing is saved before it was tried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.ports import Channel, Clock, Random


ENTRY_POINTS = "secondme.channels"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What everybody may know about a channel without starting it."""

    id: str
    """2 to 32 characters of `a-z 0-9 _`; the first part of its contacts' ids."""
    title: str
    icon: str
    """One character for narrow places."""
    setup: str
    """The module that decides whether the channel is set up and builds it: `is_set_up(context)`, `build(context)`, `forget(context, contact_id)`."""
    collapses_resends: bool = False
    """True when a second send under one id cannot show twice. Where it can, a send that may have happened is held for the owner."""
    typing_refresh_s: float = 5.0
    """How long the platform shows the typing indicator after one call."""
    stalled_after_s: float | None = None
    """Connected, but without a sign of life from the platform for this long: the channel is stalled, and soon restarted. None: it
    cannot be."""
    owner_chat_is_notebook: bool = False
    """True when the owner's own chat is also where they keep notes to themselves: what is no command there is not answered."""
    takes_webhooks: bool = False
    """True when the platform calls us: `handle_webhook` of the built channel answers."""


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel is built from."""

    settings: Mapping[str, Any]
    """The channel's own settings: its section of the configuration as plain values, secrets included, so never to be logged."""
    directory: Path
    """Where the channel may keep files. It may not exist yet: `files.private_dir` makes it 0700."""
    clock: Clock
    rng: Random


@dataclass(frozen=True, slots=True)
class ChannelFactory:
    """A channel that can be built: what it is, and how. `build` may import its library and gives None when it is not set up."""

    manifest: Manifest
    build: Callable[[], Channel | None]


@dataclass(frozen=True, slots=True)
class Question:
    """Something only the owner knows. `name` is the setting it answers."""

    name: str
    text: str
    secret: bool = False
    check: Callable[[str], str] = field(default=lambda _: "")
    """What is wrong with an answer, in words; empty when it will do. Whoever is at a terminal is asked again."""


Ask = Callable[[Question], Awaitable[str]]
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
