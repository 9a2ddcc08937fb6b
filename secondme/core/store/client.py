"""The store's client: one `Store` per process. It finds or starts the server, runs scripts, and turns the library's errors into
ours. Every call is bounded by `store.timeout_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Self

import hiredis
from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.ids import ContactId
from secondme.core.store import key_types, keys
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
_SERVER_FLOOR = (7, 0)
"""`#!lua` scripts with declared keys exist since Redis 7.0."""
_FIX_STORE = "secondme doctor store"
"""Not `status`: it reads the same store, and would send whoever typed it in a circle."""


class Store:
    """A connection to the one engine. Use as an async context manager; safe to share between tasks of one loop."""

    def __init__(self, setup: Setup, role: Role, *, waits: bool = False) -> None:
        """`waits`: entering does not connect, each use does."""
        settings = setup.settings
        self._waits = waits
        self._timeout_s = settings.store.timeout_s
        self._url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self._role = role
        self.server: EmbeddedServer | None = None
        if self._url is None:
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
                await self._check_version()
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
            # A new connection with an embedded store starts the server if need be; so trying at once is enough there.
            "retry": Retry(NoBackoff(), 2) if self._url is None else Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        }
        if self.server is not None:
            path = str(self.server.socket_path)
            pool = ConnectionPool(connection_class=_EnsuredConnection, server=self.server, path=path, **options)
            return Redis(connection_pool=pool)
        assert self._url is not None
        try:
            kind = _CONNECTIONS.get(self._url.partition("://")[0], _TcpConnection)
            pool = ConnectionPool.from_url(self._url, **options)
            pool.connection_class = kind  # the library takes none for `unix://` and `rediss://`
        except ValueError:  # its text quotes the part it stumbled over, which may be the password
            raise ConfigError("bad_redis_url", "redis_url cannot be used.", "Use redis://, rediss:// or unix://.") from None
        return Redis(connection_pool=pool)

    async def _check_version(self) -> None:
        info = await self.call(self.client.info("server"))
        version = str(info.get("redis_version", "0"))
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers < _SERVER_FLOOR:
            raise ConfigError("old_store_server", f"The store's server is version {version}; 7.0 is needed.", "Upgrade it.")


class _Packed:
    """Packs commands in C. The library does so for its blocking client only, and a gate call has thirty arguments."""

    def pack_command(self, *args: Any) -> list[bytes]:  # whatever the library would have packed
        """One command in the wire format; a first word with a space in it is two words, as in the library."""
        first = args[0].encode() if isinstance(args[0], str) else bytes(args[0])
        return [hiredis.pack_command((*first.split(), *args[1:]))]


class _TcpConnection(_Packed, Connection):
    """`redis://`"""


class _TlsConnection(_Packed, SSLConnection):
    """`rediss://`"""


class _UnixConnection(_Packed, UnixDomainSocketConnection):
    """`unix://`"""


_CONNECTIONS: dict[str, type[Connection | UnixDomainSocketConnection]] = {"rediss": _TlsConnection, "unix": _UnixConnection}


class _EnsuredConnection(_UnixConnection):
    """A connection that finds, or starts, the embedded server each time it is opened."""

    def __init__(self, *, server: EmbeddedServer, **options: Any) -> None:  # passed through to the library untouched
        self._server = server
        super().__init__(**options)

    async def _connect(self) -> None:
        await self._server.ensure()
        await super()._connect()  # type: ignore[no-untyped-call]  # the library leaves it untyped


def _for_everybody(key: str) -> UnavailableError:
    return UnavailableError(
        "store_index_broken", f"{key} in the store has the wrong type, and everybody's messages need it.", _FIX_STORE
    )


def explain(error: Exception) -> SecondmeError:
    """The library's `error` as one of ours. Never repeats what the server said about a key or a value."""
    if isinstance(error, SecondmeError):
        return error
    if isinstance(error, RedisConnectionError) and isinstance(error.__cause__, RedisError):
        return explain(error.__cause__)  # what the server said to a new connection
    text = str(error).rpartition(_IN_A_PIPELINE)[2]
    for kinds, beginning, ours, code, message, fix in _CAUSES:
        if isinstance(error, kinds) and text.startswith(beginning):
            return ours(code, message, fix)
    if type(error) is ResponseError and (text.startswith(_OF_A_RECORD) or _IN_A_SCRIPT in text):
        return DataError(
            "record_unusable", "A record in the store is of another kind than it must be; it was left as it is.", _FIX_STORE
        )
    return UnavailableError("store_failed", f"The store failed ({type(error).__name__}).", _FIX_STORE)


_IN_A_PIPELINE = " of pipeline caused error: "
"""The library puts the command, and so what is in it, in front."""
_OF_A_RECORD = ("WRONGTYPE", "value is not", "hash value is not")
_IN_A_SCRIPT = ", on @user_script"
"""What the server says behind any failure inside of a script. What is the server's own fault stands in the causes below."""
_LATER = "Try again in a moment."
_OUT_OF_MEMORY = (UnavailableError, "store_out_of_memory", "The store is out of memory.", "secondme doctor memory")
_REFUSED = (CredentialsError, "store_refused", "The store refused our credentials.", "Correct redis_url.")
_TOO_OLD = (
    ConfigError,
    "old_store_server",
    "The store's server is too old; Redis 7.0 or newer is needed.",
    "Upgrade it.",
)
_CAUSES: tuple[tuple[tuple[type[Exception], ...], str, type[SecondmeError], str, str, str], ...] = (
    (
        (AuthenticationError, AuthorizationError, NoPermissionError),
        "",
        *_REFUSED,
    ),
    (
        (ReadOnlyError,),
        "",
        UnavailableError,
        "store_read_only",
        "The store is a read-only replica.",
        "Point redis_url at the primary.",
    ),
    ((OutOfMemoryError,), "", *_OUT_OF_MEMORY),
    ((ResponseError,), "OOM", *_OUT_OF_MEMORY),
    ((BusyLoadingError,), "", UnavailableError, "store_loading", "The store is still loading its data.", _LATER),
    (
        (ResponseError,),
        "MISCONF",
        UnavailableError,
        "store_disk_full",
        "The store cannot write to its disk.",
        "secondme doctor persistence",
    ),
    ((ResponseError,), "BUSY", UnavailableError, "store_busy", "The store is busy with something else.", _LATER),
    ((ResponseError,), "Script killed", UnavailableError, "store_busy", "The store is busy with something else.", _LATER),
    *(
        ((ResponseError,), word, UnavailableError, "store_failed", f"The store cannot do its work ({word}).", _FIX_STORE)
        for word in ("NOREPLICAS", "NOGROUP", "UNKILLABLE", "Error running script", "Error compiling script")
    ),
    ((ResponseError,), "ACL failure in script", *_REFUSED),
    (
        (ResponseError,),
        "Unknown Redis command called from script",
        *_TOO_OLD,
    ),
    (
        (ResponseError,),
        "unknown command",
        *_TOO_OLD,
    ),
    ((RedisTimeoutError, TimeoutError), "", UnavailableError, "store_slow", "The store did not answer in time.", _FIX_STORE),
    (
        (RedisConnectionError, OSError),
        "",
        UnavailableError,
        "store_unreachable",
        "The store does not answer.",
        "Start the gateway, or check redis_url.",
    ),
)
"""The library's error, how its text begins, and what it is to us. The first that fits counts."""
