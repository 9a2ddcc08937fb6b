"""The composition root: settings become a store, rooms and a gateway. The only place that wires.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.core.admit.pairing import Owner
    from secondme.core.admit.steering import Steering
    from secondme.core.api.hub import Heard
    from secondme.core.api.limits import Limits
    from secondme.core.api.server import Api
    from secondme.core.gateway import Gateway, Part, Rooms
    from secondme.core.overview import Overview
    from secondme.core.ports import Model
    from secondme.core.security import SecurityLog
    from secondme.core.settings import Settings, Setup
    from secondme.core.store.connect import Store
    from secondme.core.store.control import ControlStore
    from secondme.core.store.embedded import Role
    from secondme.core.store.outbox import OutboxStore
    from secondme.core.store.pairing import PairingStore

BY_CLI = "cli"
BY_API = "api"
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


def security_log(store: Store) -> SecurityLog:
    """Where security events of this process go. `log.set_up` decides into which file."""
    from secondme.core.security import SecurityLog
    from secondme.core.store import keys

    return SecurityLog(lambda event: store.publish(keys.EVENTS_SECURITY, event))


def owner(store: Store, setup: Setup, by: str = BY_CLI) -> Owner:
    """The owner's decisions about who is let in. `by` is what the records say."""
    from secondme.core.admit.pairing import Owner

    return Owner(pairing_store(store, setup.settings), security_log(store), by=by)


def steering(store: Store, setup: Setup, by: str = BY_CLI) -> Steering:
    """The owner's pauses and kill switch."""
    from secondme.core.admit.steering import Steering

    return Steering(control_store(store), pairing_store(store, setup.settings), security_log(store), by=by)


def write_log(setup: Setup) -> None:
    """What this command decides is written down where the gateway writes too."""
    from secondme.core import log
    from secondme.core.paths import private_dir

    log.set_up(setup.settings.log.level, private_dir(setup.places.logs), console=False)


async def overview(store: Store, setup: Setup) -> Overview:
    """How things stand now."""
    from secondme.channels.registry import CHANNELS
    from secondme.core.overview import overview

    pairing = pairing_store(store, setup.settings)
    return await overview(control_store(store), pairing, CHANNELS, embedded=setup.settings.redis_url is None)


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
    from secondme.core.admit.inspection import Inspector
    from secondme.core.admit.pairing import Door
    from secondme.core.clock import SystemClock
    from secondme.core.gateway import Rooms
    from secondme.core.reply.agent import Agent
    from secondme.core.store.conversation import ConversationStore
    from secondme.core.store.door import DoorStore
    from secondme.core.store.gate import GateStore
    from secondme.core.store.inbox import InboxStore

    settings, clock = setup.settings, SystemClock()
    security = security_log(store)
    return Rooms(
        store=store,
        gate=Gate(
            GateStore(store, settings.limits, settings.takeover),
            Door(DoorStore(store, settings.pairing), settings, security),
            security,
        ),
        inspector=Inspector(security, max_length=settings.content.max_length) if settings.content.analyze else None,
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


def build_api(setup: Setup, store: Store, is_stopping: Callable[[], bool], limits: Limits | None = None) -> Api:
    """The HTTP control plane that has not started. Takes a third of a second of imports: call it in a thread."""
    from functools import partial

    from secondme.core.api.listening import tcp_address
    from secondme.core.api.powers import Powers, Pulse
    from secondme.core.api.server import Api, Where
    from secondme.core.clock import SystemClock
    from secondme.core.security import SecurityEvent, Severity
    from secondme.core.store import keys
    from secondme.core.store.events import listen

    clock, security = SystemClock(), security_log(store)

    async def alarm(why: str, count: int) -> None:
        await security.record(SecurityEvent.API_REFUSED, Severity.WARN, why=why, count=count)

    def hear(miss: Callable[[], None]) -> Heard:
        return listen(store, *keys.EVENTS, missed=miss)

    powers = Powers(
        owner=owner(store, setup, BY_API),
        steering=steering(store, setup, BY_API),
        listing=pairing_store(store, setup.settings).listing,
        overview=partial(overview, store, setup),
        everybody=control_store(store).everybody,
        pulse=Pulse(control_store(store).now_ms, clock),
        is_stopping=is_stopping,
    )
    places = setup.places
    where = Where(unix=places.api_socket, tcp=tcp_address(setup.settings.api), token=places.api_token)
    return Api(powers, where, clock, listen=hear, alarm=alarm, limits=limits)
