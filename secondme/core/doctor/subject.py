"""Who is looked at? One home, with what several checks need and only one of them has to fetch: the store, the overview, the models.

What cannot be had is reported by one check; for the others it is a reason not to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from secondme.core.admit.control_store import ControlStore
from secondme.core.admit.pairing_store import PairingStore
from secondme.core.config.loader import is_secret
from secondme.core.doctor.check import NotCheckedError, in_thread
from secondme.core.doctor.store import Reached, reach, server_facts
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.gateway.glance import GlanceStore
from secondme.core.gateway.status import overview
from secondme.core.providers.messages_api import list_models
from secondme.core.store.lock import is_held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import httpx

    from secondme.core.config.loader import Settings, Setup
    from secondme.core.config.paths import Places
    from secondme.core.doctor.kinds import Finding
    from secondme.core.doctor.store import ServerFacts
    from secondme.core.gateway.status import Overview
    from secondme.core.manifest import Manifest
    from secondme.core.ports import Clock
    from secondme.core.store.client import Store

_T = TypeVar("_T")
_STORE_SHARE, _HTTP_SHARE = 0.5, 0.7
"""Of a check's time: what is waited for ends before the check does, and says what was waited for."""
_MOST_BYTES = 256 * 1024
_CONFIG_COMMAND = re.compile(r"secondme config (?:set|unset) ([a-z_]+(?:\.[A-Za-z_.]+)?)")
NO_STORE = "the store does not answer"
_NO_WRITES = {
    "store_disk_full": "the store cannot write to its disk",
    "store_read_only": "the store is a replica",
    "store_out_of_memory": "the store is out of memory",
}
"""Some of what only looks writes a little on its way."""
NO_SETTINGS = "the settings cannot be used"
NO_GATEWAY = "no gateway runs"


class Subject:
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

    async def overview(self) -> Overview:
        """How things stand. Raises NotCheckedError."""
        store, settings = await self.store(), self.settings

        async def ask() -> Overview:
            pairing = PairingStore(store, settings.pairing)
            embedded, cap = settings.redis_url is None, settings.budget.daily_usd
            return await overview(
                ControlStore(store), pairing, self.channels, embedded=embedded, glance=GlanceStore(store), cap_usd=cap
            )

        return await self._answered(self._share("overview", ask))

    async def models(self) -> tuple[str, ...]:
        """What the model's server offers. Raises the SecondmeError that says why nobody knows."""
        model = self.settings.model
        return await self._share("models", lambda: list_models(model, self.timeout_s * _HTTP_SHARE))

    async def http(self, url: str) -> httpx.AsyncClient:
        """A client for servers like the one of `url`, bounded in time. Redirects are not followed."""
        is_plain = url.startswith("http://")

        async def make() -> httpx.AsyncClient:
            import httpx  # noqa: PLC0415  only who asks somebody pays

            # reading the authorities takes 40 ms, which nobody needs who speaks no TLS
            context = False if is_plain else await in_thread(httpx.create_ssl_context)
            client = httpx.AsyncClient(timeout=self.timeout_s * _HTTP_SHARE, verify=context)
            return await self._closing.enter_async_context(client)

        return await self._share("http" if is_plain else "https", make)

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
        return await self._closing.enter_async_context(reach(setup, self.timeout_s * _STORE_SHARE))

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


def why_unasked(error: SecondmeError) -> str:
    """Why the store does not say what it was asked; completes "not checked, because ..."."""
    return _NO_WRITES.get(error.code, NO_STORE)
