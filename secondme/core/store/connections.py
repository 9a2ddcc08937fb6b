"""The connections to a server: commands packed in C with the home's namespace, and what a server that is not ours is asked before it is used."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

import hiredis
from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError, ResponseError

from secondme.core.errors import ConfigError, SecondmeError
from secondme.core.store.cluster import Cluster
from secondme.core.store.failures import is_cluster, is_sentinel, too_old, wants_certificate, wants_tls, without_tls
from secondme.core.store.namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from secondme.core.store.address import StoreAddress
    from secondme.core.store.server import EmbeddedServer

_SERVER_FLOOR = (7, 0)
"""`#!lua` scripts with declared keys exist since Redis 7.0."""
_GREETING_SHARE = 0.5
"""Of the time that one answer may take: what is waited for ends before it, and says what was waited for."""
_TLS_S = 0.5
_UNKNOWN = "unknown command"


class _Packed:
    """Packs commands in C. The library does so for its blocking client only, and a gate call has thirty arguments."""

    def __init__(self, *, namespace: Namespace, **options: Any) -> None:  # passed through to the library untouched
        self._namespace = namespace
        super().__init__(**options)

    def pack_command(self, *args: Any) -> list[bytes]:  # whatever the library would have packed
        """One command in the wire format; a first word with a space in it is two words, as in the library."""
        first = args[0].encode() if isinstance(args[0], str) else bytes(args[0])
        words = (*first.split(), *args[1:])
        return [hiredis.pack_command(tuple(self._namespace.placed(words)) if self._namespace else words)]


class _UnixConnection(_Packed, UnixDomainSocketConnection):
    """To a server of this machine that nobody else has."""


class EnsuredConnection(_UnixConnection):
    """A connection that finds, or starts, the embedded server each time it is opened."""

    def __init__(self, *, server: EmbeddedServer, **options: Any) -> None:  # passed through to the library untouched
        self._server = server
        super().__init__(**options)

    async def _connect(self) -> None:
        await self._server.ensure()
        await super()._connect()  # type: ignore[no-untyped-call]  # the library leaves it untyped


class _Examined(_Packed):
    """To a server that others run: it is asked what it is each time a connection is opened, for it may be another one than before."""

    _is_cluster = False

    async def connect_check_health(self, *args: Any, **options: Any) -> None:  # the library's signature
        """As in the library, which wraps what it does not know as something to try again: what we found is not."""
        try:
            await super().connect_check_health(*args, **options)  # type: ignore[misc]  # the class beside this one has it
        except RedisConnectionError as error:
            if isinstance(error.__cause__, SecondmeError):
                raise error.__cause__ from None
            raise

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  the library's signature
        """Authenticated, and the server is one that can be used. Raises ConfigError when it is not."""
        await super().on_connect_check_health(check_health=check_health)  # type: ignore[misc]  # the class beside this one has it
        try:
            self._examine(await self._hello())
        except ConfigError:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # the class beside this one has it
            raise

    def _examine(self, facts: Mapping[str, str]) -> None:
        version = facts.get("version", "")
        if facts.get("mode") == "sentinel":
            raise is_sentinel()
        if version and tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _SERVER_FLOOR:
            raise too_old(version)
        self._is_cluster = facts.get("mode") == "cluster"
        if self._is_cluster and not self._namespace:
            raise is_cluster()

    async def _hello(self) -> dict[str, str]:
        """What the server says of itself. HELLO is for everybody who may connect; INFO often is not."""
        connection: Any = self  # a class of the library's stands beside this one
        await connection.send_command("HELLO", check_health=False)
        try:
            answer = await connection.read_response()
        except ResponseError as error:
            if _UNKNOWN in str(error).lower():
                raise too_old("") from error
            raise
        return words_of(answer)


class _SharedUnixConnection(_Examined, UnixDomainSocketConnection):
    """`unix://`"""


class _ClusterAware(_Examined):
    """Where the server is a node of a Redis Cluster: to the node that has the home."""

    host: str
    port: int

    def __init__(self, *, cluster: Cluster, **options: Any) -> None:  # passed through to the library untouched
        self._cluster = cluster
        super().__init__(**options)

    async def _connect(self) -> None:
        node = self.host, self.port = self._cluster.next_node()
        try:
            await super()._connect()  # type: ignore[misc]  # the class beside this one has it
        except BaseException:
            self._cluster.failed(node)
            raise

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  the library's signature
        """As above; on the node that has the home. Raises the library's ConnectionError when another one has it, which then is next."""
        await super().on_connect_check_health(check_health=check_health)
        if not self._is_cluster:
            return
        connection: Any = self  # a class of the library's stands beside this one
        await connection.send_command("CLUSTER SLOTS", check_health=False)
        self._cluster.learn(await connection.read_response(), (self.host, self.port))
        if not self._cluster.is_home((self.host, self.port)):
            raise RedisConnectionError("another node has the home")

    async def read_response(self, *args: Any, **options: Any) -> Any:  # the library's signature
        """As in the library. When the home is another node's now, the connection is closed, and the library asks anew over another one:
        nothing was done."""
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]  # the class beside this one has it
        except MovedError as error:
            self._cluster.moved((error.host or self.host, int(error.port)))
            await asyncio.shield(self.disconnect(nowait=True))  # type: ignore[attr-defined]  # as above
            raise RedisConnectionError("another node has the home") from error


class _TcpConnection(_ClusterAware, Connection):
    """`redis://`"""

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  the library's signature
        """As above. Raises ConfigError when the server hung up at the first word, and speaks TLS."""
        try:
            await super().on_connect_check_health(check_health=check_health)
        except RedisConnectionError as error:
            if type(error) is RedisConnectionError and not self._is_cluster and await _speaks_tls(self.host, self.port):
                raise wants_tls() from None
            raise


class _TlsConnection(_ClusterAware, SSLConnection):
    """`rediss://`"""

    async def _connect(self) -> None:
        whole = self.socket_connect_timeout
        try:
            async with asyncio.timeout(whole * _GREETING_SHARE if whole else None):
                await super()._connect()
        except TimeoutError:
            raise without_tls() from None

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002  the library's signature
        """As above. Raises UnavailableError when the server hung up at the first word, and was shown no certificate."""
        try:
            await super().on_connect_check_health(check_health=check_health)
        except (RedisConnectionError, OSError) as error:
            was_cut = not isinstance(error, RedisConnectionError) or type(error) is RedisConnectionError  # and not refused
            if was_cut and not self._is_cluster and not self.ssl_context.certfile:
                raise wants_certificate() from None
            raise


async def _speaks_tls(host: str, port: int) -> bool:
    """Whether something there answers a greeting of TLS. Who it is, is not asked: nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the authorities: nobody is trusted
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TLS_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


_KINDS: Mapping[str, type[_SharedUnixConnection | _TcpConnection | _TlsConnection]] = {
    "redis": _TcpConnection,
    "rediss": _TlsConnection,
    "unix": _SharedUnixConnection,
}


def cluster_of(address: StoreAddress, namespace: Namespace) -> Cluster | None:
    """What is known of the cluster that may be behind `address`; None for a socket, which no cluster has."""
    return None if address.scheme == "unix" else Cluster(namespace.name, (address.options["host"], address.options["port"]))


def pool_to(
    address: StoreAddress, namespace: Namespace, cluster: Cluster | None, **options: Any
) -> ConnectionPool:  # `options`: the library's
    """Connections to a server that others run. All pools of a process share `cluster`: what one learns, the others know."""
    more: dict[str, Any] = {} if cluster is None else {"cluster": cluster}
    return ConnectionPool(connection_class=_KINDS[address.scheme], namespace=namespace, **more, **address.options, **options)


def private_client(socket: Path, *, database: int = 0, namespace: Namespace | None = None) -> Redis:
    """A client of a server of this machine that nobody else uses; not connected yet."""
    retry = Retry(NoBackoff(), 0)
    pool = ConnectionPool(
        connection_class=_UnixConnection, namespace=namespace or Namespace(), path=str(socket), db=database, retry=retry
    )
    return Redis.from_pool(pool)  # which is closed with it


def words_of(answer: Any) -> dict[str, str]:  # what the server said, in either version of the protocol
    """The names and values of an answer, as text."""
    pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=False)
    return {_text(name): _text(value) for name, value in pairs}


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
