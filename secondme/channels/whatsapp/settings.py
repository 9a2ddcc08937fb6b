"""The settings of WhatsApp: the section `[whatsapp]`."""

from pydantic import Field

from secondme.core.config.models import Section


class WhatsAppSettings(Section):
    """WhatsApp as a linked device of the owner's phone."""

    device_name: str = Field("secondme", min_length=1, max_length=32)
    """How the phone lists it under linked devices."""
