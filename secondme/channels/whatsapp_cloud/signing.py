"""Is it Meta that calls? Asked before anything in a body is looked at.

Source: Meta, "Webhooks: Getting started" (verification requests, and validating payloads with `X-Hub-Signature-256`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from secondme.core.log import get_logger

if TYPE_CHECKING:
    from secondme.core.messages import WebhookRequest
    from secondme.core.ports import Clock

log = get_logger(__name__)

_CHALLENGE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_LONGEST_QUERY = 2048
_MOST_FIELDS = 16
_MOST_WRONG = 20
"""A minute. Meta makes none; further callers are told to wait, but a right signature always passes."""
_MINUTE_S = 60.0


def is_signed(request: WebhookRequest, app_secret: str) -> bool:
    """True when the raw body carries the signature that only Meta and the app's owner can make. An empty secret signs nothing."""
    claimed = request.header("x-hub-signature-256")
    if not app_secret or claimed is None:
        return False
    wanted = "sha256=" + hmac.new(app_secret.encode(), request.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(claimed.encode("utf-8", "surrogatepass"), wanted.encode())


def challenge_of(query: str, verify_token: str) -> str | None:
    """What Meta wants to hear when the owner sets the webhook up; None when it is not Meta, or nothing to repeat."""
    if not verify_token or len(query) > _LONGEST_QUERY:
        return None
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    said = dict(fields)
    if len(said) != len(fields) or said.get("hub.mode") != "subscribe":
        return None
    token = said.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(token, verify_token.encode()):
        return None
    challenge = said.get("hub.challenge", "")
    return challenge if _CHALLENGE.fullmatch(challenge) else None


class Forgeries:
    """Counts calls that were not Meta's, and says so in the log once a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=_MOST_WRONG)
        self._refused = 0
        self._told_at: float | None = None

    def is_one_too_many(self) -> bool:
        """True when the last minute had its share of wrong calls before this one."""
        now = self._clock.monotonic()
        self._tell(now)
        if len(self._wrong) == _MOST_WRONG and now - self._wrong[0] < _MINUTE_S:
            return True
        self._wrong.append(now)
        return False

    def _tell(self, now: float) -> None:
        self._refused += 1
        if self._told_at is None or now - self._told_at >= _MINUTE_S:
            log.warning("webhook_forged", channel="whatsapp_cloud", calls=self._refused)
            self._told_at, self._refused = now, 0
