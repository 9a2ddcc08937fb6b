"""The composition root: settings become a store, rooms and a gateway. The only place that wires.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from secondme.cli import clone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.core.admit.contacts import Contacts
    from secondme.core.admit.pairing import Owner
    from secondme.core.admit.steering import Steering
    from secondme.core.api.hub import Heard
    from secondme.core.api.limits import Limits
    from secondme.core.api.server import Api
    from secondme.core.api.webhooks import Webhooks
    from secondme.core.gateway import Gateway, Part, Rooms
    from secondme.core.ids import ContactId
    from secondme.core.manifest import ChannelContext, Manifest, Plug
    from secondme.core.overview import Overview
    from secondme.core.owner_chat.chat import OwnerChat
    from secondme.core.ports import Channel, Model
    from secondme.core.security import SecurityLog
    from secondme.core.settings import Settings, Setup
    from secondme.core.store.connect import Store
    from secondme.core.store.control import ControlStore
    from secondme.core.store.embedded import Role
    from secondme.core.store.notes import NoteStore
    from secondme.core.store.outbox import OutboxStore
    from secondme.core.store.pairing import PairingStore

LOCAL = "local"
BY_CLI = "cli"
BY_API = "api"
BY_CHAT = "owner-chat"
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
    from secondme.core.store.links import LinkStore

    return Owner(pairing_store(store, setup.settings), LinkStore(store), security_log(store), by=by)


def contacts(store: Store, setup: Setup, by: str = BY_CLI) -> Contacts:
    """The owner's decisions about contacts as persons."""
    from secondme.channels.registry import manifests, setup_of
    from secondme.core.admit.contacts import Contacts
    from secondme.core.store.links import LinkStore

    def erase_files(contact: ContactId) -> None:
        for manifest in manifests():
            setup_of(manifest).forget(channel_context(manifest, setup), contact)

    return Contacts(LinkStore(store), pairing_store(store, setup.settings), security_log(store), erase_files, by=by)


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
    from secondme.channels.registry import manifests
    from secondme.core.overview import overview
    from secondme.core.store.glance import GlanceStore

    settings = setup.settings
    return await overview(
        control_store(store),
        pairing_store(store, settings),
        manifests(),
        embedded=settings.redis_url is None,
        glance=GlanceStore(store),
        cap_usd=settings.budget.daily_usd,
    )


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


def note_store(store: Store) -> NoteStore:
    """What the owner is told in their own chat."""
    from secondme.core.store.notes import NoteStore

    return NoteStore(store)


def owner_chat(store: Store, setup: Setup, security: SecurityLog) -> OwnerChat:
    """The owner's own chat, on whichever channel it is."""
    from functools import partial

    from secondme.core.clock import SystemClock
    from secondme.core.owner_chat.chat import OwnerChat
    from secondme.core.owner_chat.commands import Commands
    from secondme.core.store import keys
    from secondme.core.store.events import listen
    from secondme.core.store.notes import NoteStore

    listing = pairing_store(store, setup.settings).listing

    def hear(miss: Callable[[], None]) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
        return listen(store, *keys.EVENTS, missed=miss)

    held = clone.drafts(store, setup)
    who, steer = owner(store, setup, BY_CHAT), steering(store, setup, BY_CHAT)
    commands = Commands(who, steer, held, listing, partial(overview, store, setup))
    return OwnerChat(commands, NoteStore(store), held, hear, security, SystemClock())


def channel_context(manifest: Manifest, setup: Setup) -> ChannelContext:
    """What a channel is built from: its own section of the settings, secrets as plain words, and a directory of its own."""
    from random import SystemRandom

    from pydantic import SecretStr

    from secondme.core.clock import SystemClock
    from secondme.core.manifest import ChannelContext

    places, settings = setup.places, setup.settings
    directory = places.local_mail if manifest.id == LOCAL else places.channel(manifest.id)
    section = getattr(settings, manifest.id, None)
    values: dict[str, Any] = dict(section) if section is not None else dict(settings.plugins.get(manifest.id, {}))
    if manifest.id == LOCAL:
        values = {"socket": str(places.local_socket)}
    plain = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()}
    return ChannelContext(settings=plain, directory=directory, clock=SystemClock(), rng=SystemRandom())


def section_of(name: str, setup: Setup) -> str:
    """Under which name the settings of the channel `name` are kept."""
    return name if hasattr(setup.settings, name) else f"plugins.{name}"


def plugs(setup: Setup) -> list[Plug]:
    """Every channel there is, with what builds it. It is built from the settings as they are then: a link made meanwhile counts."""
    from secondme.channels.registry import manifests, setup_of
    from secondme.core.manifest import Plug

    def plug(manifest: Manifest) -> Plug:
        def build() -> Channel | None:
            context = channel_context(manifest, setup.again())
            module = setup_of(manifest)
            return module.build(context) if module.is_set_up(context) else None

        return Plug(manifest, build)

    return [plug(manifest) for manifest in manifests()]


def build_rooms(setup: Setup, store: Store, model: Model) -> Rooms:
    """Everything a gateway is made of."""
    from secondme.core.admit.admission import Gate
    from secondme.core.admit.inspection import Inspector
    from secondme.core.admit.pairing import Door
    from secondme.core.gateway import Rooms
    from secondme.core.store.door import DoorStore
    from secondme.core.store.gate import GateStore
    from secondme.core.store.inbox import InboxStore

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
        channels=plugs(setup),
        owner_chat=owner_chat(store, setup, security),
    )


def build_gateway(setup: Setup, store: Store, model: Model, part: Part) -> Gateway:
    """A gateway that has not started."""
    from random import SystemRandom

    from secondme.core.clock import SystemClock
    from secondme.core.gateway import Gateway

    return Gateway(build_rooms(setup, store, model), setup.settings, SystemClock(), SystemRandom(), part=part)


def build_webhooks(setup: Setup, gateway: Gateway) -> Webhooks | None:
    """The listener for platforms that call us; None when nobody can. Imports the web server: call it in a thread."""
    if not setup.settings.webhooks.listen:
        return None
    from secondme.core.api.listening import Address
    from secondme.core.api.webhooks import Webhooks
    from secondme.core.clock import SystemClock

    host, _, port = setup.settings.webhooks.listen.rpartition(":")
    return Webhooks(gateway.manager.hear_of, Address(host.removeprefix("[").removesuffix("]"), int(port)), SystemClock())


def build_api(
    setup: Setup,
    store: Store,
    is_stopping: Callable[[], bool],
    limits: Limits | None = None,
    channels: Callable[[], dict[str, str]] = dict,
) -> Api:
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
