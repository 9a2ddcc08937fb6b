"""The store's client: one `Store` per process. It finds or starts the server, runs scripts, and turns the library's errors into
ours. Every call is bounded by `store.timeout_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError

from secondme.core.errors import DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.store import key_types, keys
from secondme.core.store.address import parse_address
from secondme.core.store.connections import EnsuredConnection, cluster_of, pool_to, words_of
from secondme.core.store.failures import FIX_STORE, explain
from secondme.core.store.namespace import Namespace
from secondme.core.store.scripts import NEVER_IN_THE_WAY, Answer, script
from secondme.core.store.server import LINGER_S, EmbeddedServer, Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
    from types import TracebackType

    from redis.asyncio.client import Pipeline

    from secondme.core.config.loader import Setup

_SLOTS = 48
"""Commands on their way at once; more callers than that wait."""
_MOST_CONNECTIONS = 512
"""Never reached by commands (see above); subscriptions have one each."""


class Store:
    """A connection to the one engine. Use as an async context manager; safe to share between tasks of one loop."""

    def __init__(self, setup: Setup, role: Role, *, waits: bool = False) -> None:
        """`waits`: entering does not connect, each use does."""
        settings = setup.settings
        self._waits = waits
        self._timeout_s = settings.store.timeout_s
        self._address = parse_address(settings.redis_url.get_secret_value()) if settings.redis_url else None
        self.namespace = Namespace(settings.redis_namespace if self._address else "")
        """Of a server that homes share; the private one has one home."""
        self._cluster = cluster_of(self._address, self.namespace) if self._address else None
        self._role = role
        self.server: EmbeddedServer | None = None
        if self._address is None:
            self.server = EmbeddedServer(
                setup.places.store,
                setup.places.store_socket,
                role=role,
                binary=settings.store.server,
                fsync=settings.store.fsync,
            )
        self.client: Redis = self._connect()
        self._slots = asyncio.Semaphore(_SLOTS)

    async def __aenter__(self) -> Self:
        """Connected, or raises UnavailableError, ConfigError or CredentialsError."""
        if self._waits:
            return self
        try:
            if self.server is not None:
                await self.server.ensure()
            else:
                await self.hello()  # each connection looks what it was opened to
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Disconnected; an embedded server that we own has ended."""
        await self.close()

    @property
    def is_wanted(self) -> bool:
        """True when we run the private server and a gateway waits to do so."""
        return self.server is not None and self.server.is_owner and self.server.is_wanted()

    async def close(self) -> None:
        """See `__aexit__`. Repeatable."""
        if self.server is not None and self.server.is_owner and self._role is Role.BORROW:
            with contextlib.suppress(SecondmeError, TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    while len(await self.call(self.client.client_list())) > 1:
                        await asyncio.sleep(0.01)
        with contextlib.suppress(RedisError, OSError):
            await self.client.aclose(close_connection_pool=True)
        if self.server is not None:
            await self.server.stop()

    async def run(self, name: str, args: tuple[str | bytes | int, ...] = (), /, **of: str | Iterable[str]) -> Answer:
        """What the script `lua/<name>.lua` returned for its ARGV and for what its keys are of: `contact=`, `channel=`, as its header
        names them. One round trip. Raises UnavailableError, and then nobody knows whether it ran: every script may be repeated; DataError
        when a record of its contact cannot be used."""
        try:
            return await self.call(script(name).run(self.client, args, of))
        except DataError as error:
            if broken := await self._broken_for_all(name, of):
                raise _for_everybody(broken) from error
            raise

    async def _broken_for_all(self, name: str, of: Mapping[str, str | Iterable[str]]) -> str:
        """The first key of the script that is everybody's and has the wrong type: then it is no single contact's fault."""
        shared = [
            (key, key_types.TYPES[kept_as])
            for key, kept_as in zip(script(name).keys(**of), script(name).names, strict=False)
            if kept_as in key_types.TYPES and not key_types.is_of_a_contact(kept_as) and kept_as not in NEVER_IN_THE_WAY
        ]
        pipe = self.client.pipeline(transaction=False)
        for key, _ in shared:
            pipe.type(key)
        types = await self.call(pipe.execute()) if shared else []
        return next((key for (key, wanted), kind in zip(shared, types, strict=True) if kind.decode() not in {wanted, "none"}), "")

    async def hello(self) -> dict[str, str]:
        """What the server says of itself to everybody who may connect: version, mode, role. Raises as `call`."""
        execute: Any = self.client.execute_command  # untyped in the library
        return words_of(await self.call(execute("HELLO")))

    async def due(self, schedule: str, limit: int) -> list[tuple[ContactId, float]]:
        """The first contacts of a schedule and the seconds until each is due, by the store's clock; zero or less: it is."""
        try:
            now, *rest = await self.run("due", (limit,), schedule=schedule)
        except DataError as error:
            raise _for_everybody(schedule) from error
        return [
            (ContactId(contact.decode()), (float(moment) - int(now)) / 1000)
            for contact, moment in zip(rest[::2], rest[1::2], strict=True)
        ]

    async def postpone(self, schedule: str, contact: ContactId, delay_s: float) -> None:
        """The contact, if it is in the schedule, is due in `delay_s` and not before: what cannot be done for it is not in everybody's way."""
        seconds, _ = await self.call(self.client.time())
        await self.call(self.client.zadd(schedule, {contact: (int(seconds) + delay_s) * 1000}, xx=True))

    async def publish(self, channel: str, event: Mapping[str, Any]) -> None:  # JSON values
        """`event`, with the store's time as its `timestamp`, was given to whoever listens to `channel`, and is in the log of events."""
        await self.run("tell", (channel, json.dumps(dict(event))))

    async def say(self, channel: str, message: str) -> None:
        """Whoever listens to `channel` heard `message`, and nobody keeps it. Raises as `call`."""
        execute: Any = self.client.execute_command  # untyped in the library
        await self.call(execute("SPUBLISH" if self.namespace else "PUBLISH", channel, message))

    async def tell_broken(self, contact: ContactId) -> None:
        """Whoever listens knows that a record of the contact is broken."""
        await self.publish(keys.EVENTS_QUEUE, {"type": "record_broken", "contactId": contact})

    async def call(self, command: Awaitable[Any], extra_s: float = 0.0) -> Any:  # the library's types do not know that we decode
        """What one command of the client library returned (text as bytes), its errors turned into ours.

        One time-out of ours around it all, `extra_s` longer when the command itself waits: the library's own would cost two.
        """
        try:
            async with self._slots, asyncio.timeout(self._timeout_s + extra_s):
                return await command
        except (RedisError, OSError, TimeoutError) as error:
            raise explain(error) from error
        finally:
            if asyncio.iscoroutine(command):
                command.close()  # cancelled before its turn came, it was never begun

    async def look(self, pipe: Pipeline) -> tuple[list[Any], list[str]]:  # as `call`
        """What the commands of `pipe` returned, None for those whose key has the wrong type, and those keys. Raises as `call` otherwise."""
        asked = [str(command[0][1]) if len(command[0]) > 1 else "" for command in pipe.command_stack]
        broken, answers = [], await self.call(pipe.execute(raise_on_error=False))
        for at, answer in enumerate(answers):
            if isinstance(answer, Exception):
                error = explain(answer)
                if not isinstance(error, DataError):
                    raise error from answer
                broken.append(asked[at])
                answers[at] = None
        return answers, broken

    @contextlib.asynccontextmanager
    async def blocking(self) -> AsyncIterator[Redis]:
        """A client of its own for commands that wait on the server: they must not use up the connections of the others."""
        client = self._connect()
        try:
            yield client
        finally:
            with contextlib.suppress(RedisError, OSError):
                await client.aclose(close_connection_pool=True)

    def _connect(self) -> Redis:
        options: dict[str, Any] = {
            "socket_connect_timeout": self._timeout_s,
            # Ours are around every command; the library's `wait_for` loses a cancellation on Python 3.11 (cpython #86296).
            "socket_timeout": None,
            "max_connections": _MOST_CONNECTIONS,
            "health_check_interval": 0,
        }
        if self._address is not None:
            options["retry"] = Retry(ExponentialBackoff(cap=0.5, base=0.05), 3)
            return Redis(connection_pool=pool_to(self._address, self.namespace, self._cluster, **options))
        assert self.server is not None
        # A new connection starts the server if need be; so trying at once is enough.
        pool = ConnectionPool(
            connection_class=EnsuredConnection,
            server=self.server,
            namespace=self.namespace,
            path=str(self.server.socket_path),
            retry=Retry(NoBackoff(), 2),
            **options,
        )
        return Redis(connection_pool=pool)


def _for_everybody(key: str) -> UnavailableError:
    return UnavailableError(
        "store_index_broken", f"{key} in the store has the wrong type, and everybody's messages need it.", FIX_STORE
    )
