"""What checks are made of: kinds of findings (`lists/findings.toml`), outcomes, the home that is looked at, and a runner that lets none hold up another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
import traceback
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from secondme.core.admit.control_store import ControlStore
from secondme.core.admit.pairing_store import PairingStore
from secondme.core.config.loader import Settings, Setup, is_secret
from secondme.core.doctor.store import Reached, ServerFacts, reach, server_facts
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.files import is_held, table
from secondme.core.gateway.status import SystemStatus, overview
from secondme.core.gateway.store import ActivityStore
from secondme.core.http import NetworkConfigError, network_fault, open_client, proxy_of
from secondme.core.providers.messages_api import list_models, try_model
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import httpx

    from secondme.core.channel_manifest import Manifest
    from secondme.core.config.paths import Places
    from secondme.core.ports import Clock
    from secondme.core.store.client import Store


_LONGEST_FACT = 300


class FindingSeverity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Something does not work, or somebody can read what is private."""
    WARNING = "warning"
    """It works, and somebody should look."""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of finding. `what` and `fix` have places for facts in braces."""

    id: str
    check: str
    """The check that finds it; `*`: any, `channels`: each channel's."""
    severity: FindingSeverity
    what: str
    fix: str
    means: str
    """What it means and why it matters, for the documentation."""
    can_fix: bool = False
    """True when `secondme doctor --fix` mends it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong here. `fix` is a command to type, or one sentence; `subject` is the file that `--fix` mends."""

    id: str
    severity: FindingSeverity
    what: str
    fix: str
    can_fix: bool
    subject: str = ""

    def to_dict(self) -> dict[str, str | bool]:
        """As JSON values."""
        return {"id": self.id, "severity": self.severity.value, "what": self.what, "fix": self.fix, "canFix": self.can_fix}


@cache
def kinds() -> dict[str, FindingKind]:
    """Every kind of finding, by id, in the order of the file."""
    return {
        identity: FindingKind(id=identity, **{**entry, "severity": FindingSeverity(entry["severity"])})
        for identity, entry in table("doctor", "findings").items()
    }


class _Fact(str):
    """A fact in its place; `{count:job is|jobs are}` is the number with the words for one, or for more."""

    __slots__ = ()

    def __format__(self, words: str) -> str:
        """As the place asks for it."""
        one, bar, more = words.partition("|")
        return f"{self} {one if self == '1' else more}" if bar else str(self)


def found(identity: str, *, subject: str = "", **facts: object) -> Finding:
    """The finding of this kind, with its facts in the places for them. Raises KeyError for a kind or a place that nobody filled."""
    kind = kinds()[identity]
    shown = {name: _Fact(safe_text(str(fact)).replace("\n", " ")[:_LONGEST_FACT]) for name, fact in facts.items()}
    return Finding(identity, kind.severity, kind.what.format_map(shown), kind.fix.format_map(shown), kind.can_fix, subject)


_T = TypeVar("_T")
_LONGEST_DETAIL = 200

Status = Literal["ok", "not_set_up", "not_checked", "warning", "error"]


class NotCheckedError(Exception):
    """A check cannot look, for a reason that another check reports. `reason` completes "not checked, because ..."."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Ok:
    """All is well; `detail` says what was seen."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class NotConfigured:
    """The owner does not use it, or not yet. Never an error."""

    detail: str = "not set up"


@dataclass(frozen=True, slots=True)
class Failed:
    """Something is wrong."""

    findings: tuple[Finding, ...]


Outcome = Ok | NotConfigured | Failed


@dataclass(frozen=True, slots=True)
class Check:
    """Something that can be looked at on its own."""

    id: str
    """What a person types after `secondme doctor`."""
    title: str
    looks_at: str
    look: Callable[[DoctorContext], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What one check came to."""

    check: Check
    status: Status
    detail: str = ""
    findings: tuple[Finding, ...] = ()


def verdict(*findings: Finding | None, detail: str = "") -> Outcome:
    """What these findings come to; without any, all is well."""
    real = tuple(finding for finding in findings if finding is not None)
    return Failed(real) if real else Ok(detail)


async def run_checks(checks: Sequence[Check], subject: DoctorContext, timeout_s: float) -> list[CheckReport]:
    """What every check came to, in their order. They run at the same time, each for `timeout_s` at most. Never raises."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(_run(check, subject, timeout_s)) for check in checks]
    return [task.result() for task in running]


async def in_thread(work: Callable[[], _T]) -> _T:
    """What `work` returned. A thread that hangs (a network drive that is gone) is left behind: it keeps the process from nothing."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  raised again where it is awaited
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return await done


async def _run(check: Check, subject: DoctorContext, timeout_s: float) -> CheckReport:
    try:
        async with asyncio.timeout(timeout_s):
            outcome = await check.look(subject)
    except NotCheckedError as error:
        return CheckReport(check, "not_checked", error.reason)
    except NetworkConfigError as error:  # the check of the network reports it
        return CheckReport(check, "not_checked", f"{error.variable} cannot be used")
    except TimeoutError:
        return _unwell(check, (found("check-timed-out", title=check.title, check=check.id, seconds=f"{timeout_s:g}"),))
    except Exception as error:  # noqa: BLE001  one check's bug must not hide what the others see
        return _unwell(check, (found("check-crashed", title=check.title, check=check.id, where=_where(error)),))
    match outcome:
        case Ok(detail):
            return CheckReport(check, "ok", safe_text(detail)[:_LONGEST_DETAIL])
        case NotConfigured(detail):
            return CheckReport(check, "not_set_up", safe_text(detail)[:_LONGEST_DETAIL])
        case Failed(findings):
            return _unwell(check, tuple(subject.at_home(finding) for finding in findings))


def _unwell(check: Check, findings: tuple[Finding, ...]) -> CheckReport:
    is_error = any(finding.severity is FindingSeverity.ERROR for finding in findings)
    return CheckReport(check, "error" if is_error else "warning", "", findings)


def _where(error: BaseException) -> str:
    """Its type and where it was raised. Its text may quote a person or a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"


_STORE_SHARE, _HTTP_SHARE = 0.5, 0.7
"""Of a check's time: what is waited for ends before the check does, and says what was waited for."""
_MOST_BYTES = 256 * 1024
_CONFIG_COMMAND = re.compile(r"secondme config (?:set|unset) ([a-z_]+(?:\.[A-Za-z_.]+)?)")
NO_STORE = "the store does not answer"
_NO_WRITES = {
    "store_disk_full": "the store cannot write to its disk",
    "store_read_only": "the store is a replica",
    "store_out_of_memory": "the store is out of memory",
    "store_forbidden": "the store's user lacks a right",
}
"""Some of what only looks writes a little on its way."""
NO_SETTINGS = "the settings cannot be used"
NO_GATEWAY = "no gateway runs"


class DoctorContext:
    """One home as it is now. `setup` is None when the settings cannot be used; `error` says why."""

    def __init__(
        self,
        places: Places,
        setup: Setup | SecondmeError,
        channels: Sequence[Manifest],
        clock: Clock,
        *,
        timeout_s: float,
        environ: Mapping[str, str],
        has_service: Callable[[], bool],
    ) -> None:
        self.places = places
        self.channels = channels
        self.clock = clock
        self.timeout_s = timeout_s
        self.environ = environ
        self.has_service = has_service
        self._setup = setup
        self._shared: dict[str, asyncio.Task[Any]] = {}
        self._closing = contextlib.AsyncExitStack()

    @property
    def error(self) -> SecondmeError | None:
        """Why the settings cannot be used; None when they can."""
        return self._setup if isinstance(self._setup, SecondmeError) else None

    @property
    def setup(self) -> Setup:
        """The settings. Raises NotCheckedError when they cannot be used."""
        if isinstance(self._setup, SecondmeError):
            raise NotCheckedError(NO_SETTINGS)
        return self._setup

    @property
    def settings(self) -> Settings:
        """As `setup`."""
        return self.setup.settings

    @property
    def gateway_is_here(self) -> bool:
        """True while a process of this machine holds the lock of this home's gateway."""
        return is_held(self.places.gateway_lock)

    async def reached(self) -> Reached:
        """How the store is reached. Raises the SecondmeError that says why it is not: for the check of the store itself."""
        setup = self.setup
        return await self._share("store", lambda: self._reach(setup))

    async def store(self) -> Store:
        """The connected store. Raises NotCheckedError when there is none: the check `store` says why."""
        try:
            found = await self.reached()
        except SecondmeError as error:
            raise NotCheckedError(NO_STORE) from error
        if found.store is None:
            raise NotCheckedError("nothing is stored yet" if found.way == "empty" else "the store's server does not run")
        return found.store

    async def server(self) -> ServerFacts:
        """What the store's server says of itself. Raises NotCheckedError."""
        store = await self.store()
        return await self._answered(self._share("server", lambda: server_facts(store)))

    async def overview(self) -> SystemStatus:
        """How things stand. Raises NotCheckedError."""
        store, settings = await self.store(), self.settings

        async def ask() -> SystemStatus:
            pairing = PairingStore(store, settings.pairing)
            embedded, cap = settings.redis_url is None, settings.budget.daily_usd
            return await overview(
                ControlStore(store), pairing, self.channels, embedded=embedded, glance=ActivityStore(store), cap_usd=cap
            )

        return await self._answered(self._share("overview", ask))

    async def models(self) -> tuple[str, ...]:
        """What the model's server offers. Raises the SecondmeError that says why nobody knows."""
        model = self.settings.model
        return await self._share("models", lambda: list_models(model, self.timeout_s * _HTTP_SHARE))

    async def tried(self, name: str) -> bool:
        """The model wrote a word; false when it knows no effort. Raises the SecondmeError that says why it did not."""
        model = self.settings.model
        return await self._share(f"model {name}", lambda: try_model(model, name, self.timeout_s * _HTTP_SHARE))

    async def http(self, url: str) -> httpx.AsyncClient:
        """A client for servers like the one of `url`, bounded in time. Redirects are not followed. Raises NetworkConfigError."""

        async def make() -> httpx.AsyncClient:
            client = await open_client(url, timeout=self.timeout_s * _HTTP_SHARE)
            return await self._closing.enter_async_context(client)

        proxy_of(url)  # what was made for another address may not do for this one
        return await self._share("http" if url.startswith("http://") else "https", make)

    async def fetch(self, client: httpx.AsyncClient, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON of a GET; None for what is no JSON, or too much of it. Raises UnavailableError when nothing answers in time."""
        import httpx  # noqa: PLC0415  loaded with the client

        body = b""
        try:
            async with asyncio.timeout(self.http_timeout_s / 2), client.stream("GET", url, headers=dict(headers or {})) as answer:
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, UnicodeError) as error:
            raise UnavailableError("not_answering", "Nothing answers.") from error
        try:
            return answer.status_code, json.loads(body)
        except (ValueError, RecursionError):
            return answer.status_code, None

    @property
    def http_timeout_s(self) -> float:
        """How long an answer over HTTP may take, all of it."""
        return self.timeout_s * _HTTP_SHARE

    @property
    def store_timeout_s(self) -> float:
        """How long the store may be waited for, or read."""
        return self.timeout_s * _STORE_SHARE

    def at_home(self, finding: Finding) -> Finding:
        """The finding with a fix that works here: what the environment sets, no file can change."""
        named = _CONFIG_COMMAND.search(finding.fix)
        if named is None or isinstance(self._setup, SecondmeError):
            return finding
        source = self._setup.sources.get(named[1], "default")
        if source == "flag":
            return replace(finding, fix=f"Leave out --set {named[1]}=..., or give it another value.")
        if source.isupper():  # the name of a variable; files are paths
            instead = f"change or remove {source} where secondme is started from."
        elif source == str(self.places.env_file) and not is_secret(named[1]):
            instead = f"change or remove {named[1]} in {source}, which wins over config.toml."
        else:
            return finding
        before = finding.fix[: named.start()]
        return replace(finding, fix=before + instead if before else instead[0].upper() + instead[1:])

    async def close(self) -> None:
        """Nothing of ours runs or is connected any more. Repeatable."""
        for task in self._shared.values():
            task.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)
        with contextlib.suppress(OSError, SecondmeError):
            await self._closing.aclose()

    async def _reach(self, setup: Setup) -> Reached:
        return await self._closing.enter_async_context(reach(setup, self.store_timeout_s))

    async def _share(self, name: str, make: Callable[[], Awaitable[_T]]) -> _T:
        """What `make` came to, made once. Whoever's time ends leaves the others waiting for it."""
        if name not in self._shared:
            self._shared[name] = asyncio.ensure_future(make())
        found: _T = await asyncio.shield(self._shared[name])
        return found

    async def _answered(self, answer: Awaitable[_T]) -> _T:
        try:
            return await answer
        except SecondmeError as error:
            raise NotCheckedError(why_unasked(error)) from error


def network_finding(error: BaseException) -> Finding | None:
    """What is wrong with the way to a server, where a proxy or a certificate is; None for any other cause. Raises NotCheckedError for what the
    check of the network reports."""
    fault = network_fault(error)
    if fault is None:
        return None
    if fault.code == "proxy_unreachable":
        raise NotCheckedError("the proxy does not answer")
    return found(fault.code.replace("_", "-"), why=fault.message, todo=fault.fix)


def why_unasked(error: SecondmeError) -> str:
    """Why the store does not say what it was asked; completes "not checked, because ..."."""
    return _NO_WRITES.get(error.code, NO_STORE)
