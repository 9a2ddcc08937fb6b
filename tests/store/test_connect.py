"""The store refuses, fills up, forgets its scripts or goes away: each cause is one of ours, and no caller crashes."""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes.process import WITHOUT_API, GatewayProcess, command, contact, let_in, logged, settings_of, until, write_config
from redis import Redis
from redis.exceptions import RedisError

from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.store.client import Store
from secondme.core.store.server import Role, find_server


class Server:
    """A server of somebody else: not ours to start, stop or configure, but a test's. Its data lies on a small disk where one can be had."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.socket = directory, directory / "s.sock"
        self.url = f"unix://{self.socket}"
        self.raw = Redis.from_url(self.url)
        self.process: subprocess.Popen[bytes] | None = None
        self.has_small_disk = False

    def start(self) -> None:
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        words = [find_server(), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(data), "--appendonly", "yes"]
        if self.has_small_disk:
            words = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size=2m small {data} && exec "$@"', "sh", *words]
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self.process.poll() is None:
            with contextlib.suppress(RedisError):
                if self.raw.ping():
                    return
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.raw.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(Path(tempfile.mkdtemp(prefix="sms-", dir="/tmp")))
    made.start()
    yield made
    made.stop()
    shutil.rmtree(made.directory)


@pytest.fixture
def cramped() -> Iterator[Server]:
    """A server on a disk of 2 MB."""
    made = Server(Path(tempfile.mkdtemp(prefix="sms-", dir="/tmp")))
    made.has_small_disk = True
    try:
        made.start()
    except (RuntimeError, OSError):
        pytest.skip("mounting needs root")
    yield made
    made.stop()
    shutil.rmtree(made.directory)


def read_only(server: Server) -> None:
    server.raw.config_set("replica-priority", "0")
    server.raw.replicaof("127.0.0.1", "1")


def writable(server: Server) -> None:
    server.raw.replicaof("NO", "ONE")


def out_of_memory(server: Server) -> None:
    server.raw.config_set("maxmemory", "1")


def with_memory(server: Server) -> None:
    server.raw.config_set("maxmemory", "0")


def frozen(server: Server) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)


def thawed(server: Server) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGCONT)


def forgetful(server: Server) -> None:
    server.raw.script_flush()


def _filler(server: Server) -> Path:
    assert server.process is not None
    return Path(f"/proc/{server.process.pid}/root{server.directory}/data/filler")


def disk_full(server: Server) -> None:
    with contextlib.suppress(OSError):
        _filler(server).write_bytes(b"x" * 4_000_000)
    while server.raw.info("persistence")["aof_last_write_status"] == "ok":
        with contextlib.suppress(RedisError):
            server.raw.set("filler", "x" * 1000)


def disk_free(server: Server) -> None:
    _filler(server).unlink()


def unsaved(server: Server) -> None:
    """Something else has the name of the snapshot: what cannot be kept is not taken."""
    server.raw.config_set("save", "3600 1")
    (server.directory / "data" / "dump.rdb").mkdir()
    server.raw.set("new", "x")
    server.raw.bgsave()
    while server.raw.info("persistence")["rdb_last_bgsave_status"] == "ok":
        pass


def saved(server: Server) -> None:
    (server.directory / "data" / "dump.rdb").rmdir()
    server.raw.save()


@dataclass(frozen=True)
class Trouble:
    begin: Callable[[Server], None]
    end: Callable[[Server], None]
    code: str
    message: str


TROUBLES = [
    Trouble(Server.stop, Server.start, "store_unreachable", "The store does not answer."),
    Trouble(read_only, writable, "store_read_only", "The store is a read-only replica."),
    Trouble(out_of_memory, with_memory, "store_out_of_memory", "The store is out of memory."),
    Trouble(frozen, thawed, "store_slow", "The store did not answer in time."),
    Trouble(unsaved, saved, "store_disk_full", "The store cannot write to its disk. Try: secondme"),
]
FULL = Trouble(disk_full, disk_free, "store_disk_full", "The store cannot write to its disk.")


def says(result: subprocess.CompletedProcess[str], exit_code: int, message: str) -> None:
    """The command said exactly one line, which begins with `message`."""
    assert (result.returncode, result.stdout) == (exit_code, "")
    assert result.stderr.startswith(f"secondme: {message}"), result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.code)
def test_a_command_says_in_one_line_what_is_wrong_with_the_store(trouble: Trouble, server: Server, tmp_path: Path) -> None:
    trouble.begin(server)
    says(command(tmp_path, "kill", SECONDME_REDIS_URL=server.url, SECONDME_STORE__TIMEOUT_S="1"), 69, trouble.message)
    trouble.end(server)
    assert command(tmp_path, "kill", SECONDME_REDIS_URL=server.url).returncode == 0


async def lives_through(troubles: list[Trouble], server: Server, home: Path) -> None:
    write_config(
        home, WITHOUT_API + "[queue]\nlease_s = 1\nmax_attempts = 100\n[delivery]\ntimeout_s = 0.2\n[limits]\nmessages = 100000\n"
    )
    await let_in(settings_of(home, server.url), "anna")
    async with contact(home, "anna") as anna:
        with GatewayProcess(home, SECONDME_REDIS_URL=server.url, SECONDME_STORE__TIMEOUT_S="1") as gateway:
            for trouble in troubles:
                anna.say(f"before {trouble.code}")
                await until(anna, "message")
                trouble.begin(server)
                anna.say(f"during {trouble.code}")
                (refused,) = await until(anna, "refused")
                assert refused.text == trouble.code
                trouble.end(server)
                (answer,) = await until(anna, "message")
                assert f"during {trouble.code}" in answer.text
            forgetful(server)
            anna.say("after the scripts were flushed")
            assert "flushed" in (await until(anna, "message"))[0].text
            assert gateway.process.poll() is None
    assert [logged(home, f"{what}_crashed") for what in ("channel", "burst", "delivery")] == [[], [], []]


@pytest.mark.parametrize("again", [False, True], ids=["connected", "connecting"])
async def test_a_cancelled_command_never_goes_on(again: bool, store: Store) -> None:
    async def ask() -> None:
        await store.call(store.client.time())

    outcomes = []
    for steps in range(40):
        if again:
            await store.client.connection_pool.disconnect()
        running = asyncio.ensure_future(ask())
        for _ in range(steps):
            await asyncio.sleep(0)
        was_running = running.cancel()
        await asyncio.wait([running])
        outcomes.append((was_running, running.cancelled()))
    assert set(outcomes) <= {(True, True), (False, False)}
    assert (True, True) in outcomes


@pytest.mark.heavy  # 9 s: every trouble of a server, one after the other
async def test_a_gateway_lives_through_every_trouble_of_its_store_and_loses_nothing(server: Server, home: Path) -> None:
    await lives_through(TROUBLES, server, home)


async def test_a_gateway_lives_through_a_full_disk_of_its_store_and_loses_nothing(cramped: Server, home: Path) -> None:
    await lives_through([FULL], cramped, home)


def test_a_command_says_in_one_line_that_the_stores_disk_is_full(cramped: Server, tmp_path: Path) -> None:
    FULL.begin(cramped)
    says(command(tmp_path, "kill", SECONDME_REDIS_URL=cramped.url), 69, FULL.message)


def test_a_wrong_password_is_refused_in_one_line_without_repeating_it(server: Server, tmp_path: Path) -> None:
    server.raw.config_set("requirepass", "right")
    result = command(tmp_path, "status", SECONDME_REDIS_URL=f"{server.url}?password=wr0ng")
    says(result, 77, "The store refused our credentials. Correct redis_url.")
    assert "wr0ng" not in result.stderr


@pytest.mark.parametrize("url", ["http://x", "redis://localhost:s3cret", "s3cret"])
def test_a_url_that_cannot_be_used_is_a_configuration_error_and_is_not_repeated(url: str, tmp_path: Path) -> None:
    result = command(tmp_path, "status", SECONDME_REDIS_URL=url)
    says(result, 78, "redis_url cannot be used")
    assert "s3cret" not in result.stderr


@contextlib.asynccontextmanager
async def impostor(path: Path, said: bytes, hello: bytes = b"%1\r\n$5\r\nproto\r\n:3\r\n") -> AsyncIterator[str]:
    """The URL of something that speaks the wire format. Asked what it is, which a HELLO alone does, it answers with `said`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                await reader.readline()
                words.append((await reader.readline()).strip())
            answers = {b"PING": b"+PONG\r\n", b"HELLO": hello if len(words) > 1 else said}
            writer.write(answers.get(words[0], b"+OK\r\n"))
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        yield f"unix://{path}"


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        (b"%1\r\n$7\r\nversion\r\n$5\r\n6.2.6\r\n", ConfigError, "old_store_server"),
        (b"*2\r\n$7\r\nversion\r\n$5\r\n6.2.6\r\n", ConfigError, "old_store_server"),
        (b"%1\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n", ConfigError, "store_is_sentinel"),
        (b"%1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n", ConfigError, "store_is_cluster"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", UnavailableError, "store_loading"),
        (b"-MISCONF Errors writing to the AOF file\r\n", UnavailableError, "store_disk_full"),
        (b"-BUSY Redis is busy running a script\r\n", UnavailableError, "store_busy"),
        (b"-NOPERM this user has no permissions\r\n", CredentialsError, "store_forbidden"),
        (b"-NOAUTH Authentication required.\r\n", CredentialsError, "store_refused"),
        (b"-SOMETHING nobody has heard of: s3cret\r\n", UnavailableError, "store_failed"),
    ],
)
async def test_what_a_server_says_at_the_start_has_a_cause(said: bytes, kind: type[SecondmeError], code: str, home: Path) -> None:
    async with impostor(home / "s.sock", said) as url:
        with pytest.raises(kind) as caught:
            async with Store(settings_of(home, url), Role.ATTACH):
                pass
    assert caught.value.code == code
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("hello", "kind", "code"),
    [
        (b"-ERR unknown command `HELLO`, with args beginning with: `3`\r\n", ConfigError, "old_store_server"),
        (b"-NOAUTH HELLO must be called with the client already authenticated\r\n", CredentialsError, "store_refused"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", UnavailableError, "store_loading"),
    ],
)
async def test_what_a_server_says_to_a_new_connection_has_a_cause(
    hello: bytes, kind: type[SecondmeError], code: str, home: Path
) -> None:
    async with impostor(home / "s.sock", b"", hello) as url:
        with pytest.raises(kind) as caught:
            async with Store(settings_of(home, url), Role.ATTACH):
                pass
    assert caught.value.code == code
