"""The store at one moment: over the wire as a replica gets it, and into another server as a dump."""

import asyncio
import io
import os
from pathlib import Path

import pytest
from fakes.homes import content_of, fill_store
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from secondme.core.backup.store import as_older, crc64
from secondme.core.clock import SystemClock
from secondme.core.errors import CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.store import rdb
from secondme.core.store.rdb import Reading


async def taken(url: str, path: Path, *, private: bool = False) -> None:
    async with AsyncRedis.from_url(url) as client:
        with path.open("wb") as into:
            size = await rdb.take_snapshot(client, into, private=private)
    assert size == path.stat().st_size  # noqa: ASYNC240  one look


@pytest.mark.parametrize("framed", ["length", "mark"])
async def test_a_snapshot_holds_everything_that_was_acknowledged_before_however_it_is_framed(
    raw: Redis, redis_url: str, tmp_path: Path, framed: str
) -> None:
    fill_store(raw, 50)
    before = content_of(Redis.from_url(redis_url))
    raw.config_set("repl-diskless-sync", "no" if framed == "length" else "yes")
    try:
        if framed == "mark":
            raw.config_set("repl-diskless-sync-delay", 0)
        await taken(redis_url, tmp_path / "s.rdb")
    finally:
        raw.config_set("repl-diskless-sync", "yes")
    async with Reading(tmp_path / "s.rdb", SystemClock()) as reading:
        path = reading.client.connection_pool.connection_kwargs["path"]
        assert await asyncio.to_thread(content_of, Redis(unix_socket_path=path)) == before


async def test_a_snapshot_of_another_database_in_a_newer_format_of_redis_is_read(
    raw: Redis, redis_url: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.rdb", tmp_path / "second.rdb"
    raw.set("in database 0", "x")
    await taken(redis_url, first, private=True)
    async with Reading(first, SystemClock(), database=3) as reading:
        path = reading.client.connection_pool.connection_kwargs["path"]
        await asyncio.to_thread(fill_store, Redis(unix_socket_path=path, db=3), 10)
        expected = await asyncio.to_thread(content_of, Redis(unix_socket_path=path, db=3))
        await taken(f"unix://{path}", second, private=True)
    await asyncio.to_thread(as_of_redis_8, second)
    async with Reading(second, SystemClock(), database=3) as reading:
        path = reading.client.connection_pool.connection_kwargs["path"]
        assert await asyncio.to_thread(content_of, Redis(unix_socket_path=path, db=3)) == expected
    assert b"in database 0" not in expected


def as_of_redis_8(path: Path) -> None:
    """The same in the format that Redis 7.4 and 8 write, without a checksum, as `rdbchecksum no` does."""
    body = path.read_bytes()
    assert body.startswith(b"REDIS0011")
    path.write_bytes(b"REDIS0012" + body[9:-8] + bytes(8))


async def test_a_snapshot_leaves_no_copy_of_it_beside_the_data(
    raw: Redis, redis_url: str, server_home: Path, tmp_path: Path
) -> None:
    (server_home / "store" / "dump.rdb").unlink(missing_ok=True)
    raw.set("PAIRING:stats", "x")
    await taken(redis_url, tmp_path / "s.rdb", private=True)
    assert not (server_home / "store" / "dump.rdb").exists()


async def test_a_user_without_the_right_is_told_which_one(raw: Redis, redis_url: str, tmp_path: Path) -> None:
    raw.execute_command("ACL", "SETUSER", "limited", "on", "nopass", "~*", "&*", "+@all", "-sync")
    try:
        with pytest.raises(CredentialsError, match="snapshot") as caught:
            await taken(redis_url + "?username=limited&password=x", tmp_path / "s.rdb")
    finally:
        raw.execute_command("ACL", "DELUSER", "limited")
    assert (caught.value.code, "+sync" in caught.value.fix) == ("snapshot_refused", True)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_however_the_bytes_are_cut_the_snapshot_is_what_came_before_the_mark(data: st.DataObject) -> None:
    body = b"REDIS0011" + data.draw(st.binary(max_size=200))
    mark = os.urandom(20).hex().encode()
    wire = b"\n" * data.draw(st.integers(0, 3)) + (
        b"$EOF:" + mark + b"\r\n" + body + mark + b"*1\r\n" if data.draw(st.booleans()) else b"$%d\r\n" % len(body) + body
    )
    cuts = sorted(data.draw(st.lists(st.integers(1, len(wire)), max_size=8)))
    into = io.BytesIO()
    asyncio.run(_receive([wire[start:end] for start, end in zip([0, *cuts], [*cuts, None], strict=True)], into))
    assert into.getvalue() == body


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (b"-ERR unknown command 'SYNC'\r\n", UnavailableError),
        (b"-NOPERM this user has no permissions\r\n", CredentialsError),
        (b"$12\r\nREDIS", UnavailableError),
        (b"$EOF:short\r\n", UnavailableError),
        (b"$9\r\n<html>oh \r\n", DataError),
        (b"x" * 100_000, UnavailableError),
        (b"", UnavailableError),
    ],
    ids=["unknown", "no right", "short", "no mark", "a page", "endless line", "nothing"],
)
def test_a_server_that_sends_something_else_is_one_error_with_a_fix(wire: bytes, kind: type[SecondmeError]) -> None:
    with pytest.raises(kind) as caught:
        asyncio.run(_receive([wire], io.BytesIO()))
    assert caught.value.fix
    assert "html" not in caught.value.message


async def _receive(pieces: list[bytes], into: io.BytesIO) -> None:
    """A server that answers REPLCONF, and then sends `pieces`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = b""
        while b"SYNC" not in command:
            command = await reader.read(1000)
            writer.write(b"+OK\r\n" * (command.count(b"*") - command.count(b"SYNC")))
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with AsyncRedis(port=port, protocol=2) as client:
            await rdb.take_snapshot(client, into, private=False)  # type: ignore[arg-type]


def test_a_dump_is_signed_as_the_servers_sign_it_and_an_older_one_is_taken(raw: Redis, redis_url: str) -> None:
    fill_store(raw, 5)
    client = Redis.from_url(redis_url)
    before = content_of(client)
    for name in before:
        dumped = client.dump(name)
        assert isinstance(dumped, bytes)
        assert crc64(dumped[:-8]).to_bytes(8, "little") == dumped[-8:]
        older = as_older(dumped)
        assert older[-10:-8] == b"\x0b\0"
        client.restore(name, max(0, before[name][1]), older, replace=True, absttl=True)  # type: ignore[arg-type]
    assert content_of(client) == before
