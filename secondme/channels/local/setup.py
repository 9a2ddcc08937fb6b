"""The local channel is always there: nothing has to be linked. It is given its socket as a setting and its mail as a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.channel_plugin import ChannelContext
    from secondme.core.ids import ContactId
    from secondme.core.ports import Channel


def is_set_up(context: ChannelContext) -> bool:
    """True."""
    del context
    return True


def build(context: ChannelContext) -> Channel:
    """The channel, not yet running."""
    from secondme.channels.local.channel import LocalChannel  # noqa: PLC0415  only a gateway needs it

    return LocalChannel(Path(context.settings["socket"]), context.directory, context.clock)


def forget(context: ChannelContext, contact_id: ContactId) -> None:
    """Nothing of the contact waits on disk any more. Repeatable."""
    from secondme.channels.local.channel import mail_path  # noqa: PLC0415  as above

    mail_path(context.directory, contact_id).unlink(missing_ok=True)
