"""What Telegram is, as plain data: importing it costs nothing."""

from secondme.core.channel_manifest import Manifest

ID = "telegram"
CONNECT = f"secondme channels connect {ID}"

MANIFEST = Manifest(
    id=ID,
    title="Telegram",
    icon="✈",
    setup="secondme.channels.telegram.setup",
    contact_ids=r"telegram:[1-9][0-9]{0,15}",
    settings="secondme.channels.telegram.settings:TelegramSettings",
    sentences={
        "telegram_token_refused": ("Telegram refuses the bot's token.", CONNECT),
        "telegram_conflict": ("Another program reads this bot's messages.", "Stop the other program."),
        "telegram_unreachable": ("Telegram does not answer; it is tried again.", ""),
        "telegram_webhook_failing": (
            "Telegram cannot reach the webhook address.",
            "Check telegram.webhook_url and what stands before it.",
        ),
    },
    rank=20,
    offer="Telegram, through a bot of yours",
    collapses_resends=False,  # the Bot API knows no id of the sender's choice
    sends_voice=True,
    typing_refresh_s=4.5,  # "5 seconds or less", less the way there
    stalled_after_s=120.0,  # three of the longest polls, or two looks at the webhook
    takes_webhooks=True,
)
