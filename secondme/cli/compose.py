"""The composition root: settings become a store, rooms and a gateway. The only place that wires.

Imports are inside the functions, so that a command pays only for what it uses.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.core.admit.contacts import ContactService
    from secondme.core.admit.control_store import ControlStore
    from secondme.core.admit.pairing import PairingService
    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.admit.pauses import PauseService
    from secondme.core.channel_manifest import Manifest
    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.config.loader import Settings, Setup
    from secondme.core.gateway.status import SystemStatus
    from secondme.core.gateway.store import NoteStore
    from secondme.core.ids import ContactId
    from secondme.core.security_log import SecurityLog
    from secondme.core.send.store import OutboxStore
    from secondme.core.store.client import Store
    from secondme.core.store.server import Role

BY_CLI = "cli"
BY_API = "api"
BY_CHAT = "owner-chat"
"""Who approved, in the records."""


@contextlib.asynccontextmanager
async def open_store(setup: Setup, role: Role | None = None) -> AsyncIterator[Store]:
    """A connected store; a short command borrows the running server or starts one for its own length. Raises ConfigError for a home of its
    own that is not there: a typo would get an empty house."""
    from secondme.core.store.client import Store
    from secondme.core.store.server import Role

    if role is None:
        _refuse_missing(setup)
    async with Store(setup, role or Role.BORROW) as store:
        yield store


def _refuse_missing(setup: Setup) -> None:
    if setup.settings.redis_url is None and setup.places.is_apart and not setup.places.config.exists():
        from secondme.core.errors import ConfigError

        raise ConfigError("no_home", f"There is no home at {setup.places.config}.", "secondme onboard")


def pairing_store(store: Store, settings: Settings) -> PairingStore:
    """The pairing records."""
    from secondme.core.admit.pairing_store import PairingStore

    return PairingStore(store, settings.pairing)


def security_log(store: Store) -> SecurityLog:
    """Where security events of this process go. `log.set_up` decides into which file."""
    from secondme.core.security_log import SecurityLog
    from secondme.core.store import keys

    return SecurityLog(lambda event: store.publish(keys.EVENTS_SECURITY, event))


def owner(store: Store, setup: Setup, by: str = BY_CLI) -> PairingService:
    """The owner's decisions about who is let in. `by` is what the records say."""
    from secondme.core.admit.pairing import PairingService
    from secondme.core.store.persons import PersonStore

    return PairingService(pairing_store(store, setup.settings), PersonStore(store), security_log(store), by=by)


def contacts(store: Store, setup: Setup, by: str = BY_CLI) -> ContactService:
    """The owner's decisions about contacts as persons."""
    from secondme.core.admit.contacts import ContactService
    from secondme.core.channel_manifest import manifests
    from secondme.core.channel_plugin import setup_of
    from secondme.core.store.persons import PersonStore

    def erase_files(contact: ContactId) -> None:
        for manifest in manifests():
            setup_of(manifest).forget(channel_context(manifest, setup), contact)

    return ContactService(PersonStore(store), pairing_store(store, setup.settings), security_log(store), erase_files, by=by)


def steering(store: Store, setup: Setup, by: str = BY_CLI) -> PauseService:
    """The owner's pauses and kill switch."""
    from secondme.core.admit.pauses import PauseService

    return PauseService(control_store(store), pairing_store(store, setup.settings), security_log(store), by=by)


def write_log(setup: Setup) -> None:
    """What this command decides is written down where the gateway writes too. Raises as `open_store` for a home that is not there."""
    from secondme.core import log
    from secondme.core.files import private_dir

    _refuse_missing(setup)
    log.set_up(setup.settings.log.level, private_dir(setup.places.logs), console=False)


async def overview(store: Store, setup: Setup) -> SystemStatus:
    """How things stand now."""
    from secondme.core.channel_manifest import manifests
    from secondme.core.gateway.status import overview
    from secondme.core.gateway.store import ActivityStore

    settings = setup.settings
    return await overview(
        control_store(store),
        pairing_store(store, settings),
        manifests(),
        embedded=settings.redis_url is None,
        glance=ActivityStore(store),
        cap_usd=settings.budget.daily_usd,
    )


def control_store(store: Store) -> ControlStore:
    """Pauses, the kill switch and what waits."""
    from secondme.core.admit.control_store import ControlStore

    return ControlStore(store)


def outbox_store(store: Store, settings: Settings) -> OutboxStore:
    """Replies on their way, and held ones."""
    from secondme.core.send.store import OutboxStore

    return OutboxStore(store, settings.delivery)


def note_store(store: Store) -> NoteStore:
    """What the owner is told in their own chat."""
    from secondme.core.gateway.store import NoteStore

    return NoteStore(store)


def channel_context(manifest: Manifest, setup: Setup) -> ChannelContext:
    """What a channel is built from: its own section of the settings, secrets as plain words, and a directory of its own."""
    from random import SystemRandom

    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.clock import SystemClock
    from secondme.core.config.loader import channel_settings

    name, places = manifest.id, setup.places
    values = channel_settings(setup.settings, name)
    return ChannelContext(values, places.channel(name), SystemClock(), SystemRandom(), places.channel_socket(name))
