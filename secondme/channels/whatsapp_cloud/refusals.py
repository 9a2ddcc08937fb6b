"""What does an error of the Graph API mean for a message? Pure: a status and a code in, an outcome out.

Source: Meta, "Cloud API error codes". Codes decide; titles and statuses change.
"""

from __future__ import annotations

from secondme.core.messages import NotSent, Undeliverable

WINDOW_CLOSED = frozenset({470, 131047})
"""The contact has not written for 24 hours: only a paid template could reach it, and that is not what a person would say."""
_TOKEN = frozenset({102, 190, 463, 467})
_PERMISSION = frozenset({3, 10, *range(200, 300)})
_RATE = frozenset({4, 613, 80007, 80008, 130429, 131056})
_RESTRICTED = frozenset({368, 130497, 131031, 131042, 131048, 131049, 133010})
"""The account, not the message: blocked, unpaid, not registered, or taken for spam."""
_UNREACHABLE = frozenset({131021, 131026, 131045, 131050, 131051, 130472, 131009, 131008})
_GONE = frozenset({33, 100})
_RATE_S = 10.0
_RESTRICTED_S = 3600.0
"""Only a human or Meta can mend it; asking more often makes it worse."""
_LONGEST_S = 3600.0
_UNAUTHORIZED, _TOO_MANY = 401, 429


def is_token_refused(status: int, code: int) -> bool:
    """True when the access token is wrong, expired or revoked."""
    return code in _TOKEN if code else status == _UNAUTHORIZED


def is_permission_missing(code: int) -> bool:
    """True when the token is right and may not do this."""
    return code in _PERMISSION


def is_gone(code: int) -> bool:
    """True when the thing that was named does not exist for this token."""
    return code in _GONE


def refusal_of(status: int, code: int, retry_after_s: float | None) -> NotSent | Undeliverable:
    """What a definite no (4xx, or a rate limit's code) means for the message. `code` is 0 when Meta gave none."""
    if code in _RATE or status == _TOO_MANY:
        return NotSent("rate_limited", _RATE_S if retry_after_s is None else retry_after_s)
    if is_token_refused(status, code):
        return NotSent("token_refused")
    if code in WINDOW_CLOSED:
        return Undeliverable("outside_24h_window")
    if code in _UNREACHABLE:
        return Undeliverable("unreachable")
    if is_permission_missing(code):
        return NotSent("permission_missing", _RESTRICTED_S)
    if code in _RESTRICTED:
        return NotSent("account_restricted", _RESTRICTED_S)
    if code == 100:  # noqa: PLR2004  "invalid parameter": the same words will be as invalid next time
        return Undeliverable("refused")
    return NotSent(f"refused_{code or status}")


def is_rate(code: int) -> bool:
    """True when the platform says that it was too much, whatever the status beside it."""
    return code in _RATE


def late_failure(code: int) -> str:
    """How the owner is told of a message that Meta took and could not deliver."""
    return "whatsapp_cloud_window_closed" if code in WINDOW_CLOSED else "whatsapp_cloud_delivery_failed"


def seconds_of(header: str | None) -> float | None:
    """A Retry-After header in seconds, between one second and an hour; None when it says no plain number."""
    if header is None or not header.isascii() or not header.isdigit():
        return None
    return min(_LONGEST_S, max(1.0, float(header[:9])))
