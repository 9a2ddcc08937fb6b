"""Checks of the gateway and its API."""

from __future__ import annotations

import contextlib
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from secondme.core.admit.control_store import ControlStore
from secondme.core.channel_manifest import manifests
from secondme.core.clock import from_ms
from secondme.core.doctor.check import (
    NO_GATEWAY,
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
from secondme.core.doctor.store import holders, lock_record
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.gateway.channel_leases import identity_of
from secondme.core.gateway.channel_supervisor import told_of_holder
from secondme.core.http import make_local_client
from secondme.core.text import safe_name, safe_text
from secondme.core.tokens import NamedTokens

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from secondme.core.gateway.status import SystemStatus

_OK, _UNAVAILABLE = 200, 503
_ALONE, _GATEWAYS = {"gateway"}, {"all", "gateway"}
_LATER_MS = 1000
"""A file that was changed in the second of the start was read."""
_SOON = timedelta(days=7)
_START_S = 15.0
"""A gateway takes messages first, and loads the web server then."""


async def gateway(subject: DoctorContext) -> Outcome:
    """A gateway gives signs of life, and somebody composes answers.

    In a home where none ever ran this is the next step of setting up, and no finding: the wizard may have ended a moment ago. Its lock
    file is made by the first start and never removed; with it, or with a service, a gateway that does not run is one that stopped.
    """
    is_here, has_run = subject.gateway_is_here, subject.places.gateway_lock.exists()
    has_service = await in_thread(subject.has_service)
    try:
        seen = await subject.overview()
    except NotCheckedError:
        if is_here:
            raise
        seen = None
    if seen is not None and seen.runs:
        stale, elsewhere = (_stale(subject, seen), await _served_elsewhere(subject)) if is_here else (None, None)
        return verdict(None if _has_worker(seen) else found("no-worker"), stale, elsewhere, detail=_told(seen))
    if is_here:
        if seen is not None and (await subject.server()).refuses:
            raise NotCheckedError("the store cannot write, so no gateway can give a sign of life")
        pid = await in_thread(lambda: _holder(subject))
        return verdict(found("gateway-elsewhere" if await _answers_elsewhere(subject) else "gateway-silent", pid=pid))
    if has_service:
        return verdict(found("gateway-stopped-service"))
    if has_run or (seen is not None and seen.processes):
        return verdict(found("gateway-down"))
    return NotConfigured("never started here: secondme serve")


async def _answers_elsewhere(subject: DoctorContext) -> bool:
    """True when the gateway whose lock is held answers, and does not live on the store that we look at; false when it says nothing.

    Raises NotCheckedError for one that is between two signs of life: when its store could not be written to for a while, the last one
    is long ago, and nothing is wrong with it.
    """
    status, said = await _ask(subject, subject.places.api_socket, "/api/status") if subject.settings.api.enabled else (0, {})
    its_own = said.get("processes") if status == _OK else None
    if its_own == [] or any(sign.get("part") in _GATEWAYS for sign in await ControlStore(await subject.store()).alive()):
        raise NotCheckedError("the gateway has not given a sign of life yet; look again in five seconds")
    return bool(status)


async def _served_elsewhere(subject: DoctorContext) -> Finding | None:
    """A channel of this store that the gateway of another home serves, while ours runs too."""
    leases = await ControlStore(await subject.store()).leases([manifest.id for manifest in manifests()])
    ours = identity_of(subject.places.data)
    for channel, holder in leases.items():
        if holder.get("holder") != ours:
            return found("channel-elsewhere", channel=safe_name(channel), served=safe_text(told_of_holder(holder)))
    return None


def _stale(subject: DoctorContext, seen: SystemStatus) -> Finding | None:
    """The gateway of this home read its settings before the newest change of them."""
    ours = [process for process in seen.processes if process.is_gateway and process.host == socket.gethostname()]
    if not ours:
        return None
    newest = max(ours, key=lambda process: process.started_ms)
    for path in (subject.places.config_file, subject.places.env_file):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime * 1000 > newest.settings_ms + _LATER_MS:
                return found("gateway-stale", pid=newest.pid, file=path)
    return None


def _has_worker(seen: SystemStatus) -> bool:
    return any(process.part not in _ALONE for process in seen.processes)


def _told(seen: SystemStatus) -> str:
    return ", ".join(f"{process.part} runs (pid {process.pid})" for process in seen.processes)


def _holder(subject: DoctorContext) -> int:
    lock = subject.places.gateway_lock
    holding = holders(lock)
    recorded, _ = lock_record(lock)
    return recorded if recorded in holding or not holding else holding[0]


async def api(subject: DoctorContext) -> Outcome:
    """The gateway of this home answers on its socket."""
    if not subject.settings.api.enabled:
        return NotConfigured("switched off: api.enabled")
    if not subject.gateway_is_here:
        raise NotCheckedError(NO_GATEWAY)
    started = [process.started_ms for process in (await subject.overview()).processes if process.is_gateway]
    if not started:
        raise NotCheckedError("the gateway gives no sign of life")
    if subject.clock.now_ms() - max(started) < _START_S * 1000:
        raise NotCheckedError("the gateway has just started")
    path = subject.places.api_socket
    status, said = await _ask(subject, path)
    if status == _OK:
        return Ok(f"answers on {path}")
    if status == _UNAVAILABLE and said:
        return verdict(found("api-unavailable", store=said.get("store", "?"), gateway=said.get("gateway", "?")))
    return verdict(found("api-not-answering", path=path))


async def tokens(subject: DoctorContext) -> Outcome:
    """What is accepted over TCP may do no more than it must, and does not end unnoticed."""
    settings, named = subject.settings.api, NamedTokens(subject.places.api_tokens)
    try:
        every = await in_thread(named.all)
    except ConfigError:
        return verdict(found("api-tokens-unusable", path=named.path))
    if not (settings.enabled and settings.listen):
        return NotConfigured("the API does not listen on TCP")
    now = from_ms(subject.clock.now_ms())
    soon = [each for each in every if each.expires_at - now < _SOON]
    ends = [found("api-token-ends", subject=each.name, name=each.name, ends=_ends(each.expires_at, now)) for each in soon]
    whole = found("api-whole-token", listen=settings.listen) if settings.whole_token else None
    return verdict(whole, *ends, detail=f"{len(every)} named tokens")


def _ends(moment: datetime, now: datetime) -> str:
    return "has ended" if moment <= now else f"ends on {moment:%Y-%m-%d} (UTC)"


async def _ask(subject: DoctorContext, path: Path, what: str = "/health") -> tuple[int, dict[str, Any]]:
    """Status and JSON of a route that takes no token on the socket; (0, {}) without an answer."""
    try:
        async with make_local_client(path) as client:
            try:
                status, said = await subject.fetch(client, what)
            except UnavailableError:  # the first call of its life takes it longer: what answers is imported for it
                status, said = await subject.fetch(client, what)
    except UnavailableError:
        return 0, {}
    return status, said if isinstance(said, dict) else {}


CHECKS = (
    Check("gateway", "Gateway", "A gateway runs and somebody composes answers", gateway),
    Check("api", "API", "The gateway's HTTP API answers on its socket", api),
    Check("tokens", "API tokens", "What is accepted over TCP may do no more than it must", tokens),
)
