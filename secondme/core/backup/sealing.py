"""How is a backup kept from others? As a file that the `age` program opens with the same passphrase (age-encryption.org/v1)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from secondme.core.errors import ConfigError, CredentialsError, DataError

if TYPE_CHECKING:
    from pathlib import Path

_BEGINNINGS = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
MOST_BYTES = 128 * 1024 * 1024
"""The library encrypts in memory and needs five times as much, beside the 512 MB that make a passphrase hard to guess."""


def is_sealed(beginning: bytes) -> bool:
    """True when a file that begins like this is encrypted."""
    return beginning.startswith(_BEGINNINGS)


def seal(plain: Path, into: BinaryIO, passphrase: str) -> None:
    """`into` holds what `plain` does, for whoever knows the passphrase. Takes a second by intent.

    Raises ConfigError when there is too much of it or the library is missing.
    """
    pyrage = _library()
    if plain.stat().st_size > MOST_BYTES:
        raise ConfigError(
            "backup_too_large_to_encrypt", "The backup is too large to be encrypted here.", "secondme backup - | age -p > FILE.age"
        )
    into.write(pyrage.passphrase.encrypt(plain.read_bytes(), passphrase))


def unseal(sealed: BinaryIO, passphrase: str) -> BinaryIO:
    """What was encrypted; it touches no disk. Raises CredentialsError for a wrong passphrase, DataError for a damaged file."""
    pyrage = _library()
    raw = sealed.read(MOST_BYTES * 11 // 10)
    if sealed.read(1):
        raise ConfigError(
            "backup_too_large_to_decrypt",
            "The backup is too large to be decrypted here.",
            "age -d FILE | secondme restore - --yes",
        )
    try:
        return io.BytesIO(pyrage.passphrase.decrypt(raw, passphrase))
    except pyrage.DecryptError as error:
        said = str(error)
        if "xcessive work" in said:
            raise DataError(
                "backup_costly", "Its passphrase would take minutes to check: it is no backup of ours.", "age -d FILE"
            ) from None
        if said in {"Decryption failed", "No matching keys found"}:
            raise CredentialsError(
                "wrong_passphrase", "The passphrase does not open the backup.", "Try the one it was made with."
            ) from None
        raise DataError("backup_damaged", "The encrypted backup is damaged.", "Use another one.") from None


def _library() -> Any:  # a module with no types of its own
    try:
        import pyrage  # type: ignore[import-untyped]  # noqa: PLC0415  2 MB that only an encrypted backup needs
    except ImportError:
        raise ConfigError("no_age", "Encrypting needs the package pyrage.", "pip install pyrage") from None
    return pyrage
