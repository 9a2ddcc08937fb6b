"""Where settings are kept: config.toml (read, planned and written with its comments), `.env`, the system's keyring, and what linking a channel found out."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Any

from secondme.core.errors import BusyError, ConfigError, CredentialsError
from secondme.core.files import private_dir, read_private, write_private
from secondme.core.text import EncodingError, plain_text

if TYPE_CHECKING:
    from pathlib import Path

    import tomlkit


Value = str | int | float | bool
_KEPT = 20
_DIGITS = 6
"""Of a number behind a time, so that names are in order. More than a million changes before the clock goes on are not to be expected."""
_NAME = re.compile(rf"[0-9]{{8}}T[0-9]{{6}}Z(-[0-9]{{{_DIGITS}}})?")


@dataclass(frozen=True, slots=True)
class ConfigEdit:
    """A change that was planned, not made."""

    path: Path
    before: str | None
    """None: there was no file."""
    after: str

    @property
    def is_change(self) -> bool:
        """False when the file is as it should be."""
        return (self.before or "") != self.after

    @property
    def diff(self) -> list[str]:
        """The change as lines of a unified diff, without its two heading lines."""
        lines = difflib.unified_diff((self.before or "").splitlines(), self.after.splitlines(), lineterm="", n=1)
        return list(lines)[2:]


def plan(path: Path, changes: Mapping[str, Value | None]) -> ConfigEdit:
    """What the file would be with every dotted name in `changes` set; None: removed, and a table it leaves empty too.

    Raises ConfigError when the file is there and is no TOML, or a name stands for both a value and a table.
    """
    import tomlkit  # noqa: PLC0415  only who changes a setting pays for it
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    path = path.resolve()  # a link, to where somebody keeps their settings, stays one
    before = _read(path)
    try:
        document = tomlkit.parse(_whole_lines(before or ""))
    except TOMLKitError as error:
        raise ConfigError("malformed_config", f"{path} is not valid TOML: {error}.", "secondme config restore") from error
    except RecursionError as error:
        raise ConfigError(
            "malformed_config", f"{path} is not valid TOML: it is nested too deeply.", "secondme config restore"
        ) from error
    for dotted, value in changes.items():
        if value is None:
            _remove(document, dotted.split("."))
        else:
            _put(document, dotted.split("."), value)
    after = tomlkit.dumps(document)
    return ConfigEdit(path, before, (before or "") if after == _whole_lines(before or "") else after)


def write(edit: ConfigEdit, now_ms: int) -> Path | None:
    """The file is as planned, 0600; returns where the one before it is kept, None without one. Nothing is written when nothing changes.

    Raises BusyError when somebody else changed the file since it was planned, ConfigError when the disk refuses.
    """
    if not edit.is_change:
        return None
    private_dir(edit.path.parent)
    with _alone(edit.path):
        return _write(edit, now_ms)


def _write(edit: ConfigEdit, now_ms: int) -> Path | None:
    if _read(edit.path) != edit.before:
        raise BusyError("config_changed", f"{edit.path} was changed meanwhile.", "Look at it, and try again.")
    kept = None
    try:
        if edit.before is not None:
            kept = _keep(edit.path, edit.before, now_ms)
        write_private(edit.path, edit.after)
        _keep(edit.path, edit.after, now_ms)
        for old in backups(edit.path)[_KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            "unwritable_config", f"{edit.path} cannot be written: {error.strerror}.", "Check its owner and the disk."
        ) from error
    return kept


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else who asks here writes the file meanwhile."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def backups(path: Path) -> list[Path]:
    """What is kept of the file's past, the newest first."""
    return sorted(path.parent.glob(f"{path.name}.bak-*"), reverse=True)


def set_aside(path: Path, now_ms: int) -> Path:
    """The file, whatever is in it, is beside its old place under the name that is returned, which nothing had. Raises ConfigError when the
    disk refuses."""
    try:
        with _alone(path):
            aside = _unused(path, "broken", now_ms)
            path.rename(aside)
    except OSError as error:
        raise ConfigError("unwritable_config", f"{path} cannot be moved: {error.strerror}.", "Check its owner.") from error
    return aside


def _read(path: Path) -> str | None:
    try:
        return plain_text(path.read_bytes()).replace("\r\n", "\n")
    except FileNotFoundError:
        return None
    except EncodingError as error:
        raise ConfigError(
            "malformed_config", f"{path} is not valid TOML: it is {error.words}.", "secondme config restore"
        ) from error
    except OSError as error:
        raise ConfigError("unreadable_config", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error


def _keep(path: Path, text: str, now_ms: int) -> Path:
    """`text` is the newest backup; it is not written again when it is so already."""
    newest = next(iter(backups(path)), None)
    if newest is not None and newest.read_text("utf-8", "replace") == text:
        return newest
    spare = spare_name(path, now_ms)
    write_private(spare, text)
    return spare


def spare_name(path: Path, now_ms: int) -> Path:
    """A name for a backup that nothing has, and the newest of all: two changes within one second are two backups."""
    return _unused(path, "bak", now_ms)


def _unused(path: Path, kind: str, now_ms: int) -> Path:
    """The name that comes after all of the kind in the order of names, which is how they are read and thrown away."""
    prefix, stamp = f"{path.name}.{kind}-", _stamp(now_ms)
    ours = (_NAME.fullmatch(each.name.removeprefix(prefix)) for each in path.parent.glob(f"{prefix}*"))
    newest = max((found[0] for found in ours if found), default="")
    if newest >= stamp:
        time, _, number = newest.partition("-")
        stamp = f"{time}-{int(number or 1) + 1:0{_DIGITS}}"
    return path.with_name(prefix + stamp)


def _stamp(now_ms: int) -> str:
    return datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _whole_lines(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _put(document: tomlkit.TOMLDocument, parts: list[str], value: Value) -> None:
    import tomlkit  # noqa: PLC0415  as above

    node: tomlkit.container.Container | tomlkit.items.Table = document
    for part in parts[:-1]:
        if part not in node:
            node[part] = tomlkit.table()
        inner = node[part]
        if not isinstance(inner, MutableMapping):  # also the proxy for a table that is written in several pieces
            raise ConfigError("bad_setting", f"{part} is one value and has no parts.", "secondme config show")
        node = inner  # type: ignore[assignment]  # an inline table takes values the same way
    if parts[-1] in node or not isinstance(node, tomlkit.items.Table):
        node[parts[-1]] = value
        return
    below = _remarks_below(node.value.body)
    node[parts[-1]] = value
    node.value.body.extend(below)


def _remarks_below(body: list[tuple[tomlkit.items.Key | None, tomlkit.items.Item]]) -> list[tuple[None, tomlkit.items.Item]]:
    """Empty lines and comments at the end of a table, taken off: they belong to what comes next, not to a new line above them."""
    from tomlkit.items import Comment, Whitespace  # noqa: PLC0415  as above

    below: list[tuple[None, tomlkit.items.Item]] = []
    while body and body[-1][0] is None and isinstance(body[-1][1], Whitespace | Comment):
        below.insert(0, (None, body.pop()[1]))
    return below


def _remove(node: tomlkit.container.Container | tomlkit.items.Table, parts: list[str]) -> None:
    head, *rest = parts
    if head not in node:
        return
    if not rest:
        del node[head]
        return
    inner = node[head]
    if isinstance(inner, MutableMapping):
        _remove(inner, rest)  # type: ignore[arg-type]  # as above
        if not inner:
            del node[head]


def read_env_file(path: Path, *, even_open: bool = False) -> dict[str, str]:
    """The names and values of the file; empty when there is none. Raises ConfigError when others can read it (unless `even_open`), or nobody."""
    text = _text(path, even_open=even_open)
    if not text:
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415  only who has such a file pays for it

    return {name: value for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items() if value}


def save_env_file(path: Path, changes: Mapping[str, str | None]) -> None:
    """Every name in `changes` has that value; None: it is not in the file. Other lines and comments are as before. Repeatable.

    Raises ConfigError when the old file cannot be read, the disk refuses, or a value has a line break.
    """
    if any("\n" in (value or "") or "\r" in (value or "") for value in changes.values()):
        raise ConfigError("bad_setting", "A secret is one line.")
    kept = [line for line in (_text(path) or "").splitlines() if _name(line) not in changes]
    lines = [*kept, *(f"{name}={_quoted(value)}" for name, value in changes.items() if value is not None)]
    try:
        write_private(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise ConfigError(
            "unwritable_env_file", f"{path} cannot be written: {error.strerror}.", "Check its owner and the disk."
        ) from error


def _text(path: Path, *, even_open: bool = False) -> str | None:
    try:
        return read_private(path, even_open=even_open)
    except EncodingError as error:
        raise ConfigError("unreadable_env_file", f"{path} cannot be read: it is {error.words}.", "Save it as UTF-8.") from None
    except OSError:
        raise ConfigError("unreadable_env_file", f"{path} cannot be read.", "Check its owner and mode.") from None


def _name(line: str) -> str:
    return line.strip().removeprefix("export ").partition("=")[0].strip()


def _quoted(value: str) -> str:
    """In single quotes nothing but the quote and the backslash means anything: the rule of python-dotenv, and of the shell but for those two."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SERVICE = "secondme"


def read_keyring(home: Path) -> dict[str, str]:
    """The secrets kept for `home`. Raises ConfigError without the package, CredentialsError when the keyring is locked or broken."""
    library = _library()
    try:
        kept = json.loads(library.get_password(_SERVICE, str(home)) or "{}")
    except Exception as error:
        raise CredentialsError(
            "keyring_locked", "The keyring does not give its secrets.", "Unlock it, or: secondme config set secrets file"
        ) from error
    return {str(name): str(value) for name, value in kept.items()} if isinstance(kept, dict) else {}


def save_keyring(home: Path, changes: Mapping[str, str | None]) -> None:
    """Every dotted name in `changes` has that value; None: it is not kept. Repeatable. Raises as `read_keyring`."""
    kept = {name: value for name, value in {**read_keyring(home), **changes}.items() if value is not None}
    try:
        _library().set_password(_SERVICE, str(home), json.dumps(kept))
    except Exception as error:
        raise CredentialsError(
            "keyring_locked", "The keyring does not take secrets.", "secondme config set secrets file"
        ) from error


def keyring_strength() -> float:
    """How good a keyring was found, in the package's own measure: from 1 one that is recommended, 0 none at all."""
    try:
        return float(_library().get_keyring().priority)
    except (ConfigError, RuntimeError, AttributeError):
        return 0.0


def _library() -> Any:  # an optional package
    try:
        return import_module("keyring")  # an extra, and slow
    except ImportError as error:
        raise ConfigError("no_keyring", "The package `keyring` is not installed.", "pip install 'secondme[keyring]'") from error


def read_credentials(path: Path, *, even_open: bool = False) -> dict[str, str | int]:
    """The saved settings; empty when nothing was linked. Raises ConfigError when the file is not ours alone (unless `even_open`) or cannot be
    read."""
    try:
        text = read_private(path, even_open=even_open)
        saved = {} if text is None else json.loads(text)
    except (ValueError, OSError, RecursionError):
        raise _unreadable(path) from None  # the original may quote a secret
    if not isinstance(saved, dict) or not all(isinstance(value, str | int) for value in saved.values()):
        raise _unreadable(path)
    return saved


def save_credentials(path: Path, channel: str, settings: Mapping[str, str | int] | None) -> None:
    """What is known of the channel whose section is `channel` is exactly `settings`; None: nothing. The rest of the file is as before. Repeatable.

    A crash leaves the old file or the new one. Raises ConfigError when the old one cannot be read or the disk refuses.
    """
    own = f"{channel.removeprefix('plugins.')}."  # also what is left of it under the other form
    kept: dict[str, Any] = {
        name: value for name, value in read_credentials(path).items() if not name.removeprefix("plugins.").startswith(own)
    }
    kept.update({f"{channel}.{name}": value for name, value in (settings or {}).items()})
    try:
        write_private(path, json.dumps(kept, indent=2))
    except OSError as error:
        raise ConfigError("unwritable_credentials", f"{path} cannot be written: {error.strerror}.", "Check the disk.") from error


def _unreadable(path: Path) -> ConfigError:
    return ConfigError(
        "unreadable_credentials", f"{path} cannot be read.", "Move it away and link the channels again: secondme channels connect"
    )
