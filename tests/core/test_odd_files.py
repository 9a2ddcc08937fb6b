"""Files as editors leave them: with a byte order mark, with other line ends, in another encoding, nested without end."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.process import Cli

from secondme.core.config.files import plan, read_credentials, read_env_file, save_env_file, write
from secondme.core.config.loader import load
from secondme.core.errors import ConfigError
from secondme.core.reply.persona import parse
from secondme.core.text import EncodingError, plain_text
from secondme.core.tools.manifest import read_manifest

BOM = b"\xef\xbb\xbf"
DEEP = 5_000


def written(path: Path, raw: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(raw)
    path.chmod(0o600)
    return path


def test_a_mark_in_front_is_no_text() -> None:
    assert plain_text(BOM + b"a\r\n") == plain_text(b"a\r\n") == "a\r\n"
    assert plain_text(BOM + BOM) == "\ufeff"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a".encode("utf-16"), "not UTF-8 but UTF-16"), ("a".encode("utf-16-le"), "not UTF-8 but UTF-16"), ("ab".encode("utf-16-be"), "not UTF-8 but UTF-16"),
        (b"a\n\nZo\xeb", "not UTF-8 (at line 3)"),
    ],
)  # fmt: skip
def test_another_encoding_is_named(raw: bytes, words: str) -> None:
    with pytest.raises(EncodingError) as caught:
        plain_text(raw)
    assert caught.value.words == words


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_config_with_a_mark_is_read_and_changed(home: Path, end: bytes) -> None:
    path = written(home / "config.toml", BOM + b"# mine" + end + b"[persona]" + end + b'name = "Sam"' + end)
    assert load({}, {}, home=home).settings.persona.name == "Sam"
    edit = plan(path, {"persona.name": "Zoe"})
    assert edit.diff
    write(edit, 0)
    assert load({}, {}, home=home).settings.persona.name == "Zoe"
    assert b"# mine" in path.read_bytes()
    assert not plan(path, {"persona.name": "Zoe"}).is_change


def test_config_restore_takes_a_copy_with_a_mark(home: Path, cli: Cli) -> None:
    written(home / "config.toml", b"[[[")
    written(home / "config.toml.bak-20260101T000000Z", BOM + b'[persona]\r\nname = "Sam"\r\n')
    assert cli("--home", str(home), "config", "restore").exit_code == 0
    assert load({}, {}, home=home).settings.persona.name == "Sam"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_env_with_a_mark_is_read_and_changed(tmp_path: Path, end: bytes) -> None:
    path = written(tmp_path / ".env", BOM + b"SECONDME_MODEL__API_KEY=sk-a" + end + b"OTHER='b'" + end)
    assert read_env_file(path) == {"SECONDME_MODEL__API_KEY": "sk-a", "OTHER": "b"}
    save_env_file(path, {"SECONDME_MODEL__API_KEY": "sk-c"})
    assert read_env_file(path) == {"SECONDME_MODEL__API_KEY": "sk-c", "OTHER": "b"}


def test_credentials_personas_and_manifests_with_a_mark(tmp_path: Path) -> None:
    assert read_credentials(written(tmp_path / "c.json", BOM + b'{"telegram.token": "1:a"}')) == {"telegram.token": "1:a"}
    assert parse(BOM + b"---\nname: Work\n---\nI am Sam.", tmp_path / "work.md", "work").style_guide == "I am Sam."
    plain = read_manifest(b'{"name": "x"}')
    assert read_manifest(BOM + b'{"name": "x"}') == plain


@pytest.mark.parametrize(
    ("raw", "words"), [('a = "b"'.encode("utf-16"), "not UTF-8 but UTF-16"), (b'a = 1\nb = "Zo\xeb"', r"not UTF-8 \(at line 2\)")]
)
def test_config_and_env_in_another_encoding_say_so(home: Path, raw: bytes, words: str) -> None:
    path = written(home / "config.toml", raw)
    for act in (lambda: load({}, {}, home=home), lambda: plan(path, {"persona.name": "Sam"})):
        with pytest.raises(ConfigError, match=words) as caught:
            act()
        assert caught.value.code == "malformed_config"
    with pytest.raises(ConfigError, match=words):
        read_env_file(written(home / ".env", raw))


DEEP_TOML = {
    "arrays": b"a = " + b"[" * DEEP,
    "whole arrays": b"a = " + b"[" * DEEP + b"]" * DEEP,
    "inline tables": b"a = " + b"{a=" * DEEP,
    "dotted": b".".join([b"a"] * DEEP) + b" = 1",
    "table": b"[" + b".".join([b"a"] * DEEP) + b"]\nb = 1",
}


@pytest.mark.parametrize("kind", DEEP_TOML)
def test_config_without_an_end_is_one_error(home: Path, kind: str, cli: Cli) -> None:
    path = written(home / "config.toml", DEEP_TOML[kind])
    for act in (lambda: load({}, {}, home=home), lambda: plan(path, {"persona.name": "Sam"})):
        with pytest.raises(ConfigError) as caught:
            act()
        assert caught.value.code == "malformed_config"
    assert cli("--home", str(home), "config", "show").exit_code == 78
    looked = cli("--home", str(home), "doctor", "config", "--json")
    assert json.loads(looked.stdout)["data"]["checks"][0]["findings"][0]["id"] == "config-malformed"
    assert cli("--home", str(home), "config", "restore").exit_code == 0


def _deep_manifest(raw: bytes, _: Path) -> None:
    assert isinstance(read_manifest(raw), list)


READERS: dict[str, Callable[[bytes, Path], Any]] = {
    "credentials": lambda raw, at: read_credentials(written(at / "c.json", raw)),
    "manifest": _deep_manifest,
    "persona": lambda raw, at: parse(b"---\nname: " + raw + b"\n---\nhi", at / "p.md", "p"),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("raw", [b"[" * 5000, b'{"a":' * 5000, b"[" * 5000 + b"]" * 5000])
def test_other_files_without_an_end_are_errors_of_ours(name: str, raw: bytes, tmp_path: Path) -> None:
    with contextlib.suppress(ConfigError):
        READERS[name](raw, tmp_path)
