"""How does the owner change a setting? In the file that holds it, checked before it is written, and shown as a difference."""

from __future__ import annotations

import sys
from datetime import time
from enum import Enum
from typing import TYPE_CHECKING, Any

from secondme.cli.output import CommandResult, Screen
from secondme.core.clock import SystemClock
from secondme.core.config.files import backups, plan, read_env_file, save_env_file, set_aside, write
from secondme.core.config.loader import (
    environment_name,
    home_of,
    is_secret,
    known_names,
    load,
    nearest_name,
    value_of,
    vendor_names,
)
from secondme.core.config.paths import find_places, replace_private
from secondme.core.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from secondme.cli.command import Invocation
    from secondme.core.config.files import Edit, Value
    from secondme.core.config.paths import Places

_MOST = 4096
_LATER = "A running gateway takes it over when it starts anew."


def set_setting(invocation: Invocation, name: str, value: str | None) -> CommandResult:
    """The setting has the value from now on. Raises ConfigError when it does not exist or cannot have it; then nothing is written."""
    _known(name)
    places = _places(invocation)
    if is_secret(name):
        if value is not None:
            raise ConfigError(
                "secret_in_argv", f"{name} is a secret: others can read a command line.", f"secondme config set {name}"
            )
        return _said("set", name, keep_secret(places, name, _typed(name), home=invocation.home))
    if value is None:
        raise ConfigError("no_value", f"{name} needs a value.", f"secondme config set {name} VALUE")
    edit = plan_settings(places, {name: value}, home=invocation.home)
    write(edit, SystemClock().now_ms())
    return _changed("set", name, edit, invocation)


def unset_setting(invocation: Invocation, name: str) -> CommandResult:
    """The setting, known or not, is not in the file any more. Raises NotFoundError when it was not, naming what sets it if something does."""
    places = _places(invocation)
    edit = plan(places.config_file, {name: None})
    if is_secret(name):
        write(edit, SystemClock().now_ms())  # by hand it may have been written there
        return _said("unset", name, keep_secret(places, name, None, home=invocation.home))
    if not edit.is_change:
        raise NotFoundError("not_set", f"config.toml does not set {name}.", "secondme config show says what does.")
    write(edit, SystemClock().now_ms())
    return _changed("unset", name, edit, invocation)


def restore_file(invocation: Invocation) -> CommandResult:
    """The newest file that can be used is back; else there is none. What was there is beside it."""
    places, now_ms = _places(invocation), SystemClock().now_ms()
    path = places.config_file
    for kept in backups(path):
        text = kept.read_text("utf-8", "replace")
        if not _is_usable(text, invocation.home) or (path.exists() and text == path.read_text("utf-8", "replace")):
            continue
        aside = set_aside(path, now_ms) if path.exists() else None
        replace_private(path, text)
        words = f"{path} is again what it was: {kept.name}." + (f" What was there is {aside.name}." if aside else "")
        return _restored(kept.name, aside, words)
    if not path.exists():
        raise NotFoundError("nothing_to_restore", f"There is no {path}, and none was kept.", "secondme onboard")
    if _is_usable(path.read_text("utf-8", "replace"), invocation.home):
        raise NotFoundError("nothing_to_restore", f"{path} can be used, and no other one was kept.", "secondme config show")
    aside = set_aside(path, now_ms)
    return _restored(None, aside, f"No earlier file was kept: {aside.name} is what was there, and the defaults count now.")


def plan_settings(places: Places, changes: Mapping[str, str | Value | None], *, home: Path | None) -> Edit:
    """The edit that gives every setting in `changes` its value, checked as a whole. Raises ConfigError."""
    known = load({name: value for name, value in changes.items() if value is not None}, {}, home=home_of(home), config="")
    typed: dict[str, Value | None] = {
        name: None if value is None else _plain(value_of(known.settings, name)) for name, value in changes.items()
    }
    edit = plan(places.config_file, typed)
    load({}, {}, home=home_of(home), config=edit.after)
    return edit


def keep_secret(places: Places, name: str, value: str | None, *, home: Path | None, kept_in: str = "") -> str:
    """The secret is kept where `kept_in` says, else the setting `secrets`; returns the place in words. None: it is kept nowhere any more."""
    if value is not None:
        load({name: value}, {}, home=home_of(home), config="")
    ours = environment_name(name)
    if (kept_in or load({}, {}, home=home_of(home)).settings.secrets) == "keyring":
        from secondme.core.config.files import save_keyring

        save_keyring(places.config, {name: value})
        if set(names := (ours, *vendor_names(name))) & set(read_env_file(places.env_file)):
            save_env_file(places.env_file, dict.fromkeys(names, None))  # it would win
        return "the keyring"
    save_env_file(places.env_file, {**dict.fromkeys(vendor_names(name), None), ours: value})
    return str(places.env_file)


def show_diff(screen: Screen, edit: Edit) -> None:
    """The difference, as lines that were and lines that are."""
    for line in edit.diff:
        screen.line(f"  {line}", {"+": "good", "-": "bad"}.get(line[:1], "dim"))


def _known(name: str) -> None:
    if name not in set(known_names()) and not name.startswith("plugins."):
        near = nearest_name(name)
        raise ConfigError(
            "unknown_setting", f"There is no setting {name}.", f"Did you mean {near}?" if near else "secondme config show"
        )


def _places(invocation: Invocation) -> Places:
    return find_places(home_of(invocation.home))


def _typed(name: str) -> str:
    if sys.stdin.isatty():
        from secondme.cli.prompts import ask_line

        word = ask_line(f"{name} (hidden): ", secret=True)
    else:
        word = sys.stdin.readline(_MOST)
    if not word.strip():
        raise ConfigError("no_value", f"{name} needs a value.", f"secondme config set {name}")
    return word.strip()


def _is_usable(text: str, home: Path | None) -> bool:
    try:
        load({}, {}, home=home_of(home), config=text)
    except ConfigError:
        return False
    return True


def _plain(value: Any) -> Value:  # settings have many types
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second else "seconds")
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, bool | int | float) else str(value)


def _changed(verb: str, name: str, edit: Edit, invocation: Invocation) -> CommandResult:
    def show(screen: Screen) -> None:
        if not edit.is_change:
            screen.line(f"{name} has that value already.")
            return
        show_diff(screen, edit)
        screen.line(_LATER, "dim")

    source = _source(invocation, name)
    data = {"name": name, "file": str(edit.path), "changed": edit.is_change, "source": source}
    return CommandResult(data, show, schema=f"secondme.config.{verb}/1")


def _source(invocation: Invocation, name: str) -> str | None:
    """Where the setting comes from now: the environment may win over the file."""
    try:
        return invocation.setup().sources.get(name)
    except ConfigError:
        return None


def _said(verb: str, name: str, where: str) -> CommandResult:
    def show(screen: Screen) -> None:
        screen.line(f"{name} is kept in {where}." if verb == "set" else f"{name} is not in {where} any more.")
        screen.line(_LATER, "dim")

    return CommandResult({"name": name, "file": where, "changed": True, "source": where}, show, schema=f"secondme.config.{verb}/1")


def _restored(kept: str | None, aside: Path | None, words: str) -> CommandResult:
    return CommandResult({"restored": kept, "aside": str(aside) if aside else None}, lambda screen: screen.line(words))
