"""Which channels are there? The one list; a channel's library is imported only when it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.channels.local import manifest as local

if TYPE_CHECKING:
    from secondme.core.paths import Places
    from secondme.core.ports import Channel, Clock

CHANNELS = (local.ID,)
"""Ids of the channels that exist."""


def build_channels(places: Places, clock: Clock) -> list[Channel]:
    """The channels of this gateway, ready to run. Nothing is connected yet."""
    from secondme.channels.local.channel import LocalChannel  # noqa: PLC0415  only a gateway needs it

    return [LocalChannel(places.local_socket, places.local_mail, clock)]
