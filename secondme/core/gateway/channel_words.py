"""The state of a channel in plain words, and what mends it, by the codes that channels report."""

from __future__ import annotations

_WORDS = {
    "hangs": ("It neither connects nor fails, and is started again.", ""),
    "deaf": ("It was connected but heard nothing, and is connected anew.", ""),
    "silent": ("It is connected, but the platform has been silent for too long.", ""),
    "stuck": ("It would not stop.", "Restart the gateway."),
    "crashed": ("Its library failed; it is started again.", ""),
    "ended": ("It ended by itself; it is started again.", ""),
    "library_missing": ("A library it needs cannot be loaded.", "pip install --force-reinstall secondme"),
    "telegram_token_refused": ("Telegram refuses the bot's token.", "secondme channels connect telegram"),
    "telegram_conflict": ("Another program reads this bot's messages.", "Stop the other program."),
    "telegram_unreachable": ("Telegram does not answer; it is tried again.", ""),
    "telegram_webhook_failing": (
        "Telegram cannot reach the webhook address.",
        "Check telegram.webhook_url and what stands before it.",
    ),
    "whatsapp_logged_out": ("The phone has unlinked this device.", "secondme channels connect whatsapp"),
    "whatsapp_replaced": ("Another program uses this WhatsApp session.", "Stop it, then: secondme channels connect whatsapp"),
    "whatsapp_banned": ("WhatsApp has locked the account for a while.", "Open WhatsApp on the phone and read what it says."),
    "whatsapp_outdated": ("WhatsApp asks for a newer version.", "pip install --upgrade secondme"),
    "whatsapp_in_use": ("Another process uses the WhatsApp session.", "Stop it."),
    "whatsapp_crashed": ("The WhatsApp process ended; it is started again.", ""),
    "whatsapp_hung": ("The WhatsApp process stopped answering; it is started again.", ""),
    "whatsapp_keepalive": ("WhatsApp's servers do not answer.", ""),
    "whatsapp_library_missing": ("A library that WhatsApp needs is missing.", "apt install libmagic1, or brew install libmagic"),
    "whatsapp_cloud_token_refused": ("Meta refuses the access token.", "secondme channels connect whatsapp_cloud"),
    "whatsapp_cloud_window_closed": (
        "Meta refuses free text more than 24 hours after a contact's last message. The reply was not delivered.",
        "Wait until the contact writes, or use the app yourself.",
    ),
    "whatsapp_cloud_delivery_failed": ("Meta took a reply and then could not deliver it.", "Write to the contact yourself."),
    "whatsapp_cloud_number_unknown": (
        "Meta does not know the phone number ID, or not for this token.",
        "secondme channels connect whatsapp_cloud",
    ),
    "whatsapp_cloud_unreachable": ("Meta's API does not answer; it is tried again.", ""),
    "whatsapp_cloud_no_answer": ("Meta's API gave no whole answer; it is tried again.", ""),
    "whatsapp_cloud_strange_answer": ("Meta's API gave an answer that cannot be read; it is tried again.", ""),
    "whatsapp_cloud_no_access_token": ("The access token is not set.", "secondme channels connect whatsapp_cloud"),
    "whatsapp_cloud_no_phone_number_id": ("The phone number ID is not set.", "secondme channels connect whatsapp_cloud"),
    "whatsapp_cloud_no_app_secret": (
        "The app secret is not set: no call of Meta's can be trusted.",
        "secondme channels connect whatsapp_cloud",
    ),
    "whatsapp_cloud_no_verify_token": ("The verify token is not set.", "secondme channels connect whatsapp_cloud"),
    "whatsapp_cloud_bad_access_token": (
        "The access token has characters that no token has.",
        "secondme channels connect whatsapp_cloud",
    ),
    "whatsapp_cloud_bad_api_url": (
        "whatsapp_cloud.api_url is neither https nor on this machine.",
        "Use https://graph.facebook.com.",
    ),
}


def words_for(code: str) -> tuple[str, str]:
    """One sentence, and what mends it (empty: it mends itself). An unknown code is shown as it is."""
    return _WORDS.get(code, (code.replace("_", " ") if code else "", ""))
