"""What can be wrong with the store: each fault is made on a real server, found alone, mended by the printed fix, and gone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.process import GatewayProcess, command, data_of, settings_of
from health.rig import Seen, Ward, address_of, free_port, holding, until, valkey
from health.servers import OK, UNKNOWN, greeting, little_redis, silence
from redis import Redis
from redis.exceptions import ResponseError

from secondme.core.doctor.store import MOST_KEYS
from secondme.core.store import keys

PASSWORD = "zqRightPasswordzq"


def test_a_server_that_is_stopped(ward: Ward, tmp_path: Path) -> None:
    port = free_port()
    ward.configure(redis_url=f"redis://127.0.0.1:{port}")
    finding = ward.is_found("store-unreachable", "the store's server is stopped")
    assert f"127.0.0.1:{port}" in finding["what"]
    assert finding["fix"].startswith("Start that server")
    with valkey(tmp_path, port):
        ward.is_clean()


def test_what_needs_the_store_says_so_once(ward: Ward) -> None:
    ward.configure(redis_url=f"redis://127.0.0.1:{free_port()}")
    text = ward.run("doctor").stdout
    assert text.count("the store does not answer") == 1
    assert text.count("✗") == 1
    assert "Not checked, because the store does not answer: Persistence, Scripts, Queue, Dead letters" in text


def test_a_wrong_password(elsewhere: Ward, spare: Redis) -> None:
    spare.config_set("requirepass", PASSWORD)
    assert elsewhere.doctor("store").only("store-refused")  # without any
    elsewhere.configure(redis_url=address_of(spare, "default", "zqWrongPasswordzq"))
    finding = elsewhere.is_found("store-refused", "the store's password is wrong")
    assert "Passwordzq" not in elsewhere.run("doctor").output
    elsewhere.mend(finding, stdin=address_of(spare, "default", PASSWORD) + "\n")
    elsewhere.is_clean()


def test_a_read_only_replica(elsewhere: Ward, spare: Redis, tmp_path: Path) -> None:
    with valkey(tmp_path, repl_diskless_sync_delay="0") as primary:
        spare.replicaof("127.0.0.1", primary.connection_pool.connection_kwargs["port"])
        finding = elsewhere.is_found("store-read-only", "the store is a read-only replica")
        with pytest.raises(ResponseError):
            spare.set("x", 1)
        elsewhere.mend(finding, stdin=address_of(primary) + "\n")
        elsewhere.is_clean()


def test_a_server_that_is_too_old(ward: Ward, tmp_path: Path) -> None:
    answers = {"HELLO": greeting("6.2.14"), "CLIENT": OK, "PING": b"+PONG\r\n"}
    with little_redis(lambda words: answers.get(words[0].upper(), UNKNOWN)) as port:
        ward.configure(redis_url=f"redis://127.0.0.1:{port}")
        finding = ward.is_found("store-too-old", "the store's server is Redis 6.2")
    assert "6.2.14" in finding["what"]
    with valkey(tmp_path, port):
        ward.is_clean()


def test_a_server_that_takes_connections_and_says_nothing(ward: Ward, tmp_path: Path) -> None:
    with silence() as port:
        ward.configure(redis_url=f"redis://127.0.0.1:{port}")
        ward.is_found("store-slow", "the store hangs")
    with valkey(tmp_path, port):
        ward.is_clean()


def test_an_address_that_is_none(ward: Ward, redis_url: str) -> None:
    ward.configure(redis_url="localhost:6379")
    ward.mend(ward.is_found("store-bad-url", "redis_url is no address"), stdin=redis_url + "\n")
    ward.is_clean()


@pytest.mark.parametrize(("most", "identity"), [("{used}", "store-out-of-memory"), ("{more}", "store-memory-high")])
def test_a_server_whose_memory_is_full(elsewhere: Ward, spare: Redis, most: str, identity: str) -> None:
    for part in range(80):  # in small parts: buffers of large ones come and go
        spare.mset({f"filler{part}-{each}": "x" * 5000 for each in range(100)})
    used = int(spare.info("memory")["used_memory"])
    spare.config_set("maxmemory", most.format(used=used // 2, more=used * 107 // 100))
    finding = elsewhere.is_found(identity, f"maxmemory is {'reached' if 'out' in identity else 'near'}")
    if "out" in identity:
        with pytest.raises(ResponseError):
            spare.set("x", 1)
    assert "redis-cli CONFIG SET maxmemory 0" in finding["fix"]
    spare.config_set("maxmemory", "0")
    elsewhere.is_clean()


@pytest.mark.parametrize(
    ("name", "value", "identity"), [("maxmemory-policy", "allkeys-lru", "store-evicts"), ("appendonly", "no", "store-forgets")]
)
def test_a_server_that_is_set_up_as_a_cache(elsewhere: Ward, spare: Redis, name: str, value: str, identity: str) -> None:
    before = spare.config_get(name)[name]
    spare.config_set(name, value)
    finding = elsewhere.is_found(identity, f"{name} is {value}")
    _, _, command = finding["fix"].partition("redis-cli ")
    assert command.split(",")[0] == f"CONFIG SET {name} {before}"
    spare.execute_command(*command.split(",")[0].split())
    elsewhere.is_clean()


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    path = tmp_path / "tiny"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], check=False, capture_output=True).returncode:
        pytest.skip("no disk of our own can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_server_that_cannot_write_to_its_disk(ward: Ward, tiny: Path) -> None:
    with valkey(tiny) as server:
        ward.configure(redis_url=address_of(server))
        filler = tiny / "filler"
        filler.write_bytes(b"x" * (os.statvfs(tiny).f_bavail * os.statvfs(tiny).f_frsize))
        server.set("big", "x" * 100_000)
        until(lambda: server.info("persistence")["aof_last_write_status"] == "err")
        ward.is_found("store-not-writing", "the store's disk is full")
        filler.unlink()
        until(lambda: server.info("persistence")["aof_last_write_status"] == "ok")
        ward.is_clean()


def test_a_private_server_whose_data_is_damaged(own: Ward, tmp_path: Path) -> None:
    data = own.home / "data" / "store" / "appendonlydir"
    shutil.copytree(data, tmp_path / "kept")
    (appended,) = data.glob("*.incr.aof")
    appended.write_bytes(b"*3\r\n$3\r\nSET\r\nthis is no command at all" + appended.read_bytes())
    own.is_found("store-damaged", "the private server's data is damaged")
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "kept", data)
    own.is_clean()


def test_a_private_server_that_outlived_its_owner(own: Ward) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    process = holding(own.home / "data" / "store" / "lock", f'{{"pid": {gone.pid}, "role": "serve"}}')
    try:
        finding = own.is_found("store-orphaned", "the private server's owner is gone")
        assert finding["fix"] == f"kill {process.pid}"
        own.mend(finding)
    finally:
        process.kill()
        process.wait()
    own.is_clean()


def test_a_gateway_that_is_frozen_with_its_server(own: Ward) -> None:
    lock = own.home / "data" / "store" / "lock"
    process = holding(lock, f'{{"pid": {os.getpid()}, "role": "serve"}}')
    lock.write_text(f'{{"pid": {process.pid}, "role": "serve"}}')
    try:
        process.send_signal(signal.SIGSTOP)
        own.mend(own.is_found("store-not-answering", "the private server hangs"))
    finally:
        process.kill()
        process.wait()
    own.is_clean()


def test_a_program_that_is_not_there(own: Ward) -> None:
    own.configure('[store]\nserver = "/nowhere/valkey-server"\n')
    seen = own.doctor("store-server")
    finding = seen.only("store-binary-missing")
    own.ledger.append(("store.server is no program", "store-binary-missing", finding["severity"], finding["fix"]))
    own.mend(finding)
    own.is_clean()


def test_a_private_server_and_its_gateways_api_are_looked_at_while_they_run(own: Ward) -> None:
    with GatewayProcess(own.home):
        until(lambda: own.doctor("gateway").status("gateway") == "ok")
        assert own.doctor("api").status("api") == "not_checked"  # it has just started
        until((own.home / "data" / "api.sock").exists)
        for name in ("config.toml", ".env"):
            os.utime(own.home / name, (0, 0))  # older than that start

        def looked_at() -> Seen:
            """What the doctor says of a gateway that started long ago; its own next sign of life says otherwise again."""
            with Redis(unix_socket_path=str(own.home / "data" / "store.sock")) as raw:
                ((instance, sign),) = raw.hgetall(keys.GATEWAYS).items()
                raw.hset(keys.GATEWAYS, instance, json.dumps({**json.loads(sign), "startedAt": 1}))
            return own.doctor()

        until(lambda: (seen := looked_at()).status("api") == "ok" and not seen.findings)
        assert own.doctor("store").checks["store"]["detail"].startswith("Connected (private server")


def test_a_gateway_that_runs_on_another_store_than_the_settings_name(own: Ward, redis_url: str) -> None:
    with GatewayProcess(own.home):
        until((own.home / "data" / "api.sock").exists)
        Redis.from_url(redis_url).flushall()

        def found() -> list[str]:
            seen = command(own.home, "doctor", "gateway", "--json", SECONDME_REDIS_URL=redis_url)
            return [finding["id"] for check in data_of(seen)["checks"] for finding in check["findings"]]

        until(lambda: found() != ["check-timed-out"])  # the first call of the gateway's life is slow on a busy machine
        assert found() == ["gateway-elsewhere"]


class Unsaved:
    """A real server that cannot write a snapshot: something else has its name in `directory`. It refuses new data if it relies on them."""

    def __init__(self, server: Redis, directory: Path) -> None:
        self.server, self.blocker = server, directory / "dump.rdb"

    def begin(self) -> None:
        self.server.config_set("save", "3600 1")
        self.blocker.unlink(missing_ok=True)
        self.blocker.mkdir()
        self.server.set("new", "x")
        self.tried("err")

    def end(self) -> None:
        self.blocker.rmdir()
        self.tried("ok")
        self.server.config_set("save", "")

    def tried(self, word: str) -> None:
        """What `redis-cli BGSAVE` came to."""
        self.server.bgsave()
        until(lambda: self.server.info("persistence")["rdb_bgsave_in_progress"] == 0)
        assert self.server.info("persistence")["rdb_last_bgsave_status"] == word


def test_a_server_that_refuses_what_it_cannot_keep(elsewhere: Ward, spare: Redis) -> None:
    process = holding(elsewhere.home / "data" / "gateway.lock", "1")
    unsaved = Unsaved(spare, Path(spare.config_get("dir")["dir"]))
    unsaved.begin()
    try:
        finding = elsewhere.is_found("store-not-writing", "the store cannot write a snapshot and refuses")
        with pytest.raises(ResponseError, match="MISCONF"):
            spare.set("x", 1)
        text = elsewhere.run("doctor").stdout
        assert "Not checked, because the store does not answer" not in text  # it does
        status = elsewhere.run("status")
        assert (status.exit_code, "takes nothing new" in status.stdout, "0 waiting" in status.stdout) == (1, True, True)
        assert "serve" not in status.stdout
        assert finding["fix"].endswith("then: redis-cli BGSAVE")
    finally:
        unsaved.end()
        process.kill()
        process.wait()
    assert list(elsewhere.doctor().findings) == ["gateway-down"]


@pytest.mark.parametrize("what", ["snapshot", "rewriting the append-only file"])
def test_a_server_that_goes_on_although_a_write_failed(elsewhere: Ward, spare: Redis, what: str) -> None:
    directory = Path(spare.config_get("dir")["dir"])
    (directory / "dump.rdb").unlink(missing_ok=True)
    blockers = [directory / "dump.rdb"] if what == "snapshot" else _next_bases(directory)
    for blocker in blockers:
        blocker.mkdir()
    command, field = ("BGSAVE", "rdb_last_bgsave_status") if what == "snapshot" else ("BGREWRITEAOF", "aof_last_bgrewrite_status")
    spare.execute_command(command)
    until(lambda: spare.info("persistence")[field] == "err")
    try:
        finding = elsewhere.is_found("store-write-failed", f"{what} failed")
        assert spare.set("x", 1)
    finally:
        for blocker in blockers:
            blocker.rmdir()
    spare.execute_command(finding["fix"].partition("redis-cli ")[2])
    until(lambda: spare.info("persistence")[field] == "ok")
    elsewhere.is_clean()


def _next_bases(directory: Path) -> list[Path]:
    """The names of which the next rewritten file takes one."""
    folder = directory / "appendonlydir"
    return [path for n in range(1, 9) if not (path := folder / f"appendonly.aof.{n}.base.rdb").exists()]


@pytest.mark.heavy  # 6 s: a gateway whose server may not write for a while
def test_a_private_server_that_refuses_and_a_gateway_that_goes_on_when_it_is_over(own: Ward) -> None:
    store = own.home / "data" / "store"
    with GatewayProcess(own.home) as gateway, Redis(unix_socket_path=str(own.home / "data" / "store.sock")) as raw:
        until((own.home / "data" / "api.sock").exists)
        until(lambda: raw.hlen(keys.GATEWAYS) == 1)
        for name in ("config.toml", ".env"):
            os.utime(own.home / name, (0, 0))  # older than that start
        unsaved = Unsaved(raw, store)
        unsaved.begin()
        until(
            lambda: own.doctor("persistence").only("store-not-writing")["fix"] == f"Free space for {store}; it goes on by itself."
        )
        assert list(own.doctor().findings) == ["store-not-writing"]
        unsaved.end()
        raw.delete(keys.GATEWAYS)  # as when it was over after the last sign had been forgotten
        until(lambda: (seen := own.doctor()).status("gateway") in {"not_checked", "ok"} and not seen.findings)
        until(lambda: own.doctor("gateway").status("gateway") == "ok")
        assert gateway.process.poll() is None


BROKEN = [
    (keys.seen("local:anna"), "record-broken"),
    (keys.mailbox("local:anna"), "record-broken"),
    (keys.HELD_INDEX, "index-broken"),
    (keys.QUEUE, "index-broken"),
    (keys.QUEUE_ACTIVE, "index-broken"),
    (keys.outbox_due("local"), "index-broken"),
    (keys.approved("local:anna"), "record-undecided"),
    (keys.denied("local:anna"), "record-undecided"),
]


@pytest.mark.parametrize(("key", "identity"), BROKEN, ids=[key for key, _ in BROKEN])
def test_a_key_of_the_wrong_type(elsewhere: Ward, spare: Redis, key: str, identity: str) -> None:
    spare.delete(key)
    spare.rpush(key, "wrong") if key != keys.mailbox("local:anna") else spare.set(key, "wrong")
    finding = elsewhere.doctor("store").only(identity)
    assert key in finding["what"]
    status = elsewhere.run("status")
    assert "Traceback" not in status.output
    elsewhere.mend(finding)
    assert elsewhere.doctor("store").findings == {}
    if identity != "record-undecided":
        assert spare.type(keys.broken(key)) != "none"
        assert spare.ttl(keys.broken(key)) > 0


def test_a_held_reply_is_in_its_index_again_after_the_index_was_broken(elsewhere: Ward, spare: Redis) -> None:
    spare.rpush(keys.held("local:anna"), "{}")
    spare.set(keys.HELD_INDEX, "wrong")
    elsewhere.mend(elsewhere.doctor("store").only("index-broken"))
    assert spare.zrange(keys.HELD_INDEX, 0, -1) == ["local:anna"]


def test_mail_that_no_index_knows(elsewhere: Ward, spare: Redis) -> None:
    mail = {"messageId": "m", "contactId": "local:anna", "channelId": "local", "content": "hi", "timestamp": 1}
    spare.rpush(keys.inbox("local:anna"), json.dumps(mail))
    finding = elsewhere.doctor("store").only("mail-outside-queue")
    elsewhere.mend(finding)
    assert elsewhere.doctor("store").findings == {}
    assert (spare.smembers(keys.QUEUE_ACTIVE), spare.xlen(keys.QUEUE)) == ({"local:anna"}, 1)


def test_a_store_that_is_too_large_to_be_looked_at_whole(elsewhere: Ward, spare: Redis) -> None:
    assert "first" not in elsewhere.doctor("store").checks["store"]["detail"]
    spare.mset({f"other:{number}": "" for number in range(MOST_KEYS + 2000)})
    seen = elsewhere.doctor("store").checks["store"]
    told = re.search(r"; only the first ([\d,]+) records were looked at$", seen["detail"])
    assert told, seen
    assert 0 < int(told[1].replace(",", "")) <= MOST_KEYS + 1000


def test_another_database_of_an_external_server_is_noticed(ward: Ward, tmp_path: Path) -> None:
    with valkey(tmp_path) as spare:
        port = spare.connection_pool.connection_kwargs["port"]
        ward.configure(redis_url=f"redis://127.0.0.1:{port}/0")
        assert ward.run("pairing", "approve", "telegram:1001").exit_code == 0
        with GatewayProcess(ward.home):
            seen = settings_of(ward.home).places.witness
            until(lambda: seen.exists() and json.loads(seen.read_text())["approved"] == 1)
        assert ward.doctor("store").findings == {}
        ward.configure(redis_url=f"redis://127.0.0.1:{port}/1")
        finding = ward.doctor("store").only("store-lost-people")
        assert "0 of the 1" in finding["what"]
        ward.configure(redis_url=f"redis://127.0.0.1:{port}/0")
        assert ward.doctor("store").findings == {}


def test_a_namespace_that_was_set_for_a_home_with_people(ward: Ward, spare: Redis) -> None:
    ward.configure(redis_url=address_of(spare))
    assert ward.run("pairing", "approve", "telegram:1001").exit_code == 0
    with GatewayProcess(ward.home):
        seen = settings_of(ward.home).places.witness
        until(lambda: seen.exists() and json.loads(seen.read_text())["approved"] == 1)
    assert ward.run("config", "set", "redis_namespace", "mia").exit_code == 0
    finding = ward.doctor("store").only("store-outside-namespace")
    assert "mia" in finding["what"]
    ward.mend(finding)
    assert ward.doctor("store").findings == {}


def test_a_user_who_lacks_a_right(elsewhere: Ward, spare: Redis) -> None:
    narrow = f"on >{PASSWORD} ~* &* +@all -@scripting"
    spare.execute_command("ACL", "SETUSER", "narrow", *narrow.split())
    elsewhere.configure(redis_url=address_of(spare, "narrow", PASSWORD))
    finding = elsewhere.is_found("store-forbidden", "the store's user may not run scripts")
    assert "EVALSHA" in finding["what"]
    spare.execute_command("ACL", "SETUSER", "narrow", "+@scripting")
    elsewhere.is_clean()
    assert spare.exists(keys.PROBE) == 0


def test_a_user_who_may_not_ask_for_info_is_served_and_what_is_not_known_is_said(elsewhere: Ward, spare: Redis) -> None:
    spare.execute_command("ACL", "SETUSER", "narrow", *["on", f">{PASSWORD}", "~*", "&*", "+@all", "-info", "-config"])
    elsewhere.configure(redis_url=address_of(spare, "narrow", PASSWORD))
    seen = elsewhere.doctor()
    assert (seen.findings, seen.exit_code) == ({}, 0), seen
    assert "may not ask (INFO)" in str(seen.checks["persistence"])
