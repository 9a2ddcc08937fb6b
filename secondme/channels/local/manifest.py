"""What the local channel is. Pure data: importing it costs nothing."""

from secondme.core.channel_plugin import Manifest

ID = "local"
MANIFEST = Manifest(
    id=ID,
    title="Local terminal",
    icon=">",
    setup="secondme.channels.local.setup",
    collapses_resends=True,
)
