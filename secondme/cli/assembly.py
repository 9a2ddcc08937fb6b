"""How is a gateway put together? Every room, the channels and what it listens on; the other half of the composition root.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.cli import clone
from secondme.cli.compose import (
    BY_API,
    BY_CHAT,
    channel_context,
    control_store,
    outbox_store,
    overview,
    owner,
    pairing_store,
    security_log,
    steering,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.core.api.events import Heard
    from secondme.core.api.limits import Limits
    from secondme.core.api.server import Api
    from secondme.core.api.webhooks import Webhooks
    from secondme.core.channel_plugin import ChannelFactory, Manifest
    from secondme.core.config.loader import Settings, Setup
    from secondme.core.gateway.gateway import Gateway, Part, Rooms
    from secondme.core.gateway.owner_chat import OwnerChat
    from secondme.core.ports import Channel, Model
    from secondme.core.security_log import SecurityLog
    from secondme.core.store.client import Store


def build_model(settings: Settings, *, demo: bool) -> Model:
    """Claude; in a demo without a key, a stand-in that labels what it says."""
    from secondme.core.providers.claude import Claude
    from secondme.core.providers.stand_in import StandIn

    if demo and settings.model.api_key is None:
        return StandIn()
    return Claude(settings.model)


def channel_factories(setup: Setup) -> list[ChannelFactory]:
    """Every channel there is, with what builds it. It is built from the settings as they are then: a link made meanwhile counts."""
    from secondme.channels.registry import manifests, setup_of
    from secondme.core.channel_plugin import ChannelFactory

    def factory(manifest: Manifest) -> ChannelFactory:
        def build() -> Channel | None:
            context = channel_context(manifest, setup.again())
            module = setup_of(manifest)
            return module.build(context) if module.is_set_up(context) else None

        return ChannelFactory(manifest, build)

    return [factory(manifest) for manifest in manifests()]


def owner_chat(store: Store, setup: Setup, security: SecurityLog) -> OwnerChat:
    """The owner's own chat, on whichever channel it is."""
    from functools import partial

    from secondme.core.clock import SystemClock
    from secondme.core.gateway.owner_chat import Commands, OwnerChat
    from secondme.core.gateway.store import NoteStore
    from secondme.core.store import keys
    from secondme.core.store.events import listen

    listing = pairing_store(store, setup.settings).listing

    def hear(miss: Callable[[], None]) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
        return listen(store, *keys.EVENTS, missed=miss)

    held = clone.drafts(store, setup)
    who, steer = owner(store, setup, BY_CHAT), steering(store, setup, BY_CHAT)
    commands = Commands(who, steer, held, listing, partial(overview, store, setup))
    return OwnerChat(commands, NoteStore(store), held, hear, security, SystemClock())


def build_rooms(setup: Setup, store: Store, model: Model) -> Rooms:
    """Everything a gateway is made of."""
    from secondme.core.admit.gate import Gate
    from secondme.core.admit.inspection import Inspector
    from secondme.core.admit.pairing import Door
    from secondme.core.admit.store import DoorStore, GateStore
    from secondme.core.gateway.gateway import Rooms
    from secondme.core.queue.store import InboxStore

    settings = setup.settings
    security = security_log(store)
    return Rooms(
        store=store,
        gate=Gate(
            GateStore(store, settings.limits, settings.takeover),
            Door(DoorStore(store, settings.pairing), settings, security),
            security,
        ),
        security=security,
        inspector=Inspector(security, max_length=settings.content.max_length) if settings.content.analyze else None,
        inbox=InboxStore(store, settings.queue),
        outbox=outbox_store(store, settings),
        pairing=pairing_store(store, settings),
        control=control_store(store),
        drafts=clone.draft_store(store, settings),
        agent=clone.agent(store, setup, model),
        learner=clone.learner(store),
        channels=channel_factories(setup),
        owner_chat=owner_chat(store, setup, security),
    )


def build_gateway(setup: Setup, store: Store, model: Model, part: Part) -> Gateway:
    """A gateway that has not started."""
    from random import SystemRandom

    from secondme.core.clock import SystemClock
    from secondme.core.gateway.gateway import Gateway

    return Gateway(build_rooms(setup, store, model), setup.settings, SystemClock(), SystemRandom(), part=part)


def build_webhooks(setup: Setup, gateway: Gateway) -> Webhooks | None:
    """The listener for platforms that call us; None when nobody can. Imports the web server: call it in a thread."""
    if not setup.settings.webhooks.listen:
        return None
    from secondme.core.api.sockets import Address
    from secondme.core.api.webhooks import Webhooks
    from secondme.core.clock import SystemClock

    host, _, port = setup.settings.webhooks.listen.rpartition(":")
    return Webhooks(gateway.manager.webhook_handler, Address(host.removeprefix("[").removesuffix("]"), int(port)), SystemClock())


def build_api(
    setup: Setup,
    store: Store,
    is_stopping: Callable[[], bool],
    limits: Limits | None = None,
    channels: Callable[[], dict[str, str]] = dict,
) -> Api:
    """The HTTP control plane that has not started. Takes a third of a second of imports: call it in a thread."""
    from functools import partial

    from secondme.core.api.dependencies import Powers, Pulse
    from secondme.core.api.server import Api, Where
    from secondme.core.api.sockets import tcp_address
    from secondme.core.clock import SystemClock
    from secondme.core.security_log import SecurityEvent, Severity
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
        drafts=clone.drafts(store, setup),
        listing=pairing_store(store, setup.settings).listing,
        overview=partial(overview, store, setup),
        everybody=control_store(store).everybody,
        pulse=Pulse(control_store(store).now_ms, clock),
        is_stopping=is_stopping,
        channels=channels,
    )
    places = setup.places
    where = Where(unix=places.api_socket, tcp=tcp_address(setup.settings.api), token=places.api_token)
    return Api(powers, where, clock, listen=hear, alarm=alarm, limits=limits)
