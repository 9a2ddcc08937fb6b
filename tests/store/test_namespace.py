"""The beginning of a home's names: on every key of every command, and on nothing else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from secondme.core.config.loader import Setup, load
from secondme.core.errors import ConfigError
from secondme.core.store.client import Store
from secondme.core.store.connections import private_client
from secondme.core.store.namespace import Namespace
from secondme.core.store.scan import scan
from secondme.core.store.server import Role

MIA = Namespace("mia")
COMMANDS: list[Sequence[Any]] = [
    ["GET", "k"],
    ["set", "k", "v", "EX", 5],
    ["MGET", "a", "b", "c"],
    ["DEL", "a"],
    ["EXISTS", "a", "b"],
    ["HSET", "k", "f", "v"],
    ["ZADD", "k", "NX", 1, "m"],
    ["ZRANGE", "k", 0, -1],
    ["XADD", "s", "*", "f", "v"],
    ["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"],
    ["XINFO", "STREAM", "s"],
    ["XREADGROUP", "GROUP", "workers", "c", "COUNT", 1, "STREAMS", "a", "b", ">", ">"],
    ["XREAD", "COUNT", 2, "STREAMS", "a", "0"],
    ["XAUTOCLAIM", "s", "g", "c", 0, "0"],
    ["EVAL", "return 1", 2, "a", "b", "arg", "2"],
    ["EVALSHA", "0" * 40, 1, "a", "b"],
    ["RENAME", "a", "b"],
    ["COPY", "a", "b", "REPLACE"],
    ["RESTORE", "k", 0, b"x", "REPLACE"],
    ["DUMP", "k"],
    ["MEMORY", "USAGE", "k"],
    ["OBJECT", "ENCODING", "k"],
    ["PEXPIRETIME", "k"],
    ["LPOS", "k", "v"],
    ["SSCAN", "k", 0, "MATCH", "x"],
    ["UNLINK", b"a", "b"],
    ["TYPE", "k"],
]
KEYLESS: list[Sequence[Any]] = [
    ["PING"],
    ["TIME"],
    ["HELLO", 3],
    ["INFO", "server"],
    ["CLIENT", "SETINFO", "LIB-NAME", "x"],
    ["MULTI"],
    ["SELECT", 3],
]


@pytest.fixture
def shared(redis_url: str, tmp_path: Path) -> Setup:
    return load({"redis_url": redis_url, "redis_namespace": "mia"}, {}, home=tmp_path / "home")


async def keys_of(client: Redis, words: Sequence[Any]) -> list[bytes]:
    """Which words of a command are keys, as the server knows it."""
    execute: Any = client.execute_command
    try:
        found: list[Any] = await execute("COMMAND GETKEYS", *words)
    except ResponseError:  # it has none
        return []
    return [name if isinstance(name, bytes) else str(name).encode() for name in found]


@pytest.mark.parametrize("words", [*COMMANDS, *KEYLESS], ids=lambda words: "-".join(map(str, words[:2])))
async def test_what_begins_with_the_namespace_is_what_the_server_takes_for_a_key(words: Sequence[Any], store: Store) -> None:
    placed = MIA.placed(words)
    theirs = await keys_of(store.client, words)
    assert await keys_of(store.client, placed) == [b"{mia}:" + key for key in theirs]
    assert len([1 for old, new in zip(words, placed, strict=True) if old != new]) == len(theirs)


@pytest.mark.parametrize("words", [["FLUSHALL"], ["SUNION", "a", "b"], ["KEYS", "*"], ["RANDOMKEY"], ["NEWCOMMAND", "k"], ["EVIL"]])
def test_a_command_that_is_not_known_is_not_sent(words: Sequence[Any]) -> None:
    with pytest.raises(LookupError):
        MIA.placed(words)


@pytest.mark.parametrize(
    "words",
    [
        ["SUBSCRIBE", "events:a", "events:b"],
        ["SSUBSCRIBE", "events:a"],
        ["SPUBLISH", "events:a", "x"],
        ["PUBLISH", "events:a", "x"],
    ],
)
def test_channels_begin_as_keys_do(words: Sequence[Any]) -> None:
    assert [word for word in MIA.placed(words) if str(word).startswith("{mia}:")] == [
        f"{{mia}}:{word}" for word in words if str(word).startswith("events")
    ]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["SCAN", 0], "{mia}:*"),
        (["SCAN", 0, "COUNT", 10], "{mia}:*"),
        (["SCAN", 0, "MATCH", "HISTORY:*", "COUNT", 10], "{mia}:HISTORY:*"),
    ],
)
def test_a_scan_finds_ones_own(words: Sequence[Any], match: str) -> None:
    placed = MIA.placed(words)
    assert placed[placed.index("MATCH") + 1] == match
    assert placed.count("MATCH") == 1


@given(key=st.binary(max_size=30), name=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,10}", fullmatch=True))
def test_names_come_back_as_they_went(key: bytes, name: str) -> None:
    space, other = Namespace(name), Namespace(f"{name}x")
    assert space.bare([space.full(key), other.full(key), key]) == [key] + [key[len(space.beginning) :]] * key.startswith(
        space.full(b"")
    )
    assert Namespace("").placed(["GET", key]) == ["GET", key]


@pytest.mark.parametrize("name", ["Mia", "{mia}", "mia leo", "mia:", "-mia", "*", "a" * 65, "mia\n", "m?a"])
def test_a_name_that_would_not_be_one_is_refused(name: str, redis_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="redis_namespace"):
        load({"redis_url": redis_url, "redis_namespace": name}, {}, home=tmp_path)


async def test_two_homes_of_one_server_see_nothing_of_each_other(shared: Setup, store: Store, tmp_path: Path) -> None:
    leo = load({"redis_url": shared.settings.redis_url.get_secret_value(), "redis_namespace": "leo"}, {}, home=tmp_path)  # type: ignore[union-attr]
    async with Store(shared, Role.ATTACH) as first, Store(leo, Role.ATTACH) as second:
        for each in (store, first, second):
            await each.call(each.client.set("INBOX:x", each.namespace.name))
            pipe = each.client.pipeline(transaction=True)
            pipe.incr("ATTEMPTS")
            pipe.get("INBOX:x")
            assert (await each.call(pipe.execute())) == [1, each.namespace.name.encode()]
        for each, names in ((store, 6), (first, 2), (second, 2)):
            assert await each.call(each.client.get("INBOX:x")) == each.namespace.name.encode()
            assert len([name async for page in scan(each) for name in page]) == names
            assert [name async for page in scan(each, "INBOX:*") for name in page] == [b"INBOX:x"]
    assert sorted(await store.client.keys("*")) == [
        b"ATTEMPTS",
        b"INBOX:x",
        *(b"{%s}:%s" % (n, k) for n in (b"leo", b"mia") for k in (b"ATTEMPTS", b"INBOX:x")),
    ]


async def test_a_private_server_has_one_home_and_no_namespace(tmp_path: Path) -> None:
    setup = load({"redis_namespace": "mia"}, {}, home=tmp_path)
    assert not Store(setup, Role.ATTACH, waits=True).namespace
    await private_client(tmp_path / "nobody.sock").aclose()
