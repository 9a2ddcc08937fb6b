"""The settings of Telegram: the section `[telegram]`, and the same checked as far as it can be without a connection."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field, SecretStr

from secondme.channels.telegram.manifest import CONNECT
from secondme.core.config.models import Section
from secondme.core.errors import ConfigError, CredentialsError

ID_LIMIT = 2**53
"""Telegram's ids have at most 52 significant bits."""
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,128}")
_OWNER_ID = re.compile(r"[0-9]{1,16}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""What Telegram takes as `secret_token` (Bot API, setWebhook)."""
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


class TelegramSettings(Section):
    """The bot that people on Telegram write to."""

    token: SecretStr | None = None
    """From BotFather. Unset: there is no Telegram."""
    owner_id: int | None = Field(None, gt=0)
    """The owner's own user id: their private chat with the bot is the owner's chat."""
    api_url: str = "https://api.telegram.org"
    """Where the Bot API is: Telegram's, or a server of your own."""
    poll_s: int = Field(30, ge=1, le=50)
    """How long one poll waits for news."""
    webhook_url: str = ""
    """`https://` address under which Telegram reaches `webhooks.listen`. Empty: we poll, and nothing has to be reachable."""
    webhook_secret: SecretStr | None = None
    """What Telegram must say in each call; required with `webhook_url`."""


@dataclass(frozen=True, slots=True)
class TelegramOptions:
    """The settings as they are used. Secrets are in no `repr`."""

    token: str = field(repr=False)
    owner_id: int | None
    api_url: str
    poll_s: int
    webhook_url: str
    webhook_secret: str = field(repr=False)


def read_options(settings: Mapping[str, Any]) -> TelegramOptions:
    """The settings. Raises CredentialsError without a token that could be one, ConfigError for what cannot work."""
    defaults = TelegramSettings()
    api_url = str(settings.get("api_url") or defaults.api_url).rstrip("/")
    if not _URL.fullmatch(api_url):
        raise ConfigError(
            "telegram_api_url_invalid", "telegram.api_url is no http address.", "Set telegram.api_url, or leave it out."
        )
    owner_id = settings.get("owner_id")
    webhook_url, secret = str(settings.get("webhook_url") or ""), str(settings.get("webhook_secret") or "")
    if webhook_url and not _SECRET.fullmatch(secret):
        raise ConfigError(
            "telegram_webhook_secret_missing",
            "Without a secret anybody could call the webhook in Telegram's name.",
            "Set telegram.webhook_secret: 1 to 256 characters of A-Z a-z 0-9 _ -",
        )
    return TelegramOptions(
        token=checked_token(str(settings.get("token") or "")),
        owner_id=int(owner_id) if owner_id else None,
        api_url=api_url,
        poll_s=int(settings.get("poll_s") or defaults.poll_s),
        webhook_url=webhook_url,
        webhook_secret=secret,
    )


def checked_token(token: str) -> str:
    """`token`, if it could be one: a number, a colon, letters and digits. It becomes part of an address. Raises CredentialsError."""
    if not token:
        raise CredentialsError("telegram_token_missing", "No token of a Telegram bot is set.", CONNECT)
    if not _TOKEN.fullmatch(token):
        raise CredentialsError("telegram_token_refused", "That is not the token of a Telegram bot.", CONNECT)
    return token


def owner_id_of(answer: str) -> int | None:
    """The user id that was typed; None for what cannot be one."""
    return number if _OWNER_ID.fullmatch(answer) and 0 < (number := int(answer)) < ID_LIMIT else None


def wrong_owner_id(answer: str) -> str:
    """What is wrong with an answer that is to be the owner's user id, in words; empty for one that will do, and for none."""
    return "" if not answer or owner_id_of(answer) is not None else "a Telegram user id is a number"
