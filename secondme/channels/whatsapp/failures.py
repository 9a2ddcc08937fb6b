"""Failures of the device process: codes in, errors with plain words and a fix out."""

from __future__ import annotations

from secondme.channels.whatsapp.manifest import CONNECT
from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import BusyError, ConfigError, CredentialsError, SecondmeError, UnavailableError

_FIX_LIBRARY = "apt install libmagic1 (Linux) or brew install libmagic (macOS); on other machines use whatsapp_cloud."
_FAILURES: dict[str, tuple[type[SecondmeError], str, str]] = {
    "not_linked": (CredentialsError, "No phone has linked this device.", CONNECT),
    "bad_account": (ConfigError, "The file that says which account is linked cannot be read.", CONNECT),
    "logged_out": (CredentialsError, "The phone has logged this device out.", CONNECT),
    "replaced": (
        CredentialsError,
        "Another program uses this WhatsApp session; two cannot.",
        f"Stop the other one, or link this device anew: {CONNECT}",
    ),
    "outdated": (CredentialsError, "WhatsApp does not accept this version any more.", "pip install -U secondme"),
    "no_account": (CredentialsError, "WhatsApp did not say which account this is.", CONNECT),
    "pairing_refused": (CredentialsError, "WhatsApp refused to link this device.", f"Check the number and try again: {CONNECT}"),
    "library_missing": (ConfigError, "The WhatsApp library cannot be loaded on this machine.", _FIX_LIBRARY),
    "in_use": (BusyError, "Another process is connected with this WhatsApp session.", "Stop the gateway first."),
    "unreachable": (UnavailableError, "WhatsApp cannot be reached.", "Check this machine's connection."),
    "unavailable": (UnavailableError, "WhatsApp is not available just now.", ""),
    "ended": (UnavailableError, "The WhatsApp library ended the connection.", ""),
    "crashed": (UnavailableError, "The WhatsApp library crashed; it runs in a process of its own and is started again.", ""),
    "hung": (UnavailableError, "The WhatsApp library did not answer any more and was stopped.", ""),
    "not_connected": (UnavailableError, "WhatsApp is not connected.", "secondme status"),
    "send_unknown": (UnavailableError, "Nobody knows whether WhatsApp took the message.", ""),
    "timeout": (UnavailableError, "WhatsApp did not answer in time.", ""),
    "qr_expired": (UnavailableError, "No phone scanned the QR code in time.", CONNECT),
    "code_expired": (UnavailableError, "The pairing code was not typed in time.", CONNECT),
}
STATES = frozenset({"logged_out", "replaced", "outdated", "banned", "unavailable"})
"""States of the device process that end it."""


def failure(code: str) -> SecondmeError:
    """The error for a code, with or without `whatsapp_` before it; an unknown one is a crash."""
    name = code.removeprefix("whatsapp_")
    if name not in _FAILURES:
        name = "crashed"
    kind, words, fix = _FAILURES[name]
    return kind(f"whatsapp_{name}", words, fix)


def banned(seconds: object, now_ms: int) -> SecondmeError:
    """WhatsApp has locked the account for a while; it says for how long, or not."""
    until = ""
    if isinstance(seconds, int) and 0 < seconds < 10**9:
        until = f" until {rfc3339(from_ms(now_ms + seconds * 1000))}"
    return CredentialsError(
        "whatsapp_banned",
        f"WhatsApp has locked this account for linked devices{until}.",
        f"Wait until then, write less, and then: {CONNECT}",
    )
