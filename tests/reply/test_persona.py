"""A file that a person edits: absent, broken, hostile, and right."""

import os
from pathlib import Path

import pytest

from secondme.core.errors import ConfigError
from secondme.core.reply.persona import DEFAULT_STYLE, load_style


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    folder = tmp_path / "personas"
    folder.mkdir()
    return folder


def test_a_missing_file_or_directory_means_the_default(personas: Path) -> None:
    assert load_style(personas, "default.md") == DEFAULT_STYLE
    assert load_style(personas / "nowhere", "default.md") == DEFAULT_STYLE


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_an_empty_file_means_the_default(personas: Path, text: str) -> None:
    (personas / "default.md").write_text(text)
    assert load_style(personas, "default.md") == DEFAULT_STYLE


def test_an_edit_counts_at_once(personas: Path) -> None:
    for text in ("Kurz, Grüße, 👋", "Long."):
        (personas / "me.md").write_text(f"\n{text}\n", "utf-8")
        assert load_style(personas, "me.md") == text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"caf\xe9", "is not UTF-8"),
        (b"\xff\xfeh\x00i\x00", "is not UTF-8"),
        (b"x" * (64 * 1024 + 1), "larger than 64 KB"),
    ],
)
def test_an_unusable_file_is_named(personas: Path, content: bytes, said: str) -> None:
    (personas / "default.md").write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_style(personas, "default.md")
    assert caught.value.code == "bad_persona"
    assert str(personas / "default.md") in caught.value.message


def test_64_kilobytes_are_still_used(personas: Path) -> None:
    (personas / "default.md").write_bytes(b"x" * (64 * 1024))
    assert len(load_style(personas, "default.md")) == 64 * 1024


def test_a_directory_in_its_place_cannot_be_read(personas: Path) -> None:
    (personas / "default.md").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_style(personas, "default.md")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_cannot_be_read(personas: Path) -> None:
    (personas / "default.md").write_text("secret")
    (personas / "default.md").chmod(0)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_style(personas, "default.md")


@pytest.mark.parametrize("file", ["../secret.md", "/etc/hostname", "sub/me.md", "..", ".", "", "../personas/me.md", "a\0b.md"])
def test_nothing_outside_the_directory_is_read(personas: Path, file: str) -> None:
    (personas.parent / "secret.md").write_text("secret")
    (personas / "sub").mkdir()
    (personas / "sub" / "me.md").write_text("secret")
    with pytest.raises(ConfigError) as caught:
        load_style(personas, file)
    assert caught.value.code == "bad_persona"
