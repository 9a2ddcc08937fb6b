"""A file that a person edits: absent, broken, hostile, and right."""

import os
from pathlib import Path

import pytest

from secondme.core.enums import Relationship
from secondme.core.errors import ConfigError
from secondme.core.reply.persona import DEFAULT_STYLE, NEUTRAL, Persona, parse, persona_id
from secondme.core.reply.personas import PersonaLibrary

FAMILY = """---
name: La familia
tone: "warm: quick"
language: no
relationships: [family, Romantic partner]
examples:
  - "Voy en camino, ¿llevo pan?"
  - >-
    Two lines
    of one
---
# Style

Short. Never formal.
"""


def load_style(directory: Path, file: str) -> str:
    """The style guide of the default persona, as a reply gets it."""
    return (PersonaLibrary(directory).from_file(file) or NEUTRAL).style_guide


def of(text: str | bytes, name: str = "me") -> Persona:
    return parse(text if isinstance(text, bytes) else text.encode(), Path(f"/p/{name}.md"), name)


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
        (b"x" * (64 * 1024 + 1), "larger than 66 kB"),
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


def test_a_file_with_front_matter_is_a_whole_persona() -> None:
    assert of(FAMILY, "fam") == Persona(
        id="fam",
        name="La familia",
        tone="warm: quick",
        language="no",
        style_guide="# Style\n\nShort. Never formal.",
        examples=("Voy en camino, ¿llevo pan?", "Two lines of one"),
        relationships=(Relationship.FAMILY, Relationship.ROMANTIC_PARTNER),
    )


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    assert of(b"\xef\xbb\xbf" + FAMILY.replace("\n", "\r\n").encode(), "fam") == of(FAMILY, "fam")


@pytest.mark.parametrize("text", ["Just a guide.\n---\nname: x", "  ---\nname: x", "# Title\n\n---"])
def test_a_file_that_does_not_begin_with_the_mark_is_a_style_guide(text: str) -> None:
    assert of(text) == Persona("me", name="me", style_guide=text.strip())


@pytest.mark.parametrize("head", ["", "\n", "# nothing yet\n", "name:\ntone: ~\nexamples:\n"])
def test_empty_front_matter_means_defaults(head: str) -> None:
    assert of(f"---\n{head}---\nGuide.") == Persona("me", name="me", style_guide="Guide.")


@pytest.mark.parametrize(
    ("head", "line", "said"),
    [
        ("name: Me\nrelationship: [family]", 3, "did you mean `relationships`?"),
        ("name: Me\nxyzzy: 1", 3, "there are: name, tone, language, relationships, examples"),
        ("name: [a, b]", 2, "`name` is one text"),
        ("tone: warm\nexamples: Hello", 3, "`examples` is a list"),
        ("relationships:\n  - family\n  - boss", 4, "`boss` is no relationship; there are: colleague, client"),
        ("name: a\nname: b", 3, "`name` is there twice"),
        ("language: Spanish!", 2, "like es, pt-BR"),
        ("name: {a: b}", 2, "only words and lists of words"),
        ("examples: [[a]]", 2, "only words and lists of words"),
        ("- a\n- b", 2, "one `name: value`"),
        ("just words", 2, "one `name: value`"),
        ("name: &x a\ntone: *x", 2, "anchors and aliases"),
        ("tone: *x", 2, "anchors and aliases"),
        ("name: !!python/object/apply:os.system [echo]", 2, "tags"),
        ("name: 'a", 2, "not YAML"),
        ("name: a\n\ttone: b", 3, "not YAML"),
        ("tone: b\nname: a\x07", 3, "invisible control"),
        ("name: " + "x" * 65, 2, "longer than 64"),
        ("examples:\n" + "- a\n" * 51, 53, "more than 50"),
        ("examples:\n- " + "a" * 1001, 3, "longer than 1000"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(head: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        of(f"---\n{head}\n---\nguide")
    assert caught.value.code == "bad_persona"
    assert caught.value.message.startswith(f"/p/me.md:{line}: ")
    assert said in caught.value.message
    assert caught.value.fix == "secondme persona edit me"


@pytest.mark.parametrize(
    ("text", "line"),
    [("---\nname: a\n", 1), ("---", 1), (b"---\nname: a\ntone: caf\xe9\n---", 3), ("---\n" + "#\n" * 9000 + "---", 1)],
)
def test_unfinished_unreadable_and_endless_front_matter_is_refused_with_its_line(text: str | bytes, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"/p/me\.md:{line}: "):
        of(text)


@pytest.mark.parametrize(
    "head", ["a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]", "[" * 8000, "a: " + "{" * 8000, "? " * 8000, "- " * 8000]
)
def test_a_bomb_is_refused_and_not_unfolded(head: str) -> None:
    with pytest.raises(ConfigError):
        of(f"---\n{head}\n---\n")


def test_a_pipe_is_not_waited_for(personas: Path) -> None:
    os.mkfifo(personas / "default.md")
    with pytest.raises(ConfigError, match="is not a file"):
        load_style(personas, "default.md")


def test_a_link_is_followed(personas: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles.md").write_text("From elsewhere.")
    (personas / "default.md").symlink_to(tmp_path / "dotfiles.md")
    assert PersonaLibrary(personas).get("default").style_guide == "From elsewhere."


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("work", "work"),
        ("Família_2", "Família_2"),
        ("fami\u0301lia", "família"),
        ("../x", None),
        ("", None),
        ("-x", None),
        ("a" * 65, None),
        (".x", None),
    ],
)
def test_an_id_is_a_plain_word(name: str, identity: str | None) -> None:
    assert persona_id(name) == identity
