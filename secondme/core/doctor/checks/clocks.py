"""Do the clocks agree, and is the owner's night where they sleep?"""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from secondme.core.clock import to_ms
from secondme.core.doctor.check import Check, NotCheckedError, NotSetUp, Well, verdict
from secondme.core.doctor.kinds import found
from secondme.core.providers.messages_api import OFFICIAL
from secondme.core.send.pacing import machine_zone

if TYPE_CHECKING:
    from secondme.core.doctor.check import Outcome
    from secondme.core.doctor.kinds import Finding
    from secondme.core.doctor.subject import Subject

_MOST_S = 60


async def clock(subject: Subject) -> Outcome:
    """This machine, a store elsewhere and the model's server agree about the time, to a minute."""
    settings = subject.settings
    store, model = await asyncio.gather(_of_store(subject), _of_model(subject))
    if store is None and model is None:
        if settings.redis_url is None and settings.model.api_key is None:
            return NotSetUp("nothing to compare this machine's clock with")
        raise NotCheckedError("nobody else's clock can be read")
    apart = {whose: ms for whose, ms in (("the store's server", store), ("the model's server", model)) if ms is not None}
    largest = max(abs(ms) for ms in apart.values()) // 1000
    return verdict(
        *(_skewed(whose, ms) for whose, ms in apart.items()), detail=f"within {max(1, largest)} s of {' and '.join(apart)}"
    )


def _skewed(whose: str, ahead_ms: int) -> Finding | None:
    seconds = abs(ahead_ms) // 1000
    if seconds <= _MOST_S:
        return None
    return found("clock-skew", whose=whose, seconds=seconds, direction="ahead of" if ahead_ms > 0 else "behind")


async def _of_store(subject: Subject) -> int | None:
    """By how many ms this machine is ahead of a store elsewhere; None when it is here, or says nothing."""
    if subject.settings.redis_url is None:
        return None
    try:
        facts = await subject.server()
    except NotCheckedError:
        return None
    return subject.clock.now_ms() - facts.now_ms  # and the way there, which is far below a minute


async def _of_model(subject: Subject) -> int | None:
    """By how many ms this machine is ahead of the model's server; None when there is none, or it says nothing."""
    import httpx  # noqa: PLC0415  only who has a model pays

    model = subject.settings.model
    if model.api_key is None:
        return None
    base = (model.base_url or OFFICIAL).rstrip("/")
    client = await subject.http(base)
    try:
        async with asyncio.timeout(subject.http_timeout_s):
            answer = await client.head(base)
        said = parsedate_to_datetime(answer.headers.get("date", ""))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError):
        return None
    return subject.clock.now_ms() - to_ms(said if said.tzinfo else said.replace(tzinfo=UTC))


async def timezone(subject: Subject) -> Outcome:
    """The owner sleeps by a zone that is theirs."""
    sleep = subject.settings.sleep
    if not sleep.enabled or sleep.start == sleep.end:
        return NotSetUp("sleep hours are off")
    if sleep.timezone:
        return Well(sleep.timezone)
    if not subject.places.config.exists():
        return NotSetUp()
    zone = str(machine_zone())
    return verdict(found("timezone-unset") if zone in _UNIVERSAL else None, detail=f"{zone}, this machine's")


_UNIVERSAL = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "UCT", "Etc/Universal", "Universal", "Zulu", "Etc/Zulu", "Etc/GMT", "GMT"})

CHECKS = (
    Check("clock", "Clock", "This machine's clock against the store's and the model's server", clock),
    Check("timezone", "Time zone", "Sleep hours are meant in the owner's zone", timezone),
)
