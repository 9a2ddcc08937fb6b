"""What WhatsApp is, as plain data: importing it costs nothing."""

from secondme.core.channel_manifest import Manifest

ID = "whatsapp"
CONNECT = f"secondme channels connect {ID}"

MANIFEST = Manifest(
    id=ID,
    title="WhatsApp",
    icon="☎",
    setup="secondme.channels.whatsapp.setup",
    contact_ids=r"[1-9][0-9]{4,14}@c\.us|[1-9][0-9]{4,19}@lid",
    settings="secondme.channels.whatsapp.settings:WhatsAppSettings",
    sentences={
        "whatsapp_logged_out": ("The phone has unlinked this device.", CONNECT),
        "whatsapp_replaced": ("Another program uses this WhatsApp session.", f"Stop it, then: {CONNECT}"),
        "whatsapp_banned": ("WhatsApp has locked the account for a while.", "Open WhatsApp on the phone and read what it says."),
        "whatsapp_outdated": ("WhatsApp asks for a newer version.", "pip install --upgrade secondme"),
        "whatsapp_in_use": ("Another process uses the WhatsApp session.", "Stop it."),
        "whatsapp_crashed": ("The WhatsApp process ended; it is started again.", ""),
        "whatsapp_hung": ("The WhatsApp process stopped answering; it is started again.", ""),
        "whatsapp_keepalive": ("WhatsApp's servers do not answer.", ""),
        "whatsapp_library_missing": (
            "A library that WhatsApp needs is missing.",
            "apt install libmagic1, or brew install libmagic",
        ),
    },
    rank=10,
    offer="WhatsApp, as one more linked device of your phone (unofficial)",
    risk=(
        "WhatsApp does not support linked devices that are not its own apps. It can lock an account for it. With a number you cannot",
        "lose, use Meta's official API for businesses instead: docs/channels.md, whatsapp_cloud.",
    ),
    moved="It is linked to WhatsApp as the same device as before. Never start the old installation again: two on one link cut each "
    "other off, and WhatsApp may end it.",
    # The library chooses each message's id itself: its SendMessage takes none, so a second send would be a second message. Within one
    # life of the child process its ledger collapses them; over a crash nobody can, and the send is held for the owner.
    collapses_resends=False,
    sends_voice=True,
    typing_refresh_s=10.0,
    stalled_after_s=120.0,
    owner_chat_is_notebook=True,
)
