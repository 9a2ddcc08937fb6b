"""A backup that somebody else made, or that a disk has eaten: one clear line, the right exit code, and nothing touched."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest
from fakes import homes
from fakes.size import sized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from secondme.cli.app import app
from secondme.core.backup.archive import read_archive
from secondme.core.errors import DataError

Parts = list[tuple[tarfile.TarInfo, bytes]]
RDB = b"REDIS0011" + b"\xff" + bytes(8)
TOKEN = "data/api.token"
QUICK = Path(__file__).with_name("quick.tar.gz.age")


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def said(inside: dict[str, bytes], /, **changes: object) -> bytes:
    """A manifest that names these members; `changes` are other values of it."""
    rows = [{"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in inside.items()]
    manifest = {"format": 1, "version": "0.1.0", "madeAt": 1_800_000_000_000, "storeKind": "embedded", "members": rows}
    return json.dumps({**manifest, **changes}).encode()


def packed(parts: Parts) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, data in parts:
            tar.addfile(info, io.BytesIO(data) if info.type == tarfile.REGTYPE else None)
    return raw.getvalue()


def whole(members: dict[str, bytes] | None = None, **changes: object) -> bytes:
    """An archive whose manifest and members agree."""
    inside = {"store.rdb": RDB, **(members or {})}
    return packed([entry("manifest.json", said(inside, **changes)), *(entry(name, data) for name, data in inside.items())])


def promising(*rows: tuple[str, int]) -> bytes:
    """An archive of a store whose manifest names other members, or of another size."""
    listed = [{"name": name, "size": size, "sha256": hashlib.sha256(RDB).hexdigest()} for name, size in rows]
    return packed([entry("manifest.json", said({}, members=listed)), entry("store.rdb", RDB)])


def instead(*parts: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive in which these come where the manifest promises the store and a token."""
    return packed([entry("manifest.json", said({"store.rdb": RDB, TOKEN: b"t"})), *parts])


def bomb() -> bytes:
    """Two gigabytes of nothing in some kilobytes, in the place of what the manifest promises."""
    raw = io.BytesIO()
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=9) as zipped:
        for info, data in [entry("manifest.json", said({"store.rdb": RDB}))]:
            zipped.write(info.tobuf() + data.ljust(-(-len(data) // 512) * 512, b"\0"))
        zipped.write(entry("store.rdb")[0].tobuf().replace(b"00000000000\0", b"20000000000\0", 1))
        for _ in range(64):
            zipped.write(bytes(1024 * 1024))
    return raw.getvalue()


def a_key() -> pyrage.x25519.Recipient:
    return pyrage.x25519.Identity.generate().to_public()


STORE = entry("store.rdb", RDB)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not_a_backup"),
    "text": (lambda: b"hello\n" * 100, "not_a_backup"),
    "gzip of text": (lambda: gzip.compress(b"hello" * 1000), "not_a_backup"),
    "another tar": (lambda: packed([entry("hello.txt", b"hello")]), "not_a_backup"),
    "zip": (lambda: b"PK\3\4" + bytes(200), "not_a_backup"),
    "truncated": (lambda: whole()[:-30], "not_a_backup"),
    "half": (lambda: whole({TOKEN: b"x" * 10_000})[:200], "not_a_backup"),
    "tail of garbage": (lambda: whole() + b"garbage", "not_a_backup"),
    "wrong hash": (lambda: instead(STORE, entry(TOKEN, b"u")), "backup_damaged"),
    "wrong size": (lambda: instead(STORE, entry(TOKEN, b"tt")), "backup_damaged"),
    "missing member": (lambda: instead(STORE), "backup_damaged"),
    "one more": (lambda: instead(STORE, entry(TOKEN, b"t"), entry("data/local/x", b"x")), "not_a_backup"),
    "no store": (lambda: packed([entry("manifest.json", said({TOKEN: b"t"})), entry(TOKEN, b"t")]), "not_a_backup"),
    "traversal": (lambda: whole({"data/local/../../../evil": b"x"}), "backup_bad_name"),
    "absolute": (lambda: whole({"/etc/cron.d/evil": b"x"}), "backup_bad_name"),
    "elsewhere": (lambda: whole({"data/store/appendonlydir/x": b"x"}), "backup_bad_name"),
    "another config": (lambda: whole({"config/evil.toml": b"x"}), "backup_bad_name"),
    "control characters": (lambda: whole({"data/local/\x1b]0;x": b"x"}), "backup_bad_name"),
    "backslash": (lambda: whole({"data/local/..\\x": b"x"}), "backup_bad_name"),
    "twice": (lambda: promising(("store.rdb", len(RDB)), ("store.rdb", len(RDB))), "not_a_backup"),
    "same name in other letters": (lambda: whole({"data/local/a": b"x", "data/local/A": b"y"}), "not_a_backup"),
    "symlink": (lambda: instead(STORE, entry(TOKEN, kind=tarfile.SYMTYPE, linkname="/etc/passwd")), "backup_damaged"),
    "hard link": (lambda: instead(STORE, entry(TOKEN, kind=tarfile.LNKTYPE, linkname="store.rdb")), "backup_damaged"),
    "device": (lambda: instead(STORE, entry(TOKEN, kind=tarfile.CHRTYPE, devmajor=1, devminor=3)), "backup_damaged"),
    "pipe": (lambda: instead(STORE, entry(TOKEN, kind=tarfile.FIFOTYPE)), "backup_damaged"),
    "sparse": (
        lambda: instead(STORE, entry(TOKEN, b"t", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})),
        "not_a_backup",
    ),
    "long header": (lambda: instead(STORE, entry(TOKEN, b"t", pax_headers={"comment": "x" * 100_000})), "not_a_backup"),
    "huge member": (lambda: promising(("store.rdb", 1 << 60)), "backup_too_large"),
    "negative member": (lambda: promising(("store.rdb", -1)), "not_a_backup"),
    "bomb": (bomb, "backup_damaged"),
    "newer": (lambda: whole(format=2), "backup_too_new"),
    "much newer": (lambda: packed([entry("manifest.json", b'{"format": 3, "parts": "of another shape"}')]), "backup_too_new"),
    "manifest of another shape": (lambda: packed([entry("manifest.json", b"[" * 5000)]), "not_a_backup"),
    "a store that no server reads": (lambda: whole({"store.rdb": b"REDIS0011garbage"}), "snapshot_unreadable"),
    "settings of nobody": (lambda: whole({"config/config.toml": b"[persona]\nnom = 1\n"}), "unknown_setting"),
    "sealed for somebody's key": (lambda: bytes(pyrage.encrypt(whole(), [a_key()])), "wrong_passphrase"),
    "sealed and torn": (lambda: QUICK.read_bytes()[:-1], "backup_damaged"),
    "sealed and changed": (lambda: QUICK.read_bytes()[:-20] + bytes(20), "backup_damaged"),
    "sealed at great cost": (lambda: QUICK.read_bytes().replace(b" 10\n", b" 30\n", 1), "backup_costly"),
    "sealed beginning": (lambda: b"age-encryption.org/v1\n-> scrypt", "backup_damaged"),
}


def restore(home: Path, file: Path, *more: str) -> Result:
    env = {"SECONDME_BACKUP_PASSPHRASE": "correct horse"}
    return CliRunner().invoke(app, ["--home", str(home), "restore", str(file), "--yes", *more], env=env)


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_one_line_and_nothing_is_touched(name: str, tmp_path: Path) -> None:
    build, code = HOSTILE[name]
    file, home = tmp_path / "b", tmp_path / "home"
    file.write_bytes(build())
    homes.write_files(home)
    before = homes.tree(home)
    refused = restore(home, file)
    assert (refused.stdout, refused.stderr.count("\n"), refused.exit_code in {65, 77, 78}) == ("", 1, True), refused.output
    assert refused.stderr.startswith("secondme: ")
    assert json.loads(restore(home, file, "--json").stdout)["errors"][0]["code"] == code
    assert homes.tree(home) == before
    assert not list(home.rglob("restoring*"))


def test_the_archive_that_the_others_are_made_from_is_taken(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(whole({TOKEN: b"t", "config/personas/" + "ä" * 120 + ".md": b"# long"}))
    assert restore(tmp_path / "home", tmp_path / "b").exit_code == 0
    assert homes.tree(tmp_path / "home")["personas/" + "ä" * 120 + ".md"] == b"# long"


@given(st.data())
@settings(max_examples=sized(150, 50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_changed_in_an_archive_is_noticed_and_never_a_crash(data: st.DataObject) -> None:
    inner = bytearray(gzip.decompress(whole({TOKEN: b"t" * 600})))
    taken: dict[str, io.BytesIO] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        inner[data.draw(st.integers(0, len(inner) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_archive(io.BytesIO(gzip.compress(bytes(inner))), lambda member: taken.setdefault(member.name, io.BytesIO()), 1 << 20)
    except DataError:
        pass
    else:  # what was changed is in no member: padding, a time, an owner
        assert (taken["store.rdb"].getvalue(), taken[TOKEN].getvalue()) == (RDB, b"t" * 600)
