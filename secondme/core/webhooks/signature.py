"""Signatures of webhooks: Standard Webhooks 1.0, symmetric (https://github.com/standard-webhooks/standard-webhooks)."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PREFIX = "whsec_"
_BYTES = 32


def new_secret() -> str:
    """A secret to sign with: 256 random bits."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def signed_headers(signers: Iterable[str], message: str, at_s: int, body: bytes) -> dict[str, str]:
    """The headers that prove a delivery: a signature with each of `signers`, a space between. `at_s` is Unix time of this try."""
    signatures = " ".join(_signature(each, message, at_s, body) for each in signers)
    return {"webhook-id": message, "webhook-timestamp": str(at_s), "webhook-signature": signatures}


def _signature(secret: str, message: str, at_s: int, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, f"{message}.{at_s}.".encode() + body, "sha256")).decode()
