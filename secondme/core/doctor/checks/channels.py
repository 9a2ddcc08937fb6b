"""Checks of channels: linked, credentials taken by the platform, and something comes through.

The channel's own part is a look at its files and at its platform: `look` of its setup module.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from secondme.core.admit.control_store import ControlStore
from secondme.core.channel_manifest import Manifest, sentence_of
from secondme.core.config.loader import Setup, channel_settings
from secondme.core.doctor.check import (
    Check,
    DoctorContext,
    Finding,
    NotCheckedError,
    NotConfigured,
    Outcome,
    found,
    network_finding,
    verdict,
)
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.format import span
from secondme.core.http import NetworkConfigError
from secondme.core.messages import ChannelState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.gateway.status import ChannelFacts, SystemStatus

_GRACE_S = 30.0
"""A stalled channel is restarted by itself; only what stays so is worth saying. Signs come every five seconds."""
_SETTLE_S = 120.0
"""Connecting may take so long before it is worth a word."""


@dataclass(frozen=True, slots=True)
class ChannelProbe:
    """One channel, and what only its own package can tell. Both take the settings as they are."""

    manifest: Manifest
    is_set_up: Callable[[Setup], bool]
    look: Callable[[Setup, float], Awaitable[str]]
    """Which account it is, said by its files and its platform within so many seconds. Raises SecondmeError when something is wrong."""


def check_of(patient: ChannelProbe) -> Check:
    """The check of one channel."""

    async def look(subject: DoctorContext) -> Outcome:
        return await _look(subject, patient)

    title = patient.manifest.title
    return Check(patient.manifest.id, title, f"{title} is linked, connected, and heard from", look)


async def _look(subject: DoctorContext, patient: ChannelProbe) -> Outcome:
    if not patient.is_set_up(subject.setup):
        return NotConfigured()
    (account, problem), seen = await asyncio.gather(_asked(subject, patient), _seen(subject))
    manifest = patient.manifest
    unheard = None
    if manifest.takes_webhooks and _waits_for_calls(subject, manifest) and not subject.settings.webhooks.listen:
        unheard = found("channel-unheard", title=manifest.title)
    if seen is None:
        return verdict(problem, unheard, detail=f"{account}; whether it is connected is not known")
    if not seen.runs:
        return verdict(problem, unheard, detail=f"{account}; no gateway runs it")
    facts = next(each for each in seen.channels if each.id == manifest.id)
    told = await _standing(subject, manifest, facts)
    if problem is not None:  # the platform's own word says more than what the gateway made of it
        told = None
    return verdict(problem, unheard, told, detail=f"{account}; {_life(subject, facts)}")


async def _asked(subject: DoctorContext, patient: ChannelProbe) -> tuple[str, Finding | None]:
    title, name = patient.manifest.title, patient.manifest.id
    try:
        async with asyncio.timeout(subject.http_timeout_s):
            return await patient.look(subject.setup, subject.http_timeout_s), None
    except (UnavailableError, TimeoutError) as error:
        if (fault := network_finding(error)) is not None:
            return "", fault
        why = error.message if isinstance(error, UnavailableError) else "The platform does not answer."
        return "", found("channel-unreachable", title=title, check=name, why=why)
    except NetworkConfigError:
        raise
    except SecondmeError as error:
        words, fix = sentence_of(name, error.code)
        is_known = words != error.code.replace("_", " ")
        return "", _needs_you(title, words if is_known else error.message, fix or error.fix, name)


async def _seen(subject: DoctorContext) -> SystemStatus | None:
    try:
        return await subject.overview()
    except NotCheckedError:
        return None


async def _standing(subject: DoctorContext, manifest: Manifest, facts: ChannelFacts) -> Finding | None:
    """What is wrong with how the gateway says that it stands."""
    name, title = manifest.id, manifest.title
    words, fix = sentence_of(name, facts.code)
    now = subject.clock.now_ms()
    match facts.state:
        case ChannelState.NEEDS_OWNER:
            return _needs_you(title, words or "needs you.", fix, name)
        case ChannelState.STALLED:
            return found("channel-deaf", title=title, check=name, age=_age(now, facts.last_alive_ms))
        case ChannelState.CONNECTED if manifest.stalled_after_s is not None and facts.last_alive_ms:
            if now - facts.last_alive_ms > (manifest.stalled_after_s + _GRACE_S) * 1000:
                return found("channel-deaf", title=title, check=name, age=_age(now, facts.last_alive_ms))
        case ChannelState.WAITING:
            return _failing(facts, words, fix)
        case ChannelState.CONNECTING if facts.since_ms and now - facts.since_ms > _SETTLE_S * 1000:
            return _failing(facts, words, fix)
        case ChannelState.OFF if await _is_wanted(subject, name):
            return found("channel-not-running", title=title, check=name)
        case _:
            pass
    return None


async def _is_wanted(subject: DoctorContext, name: str) -> bool:
    """False when the owner disconnected it."""
    try:
        desired = (await ControlStore(await subject.store()).desired_states()).get(name)
    except SecondmeError:
        return False
    return desired is None or desired.on


def _needs_you(title: str, why: str, fix: str, name: str) -> Finding:
    return found("channel-needs-you", title=title, why=why, fix=fix or f"secondme channels connect {name}")


def _failing(facts: ChannelFacts, words: str, fix: str) -> Finding:
    finding = found("channel-failing", title=facts.title, state=facts.state, why=words, fix=fix or "secondme channels list")
    return replace(finding, what=finding.what.rstrip())


def _life(subject: DoctorContext, facts: ChannelFacts) -> str:
    now = subject.clock.now_ms()
    alive = f", last sign of life {_age(now, facts.last_alive_ms)} ago" if facts.last_alive_ms else ""
    heard = f", last message {_age(now, facts.last_received_ms)} ago" if facts.last_received_ms else ""
    return f"{facts.state if facts.state != ChannelState.OFF else 'disconnected by you'}{alive}{heard}"


def _age(now_ms: int, then_ms: int | None) -> str:
    return span(timedelta(milliseconds=now_ms - then_ms)) if then_ms else "some time"


def _waits_for_calls(subject: DoctorContext, manifest: Manifest) -> bool:
    """True when this channel only hears what its platform calls us with: always, or where the owner set a `webhook_url` for it."""
    return bool(channel_settings(subject.settings, manifest.id).get("webhook_url", True))
