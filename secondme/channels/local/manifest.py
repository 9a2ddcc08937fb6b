"""What the local channel is, as plain data: importing it costs nothing."""

from secondme.core.channel_manifest import Manifest

ID = "local"
MANIFEST = Manifest(
    id=ID,
    title="Local terminal",
    icon=">",
    setup="secondme.channels.local.setup",
    rank=40,
    needs_link=False,
    collapses_resends=True,
    sends_voice=True,
)
