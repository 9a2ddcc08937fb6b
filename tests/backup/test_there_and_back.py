"""What was backed up is what is restored: every key with its end, every file with its bytes, between both kinds of store."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from fakes import homes
from fakes.process import Terminal, environment
from redis import Redis
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.cli.commands.backup import describe
from secondme.core.config.models import MemorySettings
from secondme.core.files import hold
from secondme.core.media.shelf import Shelf
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.store import keys
from secondme.core.tokens import Caller, NamedTokens, TokenScope

pytestmark = pytest.mark.heavy  # several programs in each scene

PASSPHRASE = "correct horse"
FOREIGN = "somebody:else"
QUICK = Path(__file__).with_name("quick.tar.gz.age")
"""An archive as in `test_hostile`, sealed with that passphrase and a work factor of 2^10, so that opening it takes no second."""


PROGRAM = [sys.executable, "-m", "secondme", "--home"]


def do(home: Path, *words: str, **env: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *words], env=env)


def data_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout)["data"])


@pytest.fixture
def full(home: Path) -> Path:
    """A home with everything in it."""
    homes.write_files(home)
    homes.with_store(home, homes.fill_store)
    return home


def test_everything_comes_back_as_it_was_and_nothing_else(full: Path, tmp_path: Path) -> None:
    with closing(homes.open_database(full)):
        made = data_of(do(full, "backup", str(tmp_path / "b.tar.gz"), "--json"))
    before = homes.with_store(full, homes.content_of)
    new = tmp_path / "new"
    restored = data_of(do(new, "restore", str(tmp_path / "b.tar.gz"), "--yes", "--json"))
    assert homes.with_store(new, homes.content_of) == before
    assert restored["keys"] == len(before)
    assert {name: (new / name).read_text() for name in homes.FILES} == homes.FILES
    assert homes.sessions_in(new) == [("a", b"\0\xff")]
    there = {name for name in homes.tree(new) if "appendonlydir" not in name}
    assert there == {*homes.FILES, homes.DATABASE}
    assert {path.stat().st_mode & 0o077 for path in new.rglob("*")} == {0}
    assert made["contents"]["channels"] == ["whatsapp"]
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    assert not (full / "data" / "backing-up").exists()


@pytest.mark.parametrize("with_keys", [False, True], ids=["without keys", "with keys"])
def test_what_is_forgotten_is_forgotten_in_backups_too_where_memory_is_encrypted(
    full: Path, tmp_path: Path, *, with_keys: bool
) -> None:
    pytest.importorskip("sqlcipher3", reason="secondme[encrypt] is not installed")
    settings = MemorySettings(encrypt=True)
    kept = Memories(full / "data" / "memory", settings)
    for who in ("local:anna", "local:ben"):
        kept.append(who, [MemoryMessage("m1", 1_700_000_000_000, "contact", "my dog is called Bartholomew")])
    more = ["--with-memory-keys"] if with_keys else []
    made = data_of(do(full, "backup", str(tmp_path / "b.tar.gz"), *more, "--json"))  # while its files are open
    assert (made["contents"]["memories"], made["contents"]["memoryKeys"]) == (3, 2 if with_keys else 0)
    kept.forget("local:anna")
    kept.close()
    assert do(full, "restore", str(tmp_path / "b.tar.gz"), "--yes").exit_code == 0
    back = Memories(full / "data" / "memory", settings)
    assert len(back.messages("local:anna")) == (1 if with_keys else 0)
    assert len(back.messages("local:ben")) == 1  # its key was here all the time, or came with the rest
    back.close()


@pytest.mark.parametrize("with_media", [False, True], ids=["without media", "with media"])
def test_what_people_sent_is_in_a_backup_only_on_request_and_stays_here_otherwise(
    full: Path, tmp_path: Path, *, with_media: bool
) -> None:
    shelf = Shelf(full / "data" / "media", 7)
    shelf.keep("local:anna", "m1", 0, b"OggS", "audio/ogg", now_ms=1_800_000_000_000)
    (full / "data" / "models").mkdir()
    (full / "data" / "models" / "model.bin").write_bytes(b"weights")
    made = data_of(do(full, "backup", str(tmp_path / "b"), *(["--with-media"] if with_media else []), "--json"))
    assert made["contents"]["media"] == (1 if with_media else 0)
    assert do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes").exit_code == 0
    there = Shelf(tmp_path / "new" / "data" / "media", 7).find("local:anna", "m1")
    assert [path.read_bytes() for path in there.values()] == ([b"OggS"] if with_media else [])
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "new").rglob("*")} == {0}
    assert not (tmp_path / "new" / "data" / "models").exists()
    assert do(full, "restore", str(tmp_path / "b"), "--yes").exit_code == 0
    assert list(shelf.find("local:anna", "m1")) == [0]


def test_named_tokens_come_back_with_what_they_may_do(full: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    _, secret = NamedTokens(full / "data" / "api-tokens.json").make("zapier", [TokenScope.READ], now, now + timedelta(days=1))
    made = do(full, "backup", str(tmp_path / "b"))
    assert made.exit_code == 0, made.output
    restored = do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes")
    assert restored.exit_code == 0, restored.output
    found = NamedTokens(tmp_path / "new" / "data" / "api-tokens.json").caller(secret.encode(), now)
    assert found == Caller("zapier", frozenset({TokenScope.READ}))


def test_an_encrypted_backup_can_be_read_by_nobody_without_the_passphrase(home: Path, tmp_path: Path) -> None:
    file, secret = tmp_path / "b.age", tmp_path / "secret"
    secret.write_text(PASSPHRASE + "\nsecond line\n")
    assert data_of(do(home, "backup", str(file), "--passphrase-file", str(secret), "--json"))["encrypted"]
    assert file.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    assert file.stat().st_mode & 0o777 == 0o600
    assert not (home / "data" / "backing-up").exists()


@pytest.mark.slow  # a passphrase is slow by intent
def test_an_encrypted_backup_is_what_the_age_library_opens_and_comes_back(full: Path, tmp_path: Path) -> None:
    env = {"SECONDME_BACKUP_PASSPHRASE": PASSPHRASE}
    assert do(full, "backup", str(tmp_path / "b"), "--encrypt", **env).exit_code == 0
    inside = gzip.decompress(pyrage.passphrase.decrypt((tmp_path / "b").read_bytes(), PASSPHRASE))
    assert b"sk-never-shown" in inside
    assert do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes", **env).exit_code == 0
    assert (tmp_path / "new" / ".env").read_text() == homes.FILES[".env"]


def test_only_the_right_passphrase_opens_a_backup_and_it_is_gone_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = do(tmp_path / "new", "restore", str(QUICK), "--yes", SECONDME_BACKUP_PASSPHRASE="wrong horse")
    assert (refused.exit_code, refused.output.count("\n")) == (77, 1)
    assert do(tmp_path / "new", "restore", str(QUICK), "--yes").exit_code == 77
    assert homes.tree(tmp_path / "new") == {}
    monkeypatch.setenv("SECONDME_BACKUP_PASSPHRASE", PASSPHRASE)
    assert do(tmp_path / "new", "restore", str(QUICK), "--yes").exit_code == 0
    assert "SECONDME_BACKUP_PASSPHRASE" not in os.environ
    assert (tmp_path / "new" / "data" / "api.token").read_text() == "t"


def test_what_was_there_is_moved_aside_and_a_second_restore_keeps_both(full: Path, tmp_path: Path) -> None:
    assert do(full, "backup", str(tmp_path / "b")).exit_code == 0
    old = tmp_path / "old"
    homes.write_files(old)
    (old / "config.toml").write_text("# mine\n")
    (old / "data/local/mine.jsonl").write_text("mine")
    for _ in range(2):
        restored = do(old, "restore", str(tmp_path / "b"), "--yes")
        assert (restored.exit_code, "Never start the old installation again" in restored.output) == (0, True)
    after = homes.tree(old)
    assert [after[name] for name in after if name.endswith("config.toml") and "before" in name].count(b"# mine\n") == 1
    assert sum(name.endswith("mine.jsonl") for name in after) == 1
    assert "data/local/mine.jsonl" not in after
    assert after["logs/secondme.jsonl"] == b"no"


def test_a_backup_goes_through_pipes(full: Path, tmp_path: Path) -> None:
    archive, new = tmp_path / "b", tmp_path / "new"
    with archive.open("wb") as out:
        subprocess.run([*PROGRAM, str(full), "backup", "-"], stdout=out, env=environment(), check=True, timeout=60)
    with archive.open("rb") as into:
        subprocess.run([*PROGRAM, str(new), "restore", "-", "--yes"], stdin=into, env=environment(), check=True, timeout=60)
    assert homes.with_store(new, homes.content_of) == homes.with_store(full, homes.content_of)


def test_from_a_shared_server_only_ours_come_and_go_into_a_private_store(
    raw: Redis, redis_url: str, home: Path, tmp_path: Path
) -> None:
    client = Redis.from_url(redis_url)
    homes.fill_store(client, 30)
    before = homes.content_of(client)
    raw.set(FOREIGN, "their secret")
    raw.config_set("repl-diskless-sync-delay", 0)
    homes.write_files(home)
    (home / "config.toml").write_text(f'# shared\n"redis_url" = "{redis_url}"  # quoted\n\n# me\n[persona]\nname = "Sam"\n')
    with (home / ".env").open("a") as env:
        env.write(f"export SECONDME_REDIS_URL={redis_url}\n")
    assert do(home, "backup", str(tmp_path / "b")).exit_code == 0
    assert b"their secret" not in gzip.decompress((tmp_path / "b").read_bytes())
    restored = data_of(do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes", "--embedded", "--json"))
    assert restored["store"] == "embedded"
    assert homes.with_store(tmp_path / "new", homes.content_of) == before
    assert (tmp_path / "new" / "config.toml").read_text() == '# shared\n\n# me\n[persona]\nname = "Sam"\n'
    assert (tmp_path / "new" / ".env").read_text() == homes.FILES[".env"]


def test_into_a_shared_server_only_over_nothing_of_ours_or_with_a_word(
    raw: Redis, redis_url: str, full: Path, tmp_path: Path
) -> None:
    client = Redis.from_url(redis_url)
    raw.config_set("repl-diskless-sync-delay", 0)
    raw.set(FOREIGN, "theirs")
    raw.set(keys.approved("old@c.us"), "{}")
    assert do(full, "backup", str(tmp_path / "b")).exit_code == 0
    new, env = tmp_path / "new", {"SECONDME_REDIS_URL": redis_url}
    refused = do(new, "restore", str(tmp_path / "b"), "--yes", **env)
    assert (refused.exit_code, "--overwrite" in refused.output) == (78, True)
    assert set(raw.keys()) == {FOREIGN, keys.approved("old@c.us")}  # type: ignore[arg-type]
    raw.hset(keys.GATEWAYS, "somebody", json.dumps({"at": int(time.time() * 1000)}))
    assert do(new, "restore", str(tmp_path / "b"), "--yes", "--overwrite", **env).exit_code == 75
    raw.delete(keys.GATEWAYS)
    assert homes.tree(new) == {}
    result = data_of(do(new, "restore", str(tmp_path / "b"), "--yes", "--overwrite", "--json", **env))
    expected = homes.with_store(full, homes.content_of)
    assert homes.content_of(client) == {**expected, FOREIGN.encode(): (b"theirs", -1)}
    assert not (new / "data" / "store").exists()
    assert [path.name for path in (new / "data").glob("before-restore-*/redis.rdb")] == ["redis.rdb"]
    assert result["keys"] == len(expected)


def test_a_home_in_three_places_comes_back_into_them(full: Path, tmp_path: Path) -> None:
    assert do(full, "backup", str(tmp_path / "b")).exit_code == 0
    new = tmp_path / "user"
    env = {"SECONDME_HOME": "", "HOME": str(new), "XDG_CONFIG_HOME": str(new / "c"), "XDG_DATA_HOME": str(new / "d")}
    for _ in range(2):
        assert CliRunner().invoke(app, ["restore", str(tmp_path / "b"), "--yes"], env=env).exit_code == 0
    there = {name for name in homes.tree(new) if "before-restore" not in name and "appendonlydir" not in name}
    assert there == {f"d/secondme/{name[5:]}" if name.startswith("data/") else f"c/secondme/{name}" for name in homes.FILES}


def test_a_person_is_asked_before_anything_changes_and_a_passphrase_is_not_shown(tmp_path: Path) -> None:
    new = tmp_path / "new"
    with Terminal([*PROGRAM, str(new), "restore", str(QUICK)]) as terminal:
        terminal.read_until("Passphrase of the backup:")
        terminal.type(PASSPHRASE + "\n")
        terminal.read_until(r"moved aside. \[y/N\]:")
        terminal.type("n\n")
        assert terminal.ended() == 1
        assert PASSPHRASE not in terminal.output
    assert homes.tree(new) == {}
    with Terminal([*PROGRAM, str(new), "backup", "--encrypt", str(tmp_path / "c")]) as terminal:
        for pattern, typed in (
            (r"backup: $", PASSPHRASE),
            (r"more: $", "another"),
            (r"differ[^$]*backup: $", "short"),
            (r"more: $", "short"),
        ):
            terminal.read_until(pattern)
            terminal.type(typed + "\n")
        assert terminal.ended() == 77
    assert not (tmp_path / "c").exists()


def test_what_is_in_a_backup_is_counted_in_words() -> None:
    contents = {"settings": True, "secrets": False, "personas": 1, "skills": 1, "channels": [], "mail": 2}
    contents |= {"memories": 3, "storeBytes": 2048}
    assert describe(contents) == "settings, 1 persona, 1 skill, mail of 2 local contacts, memory of 3 contacts, a store of 2.0 kB"


def test_what_is_over_stays_gone(home: Path, tmp_path: Path) -> None:
    def fill(client: Redis) -> None:
        client.set(keys.told("a"), "1", px=1)
        client.set(keys.told("b"), "1", px=700)
        client.set(keys.approved("c"), "1")
        client.hset(keys.GATEWAYS, "all-1", "{}")  # another home's sign of life

    homes.with_store(home, fill)
    assert do(home, "backup", str(tmp_path / "b")).exit_code == 0
    time.sleep(0.8)
    assert data_of(do(tmp_path / "new", "restore", str(tmp_path / "b"), "--yes", "--json"))["keys"] == 1
    assert set(homes.with_store(tmp_path / "new", homes.content_of)) == {keys.approved("c").encode()}


def test_a_live_gateway_or_a_running_store_is_not_restored_over(full: Path, tmp_path: Path) -> None:
    assert do(full, "backup", str(tmp_path / "b")).exit_code == 0
    before = homes.tree(full)
    for name, code in (("gateway.lock", "gateway_running"), ("store/lock", "store_in_use")):
        held = hold(full / "data" / name)
        assert held is not None
        refused = do(full, "restore", str(tmp_path / "b"), "--yes", "--json")
        assert (refused.exit_code, json.loads(refused.stdout)["errors"][0]["code"]) == (75, code)
        os.close(held)
    assert homes.tree(full) == before


def test_nothing_is_asked_without_a_terminal_and_nothing_is_overwritten_unasked(full: Path, tmp_path: Path) -> None:
    assert do(full, "backup", str(tmp_path / "b")).exit_code == 0
    again = do(full, "backup", str(tmp_path / "b"))
    assert (again.exit_code, "--overwrite" in again.output) == (78, True)
    assert do(full, "backup", str(tmp_path / "b"), "--overwrite").exit_code == 0
    new = tmp_path / "new"
    assert do(new, "restore", str(tmp_path / "b")).exit_code == 2
    assert do(new, "restore", str(tmp_path / "b"), "--dry-run").exit_code == 0
    assert homes.tree(new) == {}
    assert do(new, "restore").exit_code == 65
    assert do(full, "backup", str(tmp_path / "c"), "--encrypt").exit_code == 77
    assert do(full, "backup", str(tmp_path / "c"), "--encrypt", SECONDME_BACKUP_PASSPHRASE="short").exit_code == 77
    assert not (tmp_path / "c").exists()


def test_a_database_that_is_locked_is_said_and_not_torn(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secondme.core.backup.backup._TRIES", 2)
    with closing(homes.open_database(full)) as db, closing(sqlite3.connect(full / homes.DATABASE)):
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("BEGIN EXCLUSIVE")
        result = do(full, "backup", str(tmp_path / "b"))
    assert (result.exit_code, result.output.count("\n")) == (65, 1)
    assert list(tmp_path.glob("*b*")) == []
