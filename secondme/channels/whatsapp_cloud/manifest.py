"""What WhatsApp's official API is, as plain data: importing it costs nothing."""

from secondme.core.channel_manifest import Manifest

ID = "whatsapp_cloud"
CONNECT = f"secondme channels connect {ID}"

MANIFEST = Manifest(
    id=ID,
    title="WhatsApp Business",
    icon="W",
    setup="secondme.channels.whatsapp_cloud.setup",
    contact_ids=r"whatsapp_cloud:(?:[1-9][0-9]{4,14}|[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,108})",
    settings="secondme.channels.whatsapp_cloud.settings:WhatsAppCloudSettings",
    sentences={
        "whatsapp_cloud_token_refused": ("Meta refuses the access token.", CONNECT),
        "whatsapp_cloud_window_closed": (
            "Meta refuses free text more than 24 hours after a contact's last message. The reply was not delivered.",
            "Wait until the contact writes, or use the app yourself.",
        ),
        "whatsapp_cloud_delivery_failed": ("Meta took a reply and then could not deliver it.", "Write to the contact yourself."),
        "whatsapp_cloud_number_unknown": ("Meta does not know the phone number ID, or not for this token.", CONNECT),
        "whatsapp_cloud_unreachable": ("Meta's API does not answer; it is tried again.", ""),
        "whatsapp_cloud_no_answer": ("Meta's API gave no whole answer; it is tried again.", ""),
        "whatsapp_cloud_strange_answer": ("Meta's API gave an answer that cannot be read; it is tried again.", ""),
        "whatsapp_cloud_no_access_token": ("The access token is not set.", CONNECT),
        "whatsapp_cloud_no_phone_number_id": ("The phone number ID is not set.", CONNECT),
        "whatsapp_cloud_no_app_secret": ("The app secret is not set: no call of Meta's can be trusted.", CONNECT),
        "whatsapp_cloud_no_verify_token": ("The verify token is not set.", CONNECT),
        "whatsapp_cloud_bad_access_token": ("The access token has characters that no token has.", CONNECT),
        "whatsapp_cloud_bad_api_url": (
            "whatsapp_cloud.api_url is neither https nor on this machine.",
            "Use https://graph.facebook.com.",
        ),
    },
    rank=30,
    offer="WhatsApp Business, by Meta's official Cloud API (for developers)",
    collapses_resends=False,  # /messages has no idempotency key; biz_opaque_callback_data only comes back in statuses
    sends_voice=True,
    typing_refresh_s=20.0,  # Meta hides the indicator after 25 s
    takes_webhooks=True,
)
