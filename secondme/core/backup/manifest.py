"""What does a backup say about itself? The first member of the archive: every other one with its size and hash, and nothing about the machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from secondme.core.errors import DataError
from secondme.core.records import Moment, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1
NAME = "manifest.json"
STORE = "store.rdb"
"""The store at one moment."""
CONFIG, DATA = "config", "data"
"""Folders of the archive: what lies beside `config.toml`, and what lies in the data directory."""
MOST_BYTES = 16 * 1024 * 1024
"""Of the manifest itself: some 100,000 members."""
MOST_MEMBERS = 100_000
_LONGEST_NAME = 1024
_DEEPEST = 12
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILES = frozenset({f"{CONFIG}/config.toml", f"{CONFIG}/credentials.json", f"{CONFIG}/.env", f"{DATA}/api.token", STORE})
_FOLDERS = (f"{CONFIG}/personas/", f"{DATA}/channels/", f"{DATA}/local/")


class Member(Record):
    """One file of the archive."""

    name: str
    size: int = Field(ge=0)
    sha256: str


class Manifest(Record):
    """What is in the archive, in the order in which it comes."""

    format: int
    version: str
    """Of secondme."""
    made_at: Moment
    store_kind: str
    """`embedded` or `redis_url`: where the store was."""
    members: list[Member] = Field(max_length=MOST_MEMBERS)

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(member.size for member in self.members)

    def contents(self) -> dict[str, Any]:  # JSON values
        """What is in it, for a person who wants to know whether it is the right one."""
        names = {member.name: member.size for member in self.members}
        return {
            "settings": f"{CONFIG}/config.toml" in names,
            "secrets": bool({f"{CONFIG}/.env", f"{CONFIG}/credentials.json"} & set(names)),
            "personas": sum(name.startswith(f"{CONFIG}/personas/") for name in names),
            "channels": sorted({name.split("/")[2] for name in names if name.startswith(f"{DATA}/channels/")}),
            "mail": sum(name.startswith(f"{DATA}/local/") for name in names),
            "storeBytes": names[STORE],
        }


def read_manifest(raw: bytes) -> Manifest:
    """The manifest that `raw` holds. Raises DataError when it is none, of a newer format, or names what no backup of ours has."""
    try:
        manifest = Manifest.model_validate_json(raw)
    except (ValidationError, RecursionError):
        if (newer := _newer(raw)) is not None:
            raise newer from None
        raise not_ours() from None  # the original would repeat a stranger's bytes
    if manifest.format != FORMAT:
        raise _newer(raw) or not_ours()
    check_names([member.name for member in manifest.members])
    if not all(_HASH.fullmatch(member.sha256) for member in manifest.members):
        raise not_ours()
    return manifest


def check_names(names: Sequence[str]) -> None:
    """Each name is a place of ours and comes once; with the store among them. Raises DataError."""
    if not all(map(_is_safe, names)):
        raise DataError(
            "backup_bad_name", "The backup names a file outside of a home: it is damaged or forged.", "Use another one."
        )
    if len({name.casefold() for name in names}) != len(names) or STORE not in names:
        raise not_ours()


def not_ours() -> DataError:
    """The error for a file that is no backup."""
    return DataError(
        "not_a_backup", "That is no backup of secondme, or it is damaged.", "Use a file that `secondme backup` has written."
    )


def _is_safe(name: str) -> bool:
    if name in _FILES:
        return True
    parts = name.split("/")
    return (
        name.startswith(_FOLDERS)
        and len(name) <= _LONGEST_NAME
        and len(parts) <= _DEEPEST
        and all(part not in {"", ".", ".."} for part in parts)
        and name.isprintable()
        and "\\" not in name
    )


def _newer(raw: bytes) -> DataError | None:
    """The error for a manifest of a later version, whatever else is in it."""
    found = re.match(rb'\s*\{\s*"format"\s*:\s*([0-9]{1,9})\s*[,}]', raw)
    if found is None or int(found[1]) <= FORMAT:
        return None
    return DataError(
        "backup_too_new", "The backup was made by a newer secondme.", "Upgrade this one first:  pip install --upgrade secondme"
    )
