"""A store that answers and takes nothing new, because what it took it could not keep: said once, with advice that works; and then it is over."""

import os
from pathlib import Path

import pytest
from fakes.process import GatewayProcess
from health.rig import Ward, holding, until
from redis import Redis
from redis.exceptions import ResponseError

from secondme.core.store import keys


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
        seen = own.doctor()
        assert (seen.findings, seen.status("gateway") in {"not_checked", "ok"}) == ({}, True)
        until(lambda: own.doctor("gateway").status("gateway") == "ok")
        assert gateway.process.poll() is None
