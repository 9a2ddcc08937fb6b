"""Who is who at the terminals of this machine: a readable id for each name, that no other name has."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import TYPE_CHECKING

from secondme.channels.local.protocol import CHANNEL, contact_of
from secondme.core.errors import UnavailableError
from secondme.core.files import replacement
from secondme.core.ids import ContactId
from secondme.core.text import caseless

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "names.json"
_LONGEST = 28
"""Characters of a readable id, its channel and its number left aside: a plain name has 32."""
_MOST = 64
"""Characters of a name; nobody is called by more."""
_WORDS = re.compile(r"[a-z0-9]+(?:[ '\u2019.,_-]+[a-z0-9]+)*\.?", re.ASCII)
_GAPS = re.compile(r"[ '\u2019.,_-]+")
_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "\u0131": "i"})
"""Latin letters that Unicode does not take apart."""


class LocalNames:
    """The ids that names were given here, kept in a file beside the mail. Of a name it holds a SHA-256 and what the id shows anyway."""

    def __init__(self, directory: Path, has_mail: Callable[[ContactId], bool]) -> None:
        """`has_mail`: whether the contact was ever written to; who was keeps the id of then."""
        self._path = directory / FILE
        self._has_mail = has_mail

    def id_of(self, name: str) -> ContactId:
        """The contact that `name` is: always the same, whatever its capitals or its Unicode form, and nobody else's. Repeatable. Raises DataError
        for an empty name, UnavailableError when the disk refuses to keep a new one."""
        first = contact_of(name)
        ids, key = self._known(), _key(name)
        if key not in ids:
            ids[key] = self._free(name, first, set(ids.values()))
            self._write(ids)
        return ContactId(ids[key])

    def forget(self, contact: str) -> None:
        """No name has this id any more. Repeatable. Raises UnavailableError when the disk refuses."""
        ids = self._known()
        if contact in ids.values():
            self._write({key: each for key, each in ids.items() if each != contact})

    def _free(self, name: str, first: ContactId, taken: set[str]) -> ContactId:
        slug = readable(name)
        if first not in taken and (not slug or first == f"{CHANNEL}:{slug}" or self._has_mail(first)):
            return first  # a plain name, one that cannot be read, or one that was written to before ids were readable
        number = 1
        while True:
            each = ContactId(f"{CHANNEL}:{slug or 'x'}{'' if number == 1 else f'-{number}'}")
            if each not in taken and not self._has_mail(each):
                return each
            number += 1

    def _known(self) -> dict[str, str]:
        """As the file says now: whoever was forgotten by another process is not there any more. One that cannot be read stays as it is."""
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _refused(error.strerror) from error
        except ValueError as error:
            raise _refused(f"{self._path} is damaged") from error
        return {str(key): str(each) for key, each in found.items()}

    def _write(self, ids: dict[str, str]) -> None:
        try:
            if not ids:
                self._path.unlink(missing_ok=True)
                return
            with replacement(self._path) as file:
                file.write(json.dumps(ids, indent=0, sort_keys=True).encode())
        except OSError as error:
            raise _refused(error.strerror) from error


def readable(name: str) -> str:
    """`maria-jose` for "María José"; a plain name as it is. Empty for one with a letter that has no Latin twin, or with anything else in it."""
    folded = caseless(name.strip())
    if contact_of(name) == f"{CHANNEL}:{folded}":
        return folded
    bare = "".join(each for each in unicodedata.normalize("NFKD", folded.translate(_LETTERS)) if not unicodedata.combining(each))
    return _GAPS.sub("-", bare)[:_LONGEST].strip("-") if len(bare) <= _MOST and _WORDS.fullmatch(bare) else ""


def _key(name: str) -> str:
    return hashlib.sha256(caseless(name.strip()).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _refused(why: str | None) -> UnavailableError:
    return UnavailableError("local_mail_unwritable", f"The local channel cannot keep its names: {why}.", "Check the disk.")
