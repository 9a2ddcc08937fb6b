"""Homes that share a server: a backup holds one of them, and comes back into any other place, without touching the rest."""

import gzip
from pathlib import Path

import pytest
from backup.test_there_and_back import data_of, do
from fakes import homes
from fakes.redis_servers import RedisCluster, redis_cluster
from redis import Redis
from redis.crc import key_slot

from secondme.core.store import keys

pytestmark = pytest.mark.heavy  # servers, and several programs in each scene
HOMES = ("mia", "leo")
Content = dict[bytes, tuple[object, int]]


def moved_into(client: Redis, namespace: str) -> None:
    """What is in no namespace is in this one."""
    for name in list(client.scan_iter(count=1000)):
        if not name.startswith(b"{"):
            client.rename(name, b"{%s}:%s" % (namespace.encode(), name))


def of_home(content: Content, namespace: str) -> Content:
    beginning = b"{%s}:" % namespace.encode()
    return {name.removeprefix(beginning): value for name, value in content.items() if name.startswith(beginning)}


@pytest.fixture
def crowded(redis_url: str, raw: Redis) -> Content:
    """Two homes and one without a namespace in one server; what is there."""
    client = Redis.from_url(redis_url)
    for number, namespace in enumerate((*HOMES, "")):
        homes.fill_store(client, 20 + number)
        client.set(keys.history("local:canary"), f"canary of {namespace or 'nobody'}")
        if namespace:
            moved_into(client, namespace)
    raw.config_set("repl-diskless-sync-delay", 0)
    content: Content = homes.content_of(client)
    client.close()
    return content


def written(home: Path, url: str, namespace: str) -> Path:
    homes.write_files(home)
    (home / "config.toml").write_text(f'redis_url = "{url}"\nredis_namespace = "{namespace}"\n')
    return home


def test_a_backup_holds_ones_own_home_and_comes_back_into_a_private_store(
    crowded: Content, redis_url: str, home: Path, tmp_path: Path
) -> None:
    written(home, redis_url, "mia")
    assert do(home, "backup", str(tmp_path / "b")).exit_code == 0
    whole = gzip.decompress((tmp_path / "b").read_bytes())
    assert b"canary of mia" in whole
    assert b"canary of leo" not in whole
    assert b"canary of nobody" not in whole
    assert data_of(do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes", "--embedded", "--json"))["keys"] == len(
        of_home(crowded, "mia")
    )
    found = homes.with_store(tmp_path / "new", homes.content_of)
    assert found == {name: value for name, value in of_home(crowded, "mia").items() if name != keys.BACKUP_AT.encode()}


def test_a_backup_comes_back_into_another_namespace_and_touches_nobody_else(
    crowded: Content, redis_url: str, home: Path, tmp_path: Path
) -> None:
    written(home, redis_url, "mia")
    assert do(home, "backup", str(tmp_path / "b")).exit_code == 0
    client = Redis.from_url(redis_url)
    for namespace, word, code in (("ada", [], 0), ("leo", [], 78), ("leo", ["--overwrite"], 0)):
        env = {"SECONDME_REDIS_URL": redis_url, "SECONDME_REDIS_NAMESPACE": namespace}
        new = tmp_path / f"new-{namespace}-{code}"
        assert do(new, "restore", str(tmp_path / "b"), "--yes", *word, **env).exit_code == code
    after: Content = homes.content_of(client)
    ours = of_home(crowded, "mia")
    assert of_home(after, "ada") == of_home(after, "leo") == ours
    unnamed = {name: value for name, value in crowded.items() if not name.startswith(b"{")}
    assert {name: value for name, value in after.items() if not name.startswith(b"{")} == unnamed


def in_cluster(cluster: RedisCluster, namespace: str) -> Content:
    client = cluster.owner(key_slot(b"{%s}" % namespace.encode())).raw
    return of_home(homes.content_of(client), namespace)


def test_a_home_moves_into_a_cluster_and_from_it_into_another_one(
    crowded: Content, redis_url: str, home: Path, tmp_path: Path
) -> None:
    written(home, redis_url, "mia")
    assert do(home, "backup", str(tmp_path / "b")).exit_code == 0
    ours = of_home(crowded, "mia")
    with redis_cluster(tmp_path / "servers", None, "--repl-diskless-sync-delay", "0") as cluster:
        env = {"SECONDME_REDIS_URL": cluster.url, "SECONDME_REDIS_NAMESPACE": "zoe"}
        assert do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes", **env).exit_code == 0
        assert in_cluster(cluster, "zoe") == ours
        assert do(tmp_path / "new", "backup", str(tmp_path / "c"), **env).exit_code == 0
    assert do(tmp_path / "last", "restore", str(tmp_path / "c"), "--yes", "--embedded").exit_code == 0
    found = homes.with_store(tmp_path / "last", homes.content_of)
    assert {name: value for name, value in found.items() if name != keys.BACKUP_AT.encode()} == ours
