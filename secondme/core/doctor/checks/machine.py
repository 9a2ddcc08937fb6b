"""Checks of the machine: clocks that agree, the owner's night, Python, memory, and ways out to the network."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from secondme import __version__
from secondme.core.clock import to_ms
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
from secondme.core.doctor.checks.files import refused_log
from secondme.core.errors import ConfigError, CredentialsError, SecondmeError
from secondme.core.format import size
from secondme.core.http import ProxySettings, problems, unreachable_proxies
from secondme.core.providers.messages_api import address
from secondme.core.send.pacing import UNIVERSAL, machine_zone

if TYPE_CHECKING:
    from pathlib import Path


_MOST_S = 60


async def clock(subject: DoctorContext) -> Outcome:
    """This machine, a store elsewhere and the model's server agree about the time, to a minute."""
    settings = subject.settings
    store, model = await asyncio.gather(_of_store(subject), _of_model(subject))
    if store is None and model is None:
        if settings.redis_url is None and settings.model.api_key is None:
            return NotConfigured("nothing to compare this machine's clock with")
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


async def _of_store(subject: DoctorContext) -> int | None:
    """By how many ms this machine is ahead of a store elsewhere; None when it is here, or says nothing."""
    if subject.settings.redis_url is None:
        return None
    try:
        facts = await subject.server()
    except NotCheckedError:
        return None
    return subject.clock.now_ms() - facts.now_ms  # and the way there, which is far below a minute


async def _of_model(subject: DoctorContext) -> int | None:
    """By how many ms this machine is ahead of the model's server; None when there is none, or it says nothing."""
    import httpx  # noqa: PLC0415  only who has a model pays

    model = subject.settings.model
    if model.api_key is None:
        return None
    base = address(model)
    client = await subject.http(base)
    try:
        async with asyncio.timeout(subject.http_timeout_s):
            answer = await client.head(base)
        said = parsedate_to_datetime(answer.headers.get("date", ""))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError):
        return None
    return subject.clock.now_ms() - to_ms(said if said.tzinfo else said.replace(tzinfo=UTC))


async def network(subject: DoctorContext) -> Outcome:
    """What the environment says about proxies and certificates can be used."""
    broken: list[SecondmeError] = [*await in_thread(lambda: problems(subject.environ))]
    broken += await unreachable_proxies(subject.environ, subject.http_timeout_s)
    proxies = ProxySettings.of(subject.environ).by_scheme.values()
    named = ", ".join(dict.fromkeys(each.variable for each in proxies)) or "directly"
    return verdict(
        *(found(each.code.replace("_", "-"), why=each.message, todo=each.fix) for each in broken),
        detail=f"through {named}" if proxies else "no proxy is named",
    )


async def timezone(subject: DoctorContext) -> Outcome:
    """The owner sleeps by a zone that is theirs."""
    sleep = subject.settings.sleep
    if not sleep.enabled or sleep.start == sleep.end:
        return NotConfigured("sleep hours are off")
    if sleep.timezone:
        return Ok(sleep.timezone)
    if not subject.places.config.exists():
        return NotConfigured()
    zone = str(machine_zone())
    return verdict(found("timezone-unset") if zone in UNIVERSAL else None, detail=f"{zone}, this machine's")


CLOCK_CHECKS = (
    Check("clock", "Clock", "This machine's clock against the store's and the model's server", clock),
    Check("timezone", "Time zone", "Sleep hours are meant in the owner's zone", timezone),
)


MB = 1024 * 1024
_DISK_ERROR, _DISK_WARNING = 100 * MB, 1024 * MB
_FEW_INODES = 1000
_LITTLE_MEMORY = 200 * MB
_MUCH_OF_STORE = 0.9
_LARGE_LOGS = 500 * MB
"""Ours end at 6 + 30 files of 10 MB."""
_MOST_FILES = 10_000
_PYTHONS = ((3, 11), (3, 14))
"""From (included) to (excluded), as pyproject.toml says."""


async def disk(subject: DoctorContext) -> Outcome:
    """There is room for the data and the logs."""
    findings, details = [], {}
    for place in (subject.places.data, subject.places.logs):
        root = _existing(place)
        device, free, inodes = await in_thread(lambda root=root: _room(root))  # type: ignore[misc]  # bound at once
        if device in details:
            continue
        details[device] = f"{size(free)} free for {place}"
        largest = await in_thread(lambda place=place: _largest(place)) if free < _DISK_WARNING else ""  # type: ignore[misc]  # as above
        if free < _DISK_WARNING:
            kind = "disk-full" if free < _DISK_ERROR else "disk-low"
            findings.append(found(kind, path=place, free=size(free), largest=largest or "nothing"))
        if inodes is not None and inodes < _FEW_INODES:
            findings.append(found("inodes-low", path=place, free=inodes))
    return verdict(*findings, detail=", ".join(details.values()))


async def memory(subject: DoctorContext) -> Outcome:
    """This machine has memory left, and so has the store."""
    free = await in_thread(_available)
    ours = found("memory-low", free=size(free)) if free is not None and free < _LITTLE_MEMORY else None
    theirs, detail = None, f"{size(free)} available" if free is not None else ""
    try:
        facts = await subject.server()
    except NotCheckedError:
        if free is None:
            raise
    else:
        if not facts.is_all_known:
            return verdict(ours, detail=detail)
        used, most = facts.used_bytes, facts.most_bytes
        if most and used >= most:
            theirs = found("store-out-of-memory", used=size(used), most=size(most))
        elif most and used > most * _MUCH_OF_STORE:
            theirs = found("store-memory-high", used=size(used), most=size(most))
        detail += f"; the store uses {size(used)}"
    return verdict(ours, theirs, detail=detail.removeprefix("; "))


async def logs(subject: DoctorContext) -> Outcome:
    """What happens can be written down, and the logs stay small."""
    path = subject.places.logs
    refusal = await in_thread(lambda: refused_log(path))
    if not path.is_dir():
        return verdict(refusal, detail="nothing is written yet")
    total, largest = await in_thread(lambda: _held_by(path))
    too_large = found("logs-large", path=path, size=size(total), largest=largest) if total > _LARGE_LOGS else None
    return verdict(refusal, too_large, detail=size(total))


async def versions(subject: DoctorContext) -> Outcome:
    """This Python is supported, and what runs is what is installed."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    first, last = _PYTHONS
    findings: list[Finding] = []
    if not first <= sys.version_info[:2] < last:
        findings.append(found("python-unsupported", version=python))
    try:
        running = (await subject.overview()).processes
    except NotCheckedError:
        running = []
    findings += [
        found("gateway-outdated", running=process.version, pid=process.pid, installed=__version__)
        for process in running
        if process.version and process.version != __version__
    ]
    return verdict(*findings, detail=f"secondme {__version__}, Python {python}")


async def extras(subject: DoctorContext) -> Outcome:
    """The keyring can be used, where the owner chose it."""
    error = subject.error
    if error is not None and error.code in {"no_keyring", "keyring_locked"}:
        return verdict(found("keyring-unusable", why=error.message))
    if subject.settings.secrets != "keyring":
        return NotConfigured("no extra is needed")
    from secondme.core.config.files import read_keyring  # noqa: PLC0415  an extra, and slow

    try:
        await in_thread(lambda: read_keyring(subject.places.config))
    except (ConfigError, CredentialsError) as problem:
        return verdict(found("keyring-unusable", why=problem.message))
    return Ok("keyring")


def _existing(path: Path) -> Path:
    """`path`, or the nearest directory above it that is there."""
    return next(each for each in (path, *path.parents) if each.is_dir())


def _room(path: Path) -> tuple[int, int, int | None]:
    """Device, bytes and inodes that we may still use; None where a file system does not count them."""
    facts = os.statvfs(path)
    return path.stat().st_dev, facts.f_bavail * facts.f_frsize, facts.f_favail if facts.f_files else None


def _largest(path: Path) -> str:
    return _held_by(path)[1]


def _held_by(path: Path) -> tuple[int, str]:
    """How much the files below `path` take up on the disk, and which takes the most. Looks at 10,000 files at most."""
    total, most, name, left = 0, 0, "", _MOST_FILES
    for folder, _, files in os.walk(path):
        for each in files[:left]:
            try:
                used = os.lstat(os.path.join(folder, each)).st_blocks * 512  # noqa: PTH118  ten thousand of them
            except OSError:
                continue
            total += used
            if used > most:
                most, name = used, os.path.join(folder, each)  # noqa: PTH118
        left -= len(files)
        if left <= 0:
            break
    return total, f"{name} ({size(most)})" if name else ""


def _available() -> int | None:
    """Memory that a new program could have, in bytes; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:  # noqa: PTH123  not a file of ours
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


NETWORK_CHECKS = (Check("network", "Network", "Proxies and certificates that the environment names can be used", network),)

CHECKS = (
    Check("disk", "Disk", "Free space and inodes for the data and the logs", disk),
    Check("memory", "Memory", "Memory of this machine and of the store's server", memory),
    Check("logs", "Logs", "Whether the log can be written, and how much its directory holds", logs),
    Check("versions", "Versions", "Python, and whether what runs is what is installed", versions),
    Check("extras", "Extras", "Optional packages that a setting asks for", extras),
)
