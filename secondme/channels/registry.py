"""The registry of channels: ours, and those that came as packages. A channel's library is imported when it is built."""

from __future__ import annotations

import importlib
import re
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from secondme.channels.local.manifest import MANIFEST as LOCAL
from secondme.channels.telegram.manifest import MANIFEST as TELEGRAM
from secondme.channels.whatsapp.manifest import MANIFEST as WHATSAPP
from secondme.channels.whatsapp_cloud.manifest import MANIFEST as WHATSAPP_CLOUD
from secondme.core.channel_plugin import ENTRY_POINTS, Ask, ChannelContext, Manifest, Step
from secondme.core.errors import NotFoundError
from secondme.core.log import get_logger
from secondme.core.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from secondme.core.ids import ContactId
    from secondme.core.ports import Channel

log = get_logger(__name__)

BUILT_IN = (WHATSAPP, TELEGRAM, WHATSAPP_CLOUD, LOCAL)
_ID = re.compile(r"[a-z][a-z0-9_]{1,31}")


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


def manifests() -> list[Manifest]:
    """Every channel there is, ours first. A package's channel that is not one, or takes a name that is taken, is logged and left out."""
    found = {manifest.id: manifest for manifest in BUILT_IN}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            manifest = point.load()
        except Exception as error:  # noqa: BLE001  another author's code
            log.error("channel_package_broken", error, package=point.dist.name if point.dist else "?")
            continue
        if not isinstance(manifest, Manifest) or not _ID.fullmatch(manifest.id) or manifest.id in found:
            log.error("channel_package_refused", package=point.dist.name if point.dist else "?")
            continue
        found[manifest.id] = manifest
    return list(found.values())


def manifest_of(name: str) -> Manifest:
    """The channel called `name`. Raises NotFoundError."""
    for manifest in manifests():
        if manifest.id == name:
            return manifest
    known = [manifest.id for manifest in manifests()]
    raise NotFoundError(
        "unknown_channel",
        f"There is no channel called that. There are: {', '.join(known)}.",
        did_you_mean(name, known, "secondme channels list"),
    )


def setup_of(manifest: Manifest) -> SetupModule:
    """The channel's setup module."""
    return importlib.import_module(manifest.setup)
