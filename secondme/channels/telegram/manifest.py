"""What is known about Telegram without starting it."""

from secondme.core.channel_plugin import Manifest

ID = "telegram"

MANIFEST = Manifest(
    id=ID,
    title="Telegram",
    icon="✈",
    setup="secondme.channels.telegram.setup",
    collapses_resends=False,  # the Bot API knows no id of the sender's choice
    typing_refresh_s=4.5,  # "5 seconds or less", less the way there
    stalled_after_s=120.0,  # three of the longest polls, or two looks at the webhook
    takes_webhooks=True,
)
