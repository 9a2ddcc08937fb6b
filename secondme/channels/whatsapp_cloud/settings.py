"""The settings of the WhatsApp Cloud API: the section `[whatsapp_cloud]`, and the business account that it describes."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from secondme.channels.whatsapp_cloud.manifest import CONNECT
from secondme.core.config.models import Section
from secondme.core.errors import ConfigError

API_URL = "https://graph.facebook.com"
API_VERSION = "v24.0"
_HEADER_WORD = re.compile(r"[\x21-\x7e]+")


class WhatsAppCloudSettings(Section):
    """WhatsApp's official API for businesses."""

    access_token: SecretStr | None = None
    phone_number_id: str = Field("", pattern="^[0-9]*$")
    app_secret: SecretStr | None = None
    """Signs every call of Meta's; without it none is accepted."""
    verify_token: SecretStr | None = None
    """A word of your own, which Meta repeats when the webhook is set up."""
    owner_number: str = Field("", pattern="^[0-9]*$")
    """The owner's own number, digits only: their chat with the business number is the owner's chat."""
    api_url: str = API_URL
    api_version: str = Field(API_VERSION, pattern=r"^v[0-9]+\.[0-9]+$")


@dataclass(frozen=True, slots=True)
class CloudAccount:
    """One business number. Secrets are not shown by `repr`."""

    phone_number_id: str
    access_token: str = field(repr=False)
    app_secret: str = field(default="", repr=False)
    verify_token: str = field(default="", repr=False)
    owner_number: str = ""
    api_url: str = API_URL
    api_version: str = API_VERSION

    @property
    def base(self) -> str:
        """Where every call of ours begins."""
        return f"{self.api_url.rstrip('/')}/{self.api_version}"

    def check(self) -> None:
        """Nothing. Raises ConfigError when a setting is missing without which Meta's calls could be anybody's, or ours could be read."""
        for name in ("access_token", "phone_number_id", "app_secret", "verify_token"):
            if not getattr(self, name):
                raise ConfigError(f"whatsapp_cloud_no_{name}", f"whatsapp_cloud.{name} is not set.", CONNECT)
        if not is_token(self.access_token):  # the HTTP library would quote it in its complaint
            raise ConfigError(
                "whatsapp_cloud_bad_access_token",
                "whatsapp_cloud.access_token has characters that no token has.",
                "Copy the access token again, without blanks or quotes.",
            )
        if not is_private(self.api_url):
            raise ConfigError(
                "whatsapp_cloud_bad_api_url",
                "whatsapp_cloud.api_url is neither an https address nor one of this machine.",
                f"Use {API_URL}.",
            )


def account_of(settings: Mapping[str, Any]) -> CloudAccount:
    """The account that the settings describe; what is unset is empty."""
    values = {name: str(settings.get(name) or "") for name in CloudAccount.__dataclass_fields__}
    values["api_url"] = values["api_url"] or API_URL
    values["api_version"] = values["api_version"] or API_VERSION
    return CloudAccount(**values)


def is_token(text: str) -> bool:
    """True for what may stand in a header: one word of visible ASCII."""
    return _HEADER_WORD.fullmatch(text) is not None


def is_private(url: str) -> bool:
    """True when nobody between us and `url` can read what is said: https, or http to this very machine."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http":
            return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
        return parts.scheme == "https" and bool(parts.hostname)
    except ValueError:
        return False
