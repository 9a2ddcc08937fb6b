"""What the official WhatsApp channel is. Pure data: importing it costs nothing."""

from secondme.core.channel_plugin import Manifest

MANIFEST = Manifest(
    id="whatsapp_cloud",
    title="WhatsApp Business",
    icon="W",
    setup="secondme.channels.whatsapp_cloud.setup",
    collapses_resends=False,  # /messages has no idempotency key; biz_opaque_callback_data only comes back in statuses
    typing_refresh_s=20.0,  # Meta hides the indicator after 25 s
    takes_webhooks=True,
)
