"""Looks at the store and at FalkorDB without changing them: how they are reached, what they say of themselves, who holds the lock."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError, ResponseError

from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.files import is_held
from secondme.core.queue.store import InboxStore
from secondme.core.store import key_types, keys
from secondme.core.store.address import where_of
from secondme.core.store.client import Store
from secondme.core.store.failures import explain
from secondme.core.store.scan import scan
from secondme.core.store.scripts import names, script
from secondme.core.store.server import Role

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.core.config.loader import Setup
    from secondme.core.config.models import QueueSettings


_MODULE = "graph"
MOST_KEYS = 50_000
"""Keys that are looked at, and what is left of a page."""
_LOG_BYTES = 64 * 1024
_CUT = re.compile(
    rb"^\d+:\w (\d+ \w+ \d{4} [\d:]{8})\.\d+ \W AOF (?:\S+ )?loaded anyway because aof-load-truncated is enabled", re.MULTILINE
)
_ASIDE_S = 30 * 86_400
_PROBE_S = 60
OWNERS_DECISION = frozenset({"approved", "denied"})
"""Names of keys that nobody but the owner decides about, however broken they are."""


async def look_at_graph(url: str, timeout_s: float) -> str:
    """The version of the graph module behind `url`, empty when it does not say.

    Raises UnavailableError when nothing answers, CredentialsError when we are refused, ConfigError when there is no graph module.
    """
    where = where_of(url)
    try:
        client = Redis.from_url(url, socket_connect_timeout=timeout_s, socket_timeout=None, retry=Retry(NoBackoff(), 0))
    except ValueError:  # its text quotes the address, and so the password
        raise ConfigError("graph_bad_url", "memory.graph_url cannot be used.") from None
    try:
        async with asyncio.timeout(timeout_s):
            return await _version(client)
    except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
        raise CredentialsError("graph_refused", f"{where} refuses us.") from error
    except ResponseError as error:
        raise ConfigError("graph_no_module", f"{where} is a plain Redis.") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise UnavailableError("graph_unreachable", f"{where} does not answer.") from error
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose(close_connection_pool=True)


async def _version(client: Redis) -> str:
    """Raises ResponseError when the server has no graph module."""
    execute: Any = client.execute_command  # untyped in the library
    try:
        modules = await execute("MODULE LIST")
    except NoPermissionError:
        await execute("GRAPH.LIST")  # who may not list modules may list graphs
        return ""
    for module in modules:
        fields = module if isinstance(module, dict) else dict(zip(module[::2], module[1::2], strict=False))
        facts = {_text(key): value for key, value in fields.items()}
        if _text(facts.get("name", "")) == _MODULE:
            return _dotted(facts.get("ver"))
    raise ResponseError("no graph module")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _dotted(number: object) -> str:
    """FalkorDB counts 4.16.3 as 41603."""
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}" if isinstance(number, int) and number > 0 else ""


_MOST_COPIED = 64 * 1024 * 1024
"""Bytes of data that are copied to be looked at: loaded in half a second. More is left to a gateway."""
_DATA = "appendonlydir"
_MOST_PROCESSES = 4096
SNAPSHOT, REWRITE = "snapshot", "rewriting the append-only file"

Way = Literal["url", "private", "copy", "empty", "large"]


@dataclass(frozen=True, slots=True)
class Reached:
    """How the store is reached: by its address, through the private server that runs, or as a copy of its data because none runs.

    `store` is None where there is nothing to look at: no data yet, or too much to copy.
    """

    way: Way
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself. Bytes are 0 where it sets no limit."""

    version: str
    is_replica: bool
    primary: str
    """`host:port` a replica copies."""
    used_bytes: int
    most_bytes: int
    policy: str
    appends: bool
    failed_write: str
    """Which write to its disk failed last, in its own word; empty when none did."""
    refuses: bool
    """True while it takes nothing new because of that. A snapshot that nobody relies on may fail without."""
    now_ms: int
    is_all_known: bool = True
    """False where we may not ask: then the version, the role and the time are known, and nothing else."""


@contextlib.asynccontextmanager
async def reach(setup: Setup, timeout_s: float) -> AsyncIterator[Reached]:
    """The store, without starting or changing anything of the home. Raises the SecondmeError that says why it cannot be reached."""
    settings = setup.settings
    limited = settings.store.model_copy(update={"timeout_s": min(settings.store.timeout_s, timeout_s)})
    setup = setup.model_copy(update={"settings": settings.model_copy(update={"store": limited})})
    lock = setup.places.store / "lock"
    if settings.redis_url is not None or is_held(lock):
        way: Way = "private" if settings.redis_url is None else "url"
        async with Store(setup, Role.ATTACH) as store:
            yield Reached(way, store)
        return
    size = data_bytes(setup.places.store)
    if not 0 < size <= _MOST_COPIED:
        yield Reached("large" if size else "empty")
        return
    async with _copied(setup, timeout_s) as store:
        yield Reached("copy", store)


def data_bytes(directory: Path) -> int:
    """How much data a private server has left in `directory`; 0: none."""
    with contextlib.suppress(OSError), os.scandir(directory / _DATA) as entries:
        return sum(entry.stat().st_size for entry in entries)
    return 0


async def server_facts(store: Store) -> ServerFacts:
    """What the server says of itself. One round trip. Raises as every call of the store."""
    pipe = store.client.pipeline(transaction=False)
    pipe.info()
    pipe.time()
    pipe.ping()  # refused like a write when the disk is full, and the only such question that changes nothing
    info, time, pong = await store.call(pipe.execute(raise_on_error=False))
    if isinstance(time, Exception):
        raise explain(time) from time
    seconds, micros = time
    if isinstance(info, NoPermissionError):
        return await _few_facts(store, int(seconds) * 1000 + int(micros) // 1000)
    if isinstance(info, Exception):
        raise explain(info) from info
    return ServerFacts(
        version=str(info.get("valkey_version") or info.get("redis_version", "")),
        is_replica=info.get("role") == "slave",
        primary=f"{info['master_host']}:{info.get('master_port', 6379)}" if info.get("master_host") else "",
        used_bytes=int(info.get("used_memory", 0)),
        most_bytes=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        appends=bool(info.get("aof_enabled")),
        failed_write=_failed_write(info),
        refuses=isinstance(pong, Exception) and explain(pong).code == "store_disk_full",
        now_ms=int(seconds) * 1000 + int(micros) // 1000,
    )


async def _few_facts(store: Store, now_ms: int) -> ServerFacts:
    """What a server says to everybody who may connect."""
    facts = await store.hello()
    return ServerFacts(
        version=facts.get("version", ""),
        is_replica=facts.get("role") in {"slave", "replica"},
        primary="",
        used_bytes=0,
        most_bytes=0,
        policy="",
        appends=False,
        failed_write="",
        refuses=False,
        now_ms=now_ms,
        is_all_known=False,
    )


async def missing_right(store: Store) -> SecondmeError | None:
    """What the store's user may not do and we need: one write, one script and one event are tried, and nothing is left of them. None when
    all are allowed. Raises UnavailableError when that cannot be tried."""
    try:
        await store.call(store.client.set(keys.PROBE, "1", ex=_PROBE_S))
        await store.run("try_rights", (keys.EVENTS_PROBE,))
        await store.call(store.client.delete(keys.PROBE))
    except CredentialsError as error:
        return error
    return None


async def keeps_snapshots(store: Store) -> bool | None:
    """True when the server writes snapshots by itself; None when it does not let us ask."""
    try:
        answer = await store.client.config_get("save")
    except (RedisError, OSError):
        return None
    return bool(str(answer.get("save", "")).strip())


async def refused_scripts(store: Store) -> tuple[int, str]:
    """How many of our scripts the server does not take, and why not in one of its words. Nothing is run but one that only reads.

    A script that is loaded is no data: it lies in a cache of the server's, where a gateway puts it too, and is gone with a restart.
    """
    pipe = store.client.pipeline(transaction=False)
    for name in names():
        pipe.script_load(script(name).text)
    answers: list[Any] = await store.call(pipe.execute(raise_on_error=False))
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    if refused and explain(refused[0]).code == "store_forbidden":
        raise explain(refused[0])
    if refused:
        return len(refused), "they do not compile" if "ompil" in str(refused[0]) else _why(explain(refused[0]))
    try:
        await store.due(keys.QUEUE_LATER, 1)
    except UnavailableError:
        raise
    except SecondmeError as error:
        return len(answers), _why(error)
    return 0, ""


@dataclass(frozen=True, slots=True)
class BrokenKey:
    """A key of the wrong type."""

    key: str
    type: str
    known: key_types.Known


@dataclass(frozen=True, slots=True)
class Disorder:
    """Keys of the wrong type, contacts with messages that no index knows, how many keys were looked at, and whether these were all."""

    broken: list[BrokenKey]
    lost: list[str]
    looked: int = 0
    is_whole: bool = True


async def look_at_records(store: Store, queue: QueueSettings, within_s: float = math.inf) -> Disorder:
    """Every key, of the first 50,000 and of what is reached in time, has the type that it must have, and everything that waits is in an
    index. Nothing is changed."""
    found, looked, inbox = Disorder([], []), 0, InboxStore(store, queue)
    until = time.monotonic() + within_s
    async for page in scan(store):
        if looked > MOST_KEYS or time.monotonic() > until:
            return replace(found, looked=looked, is_whole=False)
        looked += len(page)
        pipe = store.client.pipeline(transaction=False)
        for name in page:
            pipe.type(name)
        for name, kind in zip(page, await store.call(pipe.execute()), strict=True):
            known, kept_as = key_types.known(name.decode("utf-8", "replace")), kind.decode()
            if known is None or kept_as == "none":
                continue
            if kept_as != known.type:
                found.broken.append(BrokenKey(name.decode("utf-8", "replace"), kept_as, known))
            elif known.name in {"inbox", "outbox"}:
                with contextlib.suppress(SecondmeError):  # what is broken stands above
                    if await inbox.is_lost(known):
                        found.lost.append(known.contact)
    return replace(found, looked=looked)


async def mend_records(store: Store, queue: QueueSettings) -> list[str]:
    """What was put aside or found again, in words. A key of the wrong type is renamed and kept for 30 days; who is approved or denied is
    left to the owner. Repeatable."""
    done, client = [], store.client
    for each in (await look_at_records(store, queue)).broken:
        if each.known.name not in OWNERS_DECISION:
            aside = keys.broken(each.key)
            await store.call(client.rename(each.key, aside))
            await store.call(client.expire(aside, _ASIDE_S))
            done.append(f"{each.key}: put aside as {aside}")
    for make, index in ((keys.held, keys.HELD_INDEX), (keys.dead, keys.DEAD_INDEX), (keys.approved, keys.INDEX_APPROVED)):
        if any(line.startswith(f"{index}:") for line in done):
            await _index_anew(store, make, index)
    cursor, mended = await InboxStore(store, queue).search(0)
    while cursor:
        cursor, more = await InboxStore(store, queue).search(cursor)
        mended += more
    return [*done, f"{mended} contacts wait in the queue again"] if mended else done


async def _index_anew(store: Store, make: Callable[[str], str], index: str) -> None:
    """Every contact with such a key is in its index again, as of now."""
    seconds, _ = await store.call(store.client.time())
    async for page in scan(store, make("*")):
        known = [key_types.known(name.decode()) for name in page]
        members = {each.contact: seconds * 1000 for each in known if each is not None and each.name == make.__name__}
        if members:
            await store.call(store.client.zadd(index, members, nx=True))


def cut_at(directory: Path) -> str:
    """When the private server last found the end of its file cut off, in its own words; empty when it did not within what is left of its
    log."""
    try:
        with (directory / "server.log").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
            found = _CUT.findall(file.read())
    except OSError:
        return ""
    return str(found[-1].decode("ascii", "replace")) if found else ""


def lock_record(path: Path) -> tuple[int, str]:
    """Which process wrote itself down in a lock file, and as what: (0, "") when nobody did."""
    try:
        text = path.read_text("ascii", "replace")[:200].strip()
        if text.isdigit():
            return int(text), ""
        record = json.loads(text)
        return int(record["pid"]), str(record["role"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, ""


def is_running(pid: int) -> bool:
    """True while there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def holders(path: Path) -> list[int]:
    """The processes that have the file open, as far as this system tells (Linux): whoever holds a lock on it is among them."""
    try:
        wanted = path.stat()
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()][:_MOST_PROCESSES]  # noqa: PTH208  names only
    except OSError:
        return []
    return [pid for pid in pids if pid != os.getpid() and _has_open(pid, (wanted.st_dev, wanted.st_ino))]


def _has_open(pid: int, file: tuple[int, int]) -> bool:
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat()
                if (found.st_dev, found.st_ino) == file:
                    return True
    return False


def _why(error: SecondmeError) -> str:
    return error.code.replace("_", " ")


def _failed_write(info: dict[str, Any]) -> str:
    for name, word in (
        ("aof_last_write_status", "append-only file"),
        ("rdb_last_bgsave_status", SNAPSHOT),  # before the one that it goes on without
        ("aof_last_bgrewrite_status", REWRITE),
    ):
        if info.get(name, "ok") != "ok":
            return word
    return ""


@contextlib.asynccontextmanager
async def _copied(setup: Setup, timeout_s: float) -> AsyncIterator[Store]:
    """A server on a copy of the private server's data. Raises UnavailableError `store_damaged` when it cannot be read."""
    root = Path(tempfile.mkdtemp(prefix="secondme-doctor-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))  # noqa: S108  0700, random
    try:
        await asyncio.to_thread(shutil.copytree, setup.places.store / _DATA, root / "data" / "store" / _DATA)
        copy = setup.model_copy(update={"places": type(setup.places)(config=root, data=root / "data", logs=root / "logs")})
        store = Store(copy, Role.OWN)
        try:
            async with asyncio.timeout(timeout_s * 2):
                await store.__aenter__()
        except TimeoutError as error:
            raise UnavailableError("store_loading", "The data takes longer to load.") from error
        except UnavailableError as error:
            await store.close()
            if is_held(setup.places.store / "lock"):  # a server has just started: what we copied was half written
                raise UnavailableError("store_loading", "The store has just been started.") from error
            why = error.message.partition("): ")[2] or error.message
            raise UnavailableError("store_damaged", why) from error
        try:
            yield store
        finally:
            await store.close()
    finally:
        shutil.rmtree(root, ignore_errors=True)
