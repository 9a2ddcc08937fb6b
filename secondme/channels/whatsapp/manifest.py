"""What the WhatsApp channel is. Pure data: importing it costs nothing."""

from secondme.core.channel_plugin import Manifest

ID = "whatsapp"
MANIFEST = Manifest(
    id=ID,
    title="WhatsApp",
    icon="☎",
    setup="secondme.channels.whatsapp.setup",
    # The library chooses each message's id itself: its SendMessage takes none, so a second send would be a second message. Within one
    # life of the child process its ledger collapses them; over a crash nobody can, and the send is held for the owner.
    collapses_resends=False,
    typing_refresh_s=10.0,
    stalled_after_s=120.0,
    owner_chat_is_notebook=True,
)
