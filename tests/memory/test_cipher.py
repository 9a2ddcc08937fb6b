"""Encrypted memories: a key a contact, turned on and off over what is there, and gone with whoever is forgotten."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from secondme.core.config.models import MemorySettings
from secondme.core.errors import DataError
from secondme.core.memory.cipher import MemoryKeys, connect, copy_encrypted, is_plain
from secondme.core.memory.facts import Spoken, facts_in
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.query import read_query
from secondme.core.messages import Speaker

ANNA, BEN = "local:anna", "local:ben"
WORDS = "my dog is called Bartholomew"

READS = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("begin")
print(*other.execute("select count(*) from message").fetchone(), flush=True)
sys.stdin.read()
"""
"""A process of its own: locks are a process's."""

pytest.importorskip("sqlcipher3", reason="secondme[encrypt] is not installed")


def memories(folder: Path, *, encrypt: bool) -> Memories:
    return Memories(folder / "memory", MemorySettings(encrypt=encrypt))


def remember(kept: Memories, contact: str) -> None:
    kept.append(
        contact, [MemoryMessage("m1", 1_700_000_000_000, "contact", WORDS), MemoryMessage("m2", 1_700_000_001_000, "owner", "ha")]
    )
    kept.add_facts(contact, facts_in(Spoken("m1", 1_700_000_000_000, Speaker.CONTACT, WORDS)))
    kept.keep_vectors(contact, "toy", {"m1": [0.6, 0.8]})


def held(kept: Memories, contact: str) -> tuple[object, ...]:
    """All that a memory has, and one search of it."""
    found = [each.message.id for each in kept.search([contact], read_query("what is the dog called?"))]
    facts = [each.fact.object for each in kept.facts(contact)]
    return kept.messages(contact), facts, kept.meanings(contact, "toy", [1.0, 0.0]), found


def keys_of(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "memory-keys").glob("*.key"))


def test_no_word_and_no_token_is_in_an_encrypted_file(tmp_path: Path) -> None:
    plain, hidden = memories(tmp_path / "plain", encrypt=False), memories(tmp_path / "hidden", encrypt=True)
    for kept in (plain, hidden):
        remember(kept, ANNA)
    assert held(hidden, ANNA) == held(plain, ANNA)
    assert held(hidden, ANNA)[1] == ["Bartholomew"]
    assert plain.left_of(["Bartholomew", "bartholomew"])
    assert not hidden.left_of(["Bartholomew", "bartholomew", "SQLite", "fts5"])
    (key,) = (tmp_path / "hidden" / "memory-keys").iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    assert keys_of(tmp_path / "plain") == []


def test_each_contact_has_a_key_of_its_own(tmp_path: Path) -> None:
    kept = memories(tmp_path, encrypt=True)
    for contact in (ANNA, BEN):
        remember(kept, contact)
    assert len({path.read_text() for path in (tmp_path / "memory-keys").iterdir()}) == 2
    kept.forget(ANNA)
    assert len(keys_of(tmp_path)) == 1
    assert held(kept, BEN)[1] == ["Bartholomew"]


@pytest.mark.parametrize("first", [False, True], ids=["on", "off"])
def test_it_is_turned_on_and_off_over_what_is_there(first: bool, tmp_path: Path) -> None:
    before = memories(tmp_path, encrypt=first)
    remember(before, ANNA)
    had = held(before, ANNA)
    before.close()
    after = memories(tmp_path, encrypt=not first)
    assert held(after, ANNA) == had
    assert bool(after.left_of(["Bartholomew"])) is first
    after.append(ANNA, [MemoryMessage("m3", 1_700_000_002_000, "contact", "woof")])
    after.close()
    again = memories(tmp_path, encrypt=first)
    assert [each.id for each in again.messages(ANNA)] == ["m1", "m2", "m3"]
    assert not list((tmp_path / "memory").glob(".*"))


def test_a_file_that_another_process_has_open_is_encrypted_once_that_is_gone(tmp_path: Path) -> None:
    plain = memories(tmp_path, encrypt=False)
    remember(plain, ANNA)
    (path,) = (tmp_path / "memory").glob("*.db")
    plain.close()
    reading = [sys.executable, "-c", READS, str(path)]
    with subprocess.Popen(reading, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "2\n"
        busy = memories(tmp_path, encrypt=True)
        assert len(busy.messages(ANNA)) == 2
        assert is_plain(path)
        busy.append(ANNA, [MemoryMessage("m3", 1_700_000_002_000, "contact", "woof")])
        busy.close()
        other.communicate("done")
    assert len(memories(tmp_path, encrypt=True).messages(ANNA)) == 3
    assert not is_plain(path)


def test_without_its_key_a_file_is_set_aside_and_nothing_of_it_is_read(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    kept = memories(tmp_path, encrypt=True)
    remember(kept, ANNA)
    kept.close()
    (key,) = (tmp_path / "memory-keys").iterdir()
    key.unlink()
    for encrypt in (True, False):
        assert memories(tmp_path, encrypt=encrypt).messages(ANNA) == []
    assert capfd.readouterr() == ("", "")
    key.write_text("no key")
    key.chmod(0o600)
    with pytest.raises(DataError):
        remember(memories(tmp_path, encrypt=True), ANNA)


def test_a_copy_is_whole_while_somebody_writes_and_needs_the_same_key(tmp_path: Path) -> None:
    kept = memories(tmp_path, encrypt=True)
    remember(kept, ANNA)
    (source,) = (path for path in kept.all_files() if path.suffix == ".db")
    key = MemoryKeys(tmp_path / "memory-keys").find(source.stem)
    assert key
    copy_encrypted(source, tmp_path / "copy.db", key)
    assert not is_plain(tmp_path / "copy.db")
    with closing(connect(tmp_path / "copy.db", key)) as copy:
        assert copy.execute("select count(*) from message").fetchone() == (2,)
    with pytest.raises(DataError):
        copy_encrypted(source, tmp_path / "other.db", "ab" * 32)
