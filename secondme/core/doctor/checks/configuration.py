"""Checks of the settings: readable, and every one known. Each wrong one is named, not only the first."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from secondme.core.config.files import read_env_file
from secondme.core.config.loader import annotation_of, known_names, nearest_name
from secondme.core.config.models import Section
from secondme.core.doctor.check import Check, DoctorContext, Finding, NotCheckedError, Ok, Outcome, found, in_thread, verdict
from secondme.core.errors import ConfigError
from secondme.core.text import plain_text
from secondme.core.validation import complaint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


_PREFIX = "SECONDME_"
_MOST = 20


async def config(subject: DoctorContext) -> Outcome:
    """Every setting is known and has a value it can have."""
    error, path = subject.error, subject.places.config_file
    if error is None:
        chosen = sum(1 for source in subject.setup.sources.values() if source != "default")
        return Ok(f"{path}, {chosen} settings chosen" if path.exists() else f"no config.toml, {chosen} settings chosen elsewhere")
    quoted = shlex.quote(str(path))
    match error.code:
        case "malformed_config":
            return verdict(found("config-malformed", path=path, why=error.message.rpartition("TOML: ")[2].rstrip(".")))
        case "unreadable_config":
            return verdict(found("config-unreadable", path=path, quoted=quoted, why=error.message.rpartition(": ")[2].rstrip(".")))
        case "open_credentials":
            raise NotCheckedError("a file of secrets can be read by others, and is not used")
        case "unreadable_credentials":
            kept = subject.places.credentials
            return verdict(found("credentials-unreadable", path=kept, quoted=shlex.quote(str(kept))))
        case "no_keyring" | "keyring_locked":
            raise NotCheckedError("the keyring cannot be used")
        case _:
            pass
    wrong = await in_thread(lambda: list(_wrong(subject)))
    return verdict(*(wrong[:_MOST] or [found("config-broken", why=error.message, fix=error.fix or "secondme config show")]))


def _wrong(subject: DoctorContext) -> Iterator[Finding]:
    """A finding for each setting, wherever it is written, that is unknown or has a value it cannot have."""
    places, known = subject.places, frozenset(known_names())
    for name, value in _written(places.config_file).items():
        yield from _look(known, name, value, str(places.config_file), "")
    said = subject.error.message if subject.error else ""
    for place, variables in ((places.env_file, _kept(places.env_file)), (None, subject.environ)):
        for variable, value in variables.items():
            name = variable.removeprefix(_PREFIX).lower().replace("__", ".")
            # some names of ours stand for no setting; an unknown one counts when it was complained about
            if variable.startswith(_PREFIX) and (name in known or f"There is no setting {name} " in said):
                fix = f"unset {variable}" if place is None else f"Take {variable} out of {place}."
                yield from _look(known, name, value, str(place or variable), fix)


def _look(known: frozenset[str], name: str, value: Any, source: str, fix: str) -> Iterator[Finding]:  # whatever TOML holds
    if name.startswith("plugins."):
        return
    finding = None
    if name not in known:
        near = nearest_name(name)
        finding = found("config-unknown-key", name=name, source=source, near=f" Did you mean {near}?" if near else "")
    elif why := _misfit(name, value):
        finding = found("config-bad-value", name=name, source=source, why=why)
    if finding is not None:
        yield replace(finding, fix=fix or finding.fix)


def _misfit(name: str, value: Any) -> str:  # as above
    """Why the setting cannot have this value; empty when it can. Says nothing of the value itself, which may be a secret."""
    section, _, leaf = name.rpartition(".")
    annotation = annotation_of(section or name)
    try:
        if section and isinstance(annotation, type) and issubclass(annotation, Section):
            annotation.model_validate({leaf: value})
        else:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            adapter.validate_python(value)
    except ValidationError as error:
        return complaint("it", error.errors(include_input=False, include_url=False)[0]).removeprefix("it: ")
    return ""


def _written(path: Path) -> dict[str, Any]:
    try:
        return dict(_flat(tomllib.loads(plain_text(path.read_bytes()))))
    except (OSError, ValueError, RecursionError):
        return {}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _kept(path: Path) -> dict[str, str]:
    try:
        return read_env_file(path, even_open=True)
    except ConfigError:
        return {}


CHECKS = (Check("config", "Configuration", "config.toml, .env and the environment: readable, known, within limits", config),)
