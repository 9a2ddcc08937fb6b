"""How an owner links a channel, step by step, without saying who draws the steps: the command line, the wizard or a screen.

A channel's setup module has `connect(context, ask)`, an async generator of these steps. What was tried and works comes last, in
`Linked`; whoever drew the steps saves it. Nothing is saved before it was tried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


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
