"""Checks of the model and the personas: key, server, names of the models, how long they will be offered, and whether they write."""

from __future__ import annotations

import asyncio
import re
import shlex
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.admit.pairing_store import PairingStore
from secondme.core.clock import from_ms
from secondme.core.config.models import ModelSettings, PersonaSettings
from secondme.core.doctor.check import (
    Check,
    DoctorContext,
    Finding,
    NotCheckedError,
    NotConfigured,
    Ok,
    Outcome,
    found,
    in_thread,
    verdict,
)
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.files import table
from secondme.core.http import NetworkConfigError
from secondme.core.providers.messages_api import address
from secondme.core.reply.personas import Broken, PersonaLibrary
from secondme.core.reply.store import PersonaUse
from secondme.core.text import near

if TYPE_CHECKING:
    from collections.abc import Sequence


_NOTICE = timedelta(days=60)
"""How long before a model's end we say so: as long as the vendor's own notice."""
_VERSION = re.compile(r"(?:-latest|-0|-\d{8})")
"""What may follow a model's name and still be that model."""
_MOST_GONE = 20
_BUSY = frozenset({"model_rate_limited", "model_overloaded"})


async def model_key(subject: DoctorContext) -> Outcome:
    """The model's server takes the key."""
    model = subject.settings.model
    if model.api_key is None:
        return verdict(found("model-key-missing")) if await _is_needed(subject) else NotConfigured()
    offered, tried = await asyncio.gather(subject.models(), subject.tried(model.name), return_exceptions=True)
    if isinstance(offered, BaseException):
        return _key_trouble(offered)
    is_elsewhere = isinstance(tried, ConfigError) or getattr(tried, "code", "") == "model_timeout"  # of `model`, and of no haste
    if isinstance(tried, BaseException) and not is_elsewhere:
        return _key_trouble(tried)
    return Ok(f"Accepted by {address(model)}{f', which offers {len(offered)} models' if offered else ''}")


def _key_trouble(error: BaseException) -> Outcome:
    """What kept the server from answering, or from answering us."""
    match error:
        case NetworkConfigError():
            raise error
        case CredentialsError(code="model_no_credit"):
            return verdict(found("model-no-credit", why=error.message, todo=error.fix))
        case CredentialsError():
            return verdict(found("model-key-refused"))
        case ConfigError():
            return verdict(found("model-bad-url", why=error.message))
        case UnavailableError(code="proxy_unreachable"):
            raise NotCheckedError("the proxy does not answer")  # the check of the network reports it
        case UnavailableError(code="proxy_refuses" | "certificate_untrusted" as code):
            return verdict(found(code.replace("_", "-"), why=error.message, todo=error.fix))
        case UnavailableError():
            return verdict(found("model-busy" if error.code in _BUSY else "model-unreachable", why=error.message))
        case _:
            raise error


async def _is_needed(subject: DoctorContext) -> bool:
    """True when something runs that needs the key: without that, it is only not set up yet."""
    try:
        return any(process.part != "gateway" for process in (await subject.overview()).processes)
    except NotCheckedError:
        return False


async def model(subject: DoctorContext) -> Outcome:
    """The models of the settings are offered, and will be for a while."""
    settings = subject.settings.model
    if settings.api_key is None:
        return NotConfigured()
    today = from_ms(subject.clock.now_ms()).date()
    names = {"model.name": settings.name, "model.small": settings.small}
    ends = {setting: finding for setting, name in names.items() if (finding := _end(setting, name, today)) is not None}
    try:
        offered = await subject.models()
    except SecondmeError as error:
        if not ends:
            raise NotCheckedError("the model's server does not say what it offers") from error
        offered = ()
    unknown = [
        _unknown(setting, name, offered)
        for setting, name in names.items()
        if offered and setting not in ends and not is_offered(name, offered)
    ]
    named = {finding.what for finding in unknown}
    sound = [name for setting, name in names.items() if setting not in ends and not any(name in what for what in named)]
    tried = await asyncio.gather(*(subject.tried(name) for name in dict.fromkeys(sound)), return_exceptions=True)
    refused = [
        found("model-refused", why=error.message, todo=error.fix)
        for error in tried
        if isinstance(error, ConfigError) and not isinstance(error, NetworkConfigError)
    ]
    effort = _no_effort(subject) if False in tried else None
    return verdict(*ends.values(), *unknown, *refused, effort, detail=", ".join(names.values()))


def _no_effort(subject: DoctorContext) -> Finding:
    place = str(subject.places.config_file)
    can_be_written = subject.setup.sources.get("model.effort", "default") in {"default", place}
    return found("model-no-effort", subject=place if can_be_written else "", value=subject.settings.model.effort)


def is_offered(name: str, offered: Sequence[str]) -> bool:
    """True when the list has the name, or a dated version of what it stands for."""
    plain = name.removesuffix("-latest")
    return any(each in {name, plain} or (each.startswith(plain) and _VERSION.fullmatch(each[len(plain) :])) for each in offered)


def _unknown(setting: str, name: str, offered: Sequence[str]) -> Finding:
    return found("model-unknown", setting=setting, name=name, instead=next(iter(near(name, offered, cutoff=0.3)), offered[0]))


def _end(setting: str, name: str, today: date) -> Finding | None:
    end = retirement_of(name)
    if end is None or end - today > _NOTICE:
        return None
    instead = ModelSettings.model_fields[setting.removeprefix("model.")].default
    if end <= today:
        return found("model-retired", setting=setting, name=name, date=end, instead=instead)
    return found("model-retires-soon", setting=setting, name=name, date=end, days=(end - today).days, instead=instead)


def retirement_of(name: str) -> date | None:
    """The day from which the vendor refuses calls to this model, where it has named one."""
    for known, end in _retirements().items():
        if name == known or (name.startswith(known) and _VERSION.fullmatch(name[len(known) :])):
            return end
    return None


@cache
def _retirements() -> dict[str, date]:
    return {entry["name"]: entry["retired"] for entry in table("doctor", "retirements")["model"]}


CHECKS = (
    Check("model-key", "API key", "The model's server answers and takes the key", model_key),
    Check("model", "Models", "The models of the settings are offered, and will be for a while", model),
)


async def personas(subject: DoctorContext) -> Outcome:
    """Every persona file can be used, and the chosen one is there."""
    library = PersonaLibrary(subject.places.personas)
    try:
        broken, sound = await in_thread(lambda: (library.broken(), [each.id for each in library.all()]))
    except ConfigError as error:  # the directory itself cannot be read
        return verdict(found("persona-broken", why=error.message, name="default"))
    chosen = subject.settings.persona.file
    is_missing = chosen != PersonaSettings.model_fields["file"].default and not (subject.places.personas / chosen).is_file()
    missing = found("persona-missing", name=chosen) if is_missing else None
    gone = await _gone(subject, {*sound, *(each.id for each in broken)})
    if not (broken or sound or missing or gone):
        return NotConfigured("none of your own: a plain default speaks")
    return verdict(*map(_told, broken), missing, *gone, detail=", ".join(sound))


async def _gone(subject: DoctorContext, there: set[str]) -> list[Finding]:
    """Choices, for everybody, a relationship or a contact, that name a persona which is not there; none while no store is reached."""
    try:
        store = await subject.store()
        used = await PersonaUse(store).all()
        approved = (await PairingStore(store, subject.settings.pairing).listing()).approved
    except (NotCheckedError, SecondmeError):  # the check of the store says why
        return []
    chosen = {
        slot.partition(":")[2] or "everybody": (name, f" --relationship {slot.partition(':')[2]}" if ":" in slot else "")
        for slot, name in used.items()
    }
    for each in approved:
        if each.persona:
            chosen[each.contact_id] = each.persona, f" --contact {shlex.quote(each.contact_id)}"
    return [
        found("persona-gone", who=who, name=name, option=option) for who, (name, option) in chosen.items() if name not in there
    ][:_MOST_GONE]


def _told(broken: Broken) -> Finding:
    return found("persona-broken", why=broken.error.message, name=broken.id)


PERSONA_CHECKS = (
    Check("personas", "Personas", "Every persona file can be used, and every one that was chosen is there", personas),
)
