"""Telegram's settings, checked as far as they can be without a connection."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from secondme.channels.telegram.updates import positive
from secondme.core.errors import ConfigError, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT = "secondme channels connect telegram"
_API_URL = "https://api.telegram.org"
_POLL_S = 30
_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{1,128}")
_OWNER_ID = re.compile(r"[0-9]{1,16}", re.ASCII)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
"""What Telegram takes as `secret_token` (Bot API, setWebhook)."""
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


@dataclass(frozen=True, slots=True)
class Options:
    """The settings as they are used. Secrets are in no `repr`."""

    token: str = field(repr=False)
    owner_id: int | None
    api_url: str
    poll_s: int
    webhook_url: str
    webhook_secret: str = field(repr=False)


def read(settings: Mapping[str, Any]) -> Options:
    """The settings. Raises CredentialsError without a token that could be one, ConfigError for what cannot work."""
    api_url = str(settings.get("api_url") or _API_URL).rstrip("/")
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
    return Options(
        token=checked_token(str(settings.get("token") or "")),
        owner_id=int(owner_id) if owner_id else None,
        api_url=api_url,
        poll_s=int(settings.get("poll_s") or _POLL_S),
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
    return positive(int(answer)) if _OWNER_ID.fullmatch(answer) else None


def wrong_owner_id(answer: str) -> str:
    """What is wrong with an answer that is to be the owner's user id, in words; empty for one that will do, and for none."""
    return "" if not answer or owner_id_of(answer) is not None else "a Telegram user id is a number"
