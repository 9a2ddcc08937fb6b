"""The composition root: settings become a store, rooms and a gateway. The only place that wires.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.core.admit.pairing import Owner
    from secondme.core.gateway import Gateway, Part, Rooms
    from secondme.core.ports import Model
    from secondme.core.settings import Settings, Setup
    from secondme.core.store.connect import Store
    from secondme.core.store.control import ControlStore
    from secondme.core.store.embedded import Role
    from secondme.core.store.outbox import OutboxStore
    from secondme.core.store.pairing import PairingStore

BY_CLI = "cli"
"""Who approved, in the records."""


@contextlib.asynccontextmanager
async def open_store(setup: Setup, role: Role | None = None) -> AsyncIterator[Store]:
    """A connected store; a short command borrows the running server or starts one for its own length."""
    from secondme.core.store.connect import Store
    from secondme.core.store.embedded import Role

    async with Store(setup, role or Role.BORROW) as store:
        yield store


def pairing_store(store: Store, settings: Settings) -> PairingStore:
    """The pairing records."""
    from secondme.core.store.pairing import PairingStore

    return PairingStore(store, settings.pairing)


def owner(store: Store, settings: Settings) -> Owner:
    """The owner's decisions, as taken at the command line."""
    from secondme.core.admit.pairing import Owner

    return Owner(pairing_store(store, settings), by=BY_CLI)


def control_store(store: Store) -> ControlStore:
    """Pauses, the kill switch and what waits."""
    from secondme.core.store.control import ControlStore

    return ControlStore(store)


def outbox_store(store: Store, settings: Settings) -> OutboxStore:
    """Replies on their way, and held ones."""
    from secondme.core.store.outbox import OutboxStore

    return OutboxStore(store, settings.delivery)


def build_model(settings: Settings, *, demo: bool) -> Model:
    """Claude; in a demo without a key, a stand-in that labels what it says."""
    from secondme.core.providers.claude import Claude
    from secondme.core.providers.stand_in import StandIn

    if demo and settings.model.api_key is None:
        return StandIn()
    return Claude(settings.model)


def build_rooms(setup: Setup, store: Store, model: Model) -> Rooms:
    """Everything a gateway is made of."""
    from secondme.channels.registry import build_channels
    from secondme.core.admit.admission import Gate
    from secondme.core.admit.pairing import Door
    from secondme.core.clock import SystemClock
    from secondme.core.gateway import Rooms
    from secondme.core.reply.agent import Agent
    from secondme.core.store.conversation import ConversationStore
    from secondme.core.store.door import DoorStore
    from secondme.core.store.gate import GateStore
    from secondme.core.store.inbox import InboxStore

    settings, clock = setup.settings, SystemClock()
    return Rooms(
        store=store,
        gate=Gate(GateStore(store, settings.limits, settings.takeover), Door(DoorStore(store, settings.pairing), settings)),
        inbox=InboxStore(store, settings.queue),
        outbox=outbox_store(store, settings),
        pairing=pairing_store(store, settings),
        control=control_store(store),
        agent=Agent(model, ConversationStore(store), settings, setup.places.personas, clock),
        channels=build_channels(setup.places, clock),
    )


def build_gateway(setup: Setup, store: Store, model: Model, part: Part) -> Gateway:
    """A gateway that has not started."""
    from random import SystemRandom

    from secondme.core.clock import SystemClock
    from secondme.core.gateway import Gateway

    return Gateway(build_rooms(setup, store, model), setup.settings, SystemClock(), SystemRandom(), part=part)
