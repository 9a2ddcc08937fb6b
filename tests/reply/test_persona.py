"""A file that a person edits: absent, broken, hostile, and right."""

import os
import stat
import time
from pathlib import Path

import pytest

from secondme.core.enums import Relationship
from secondme.core.errors import BusyError, ConfigError, NotFoundError
from secondme.core.reply.persona import DEFAULT_STYLE, NEUTRAL, Persona, parse, persona_id
from secondme.core.reply.personas import PersonaLibrary, choose

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
    [(b"caf\xe9", "is not UTF-8"), (b"\xff\xfeh\x00i\x00", "is not UTF-8"), (b"x" * (64 * 1024 + 1), "larger than 66 kB")],
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


def test_one_broken_file_takes_no_other_down(personas: Path) -> None:
    (personas / "good.md").write_text("Good.")
    (personas / "bad.md").write_text("---\nnam: x\n---\n")
    (personas / "dir.md").mkdir()
    (personas / "notes.txt").write_text("not one")
    shelf = PersonaLibrary(personas)
    assert [each.id for each in shelf.all()] == ["good"]
    assert [each.id for each in shelf.broken()] == ["bad", "dir"]
    assert shelf.get("good").style_guide == "Good."
    with pytest.raises(ConfigError, match=r"bad\.md:2: `nam` is not known; did you mean `name`"):
        shelf.get("bad")


def test_the_library_sees_each_edit_at_once_even_of_the_same_size_and_time(personas: Path) -> None:
    shelf, path = PersonaLibrary(personas), personas / "me.md"
    for text in ("aaaa", "bbbb", "cccc"):
        path.write_text(text)
        os.utime(path, ns=(1, 1))
        assert shelf.get("me").style_guide == text
    assert shelf.get("me") is shelf.get("me")
    path.unlink()
    with pytest.raises(NotFoundError):
        shelf.get("me")


def test_a_missing_persona_is_answered_with_the_nearest_name(personas: Path) -> None:
    (personas / "family.md").write_text("x")
    with pytest.raises(NotFoundError) as caught:
        PersonaLibrary(personas).get("familiy")
    assert caught.value.fix == "Did you mean family?"
    assert PersonaLibrary(personas / "nowhere").all() == []


BOSS, FRIEND = Relationship.MANAGER, Relationship.FRIEND


@pytest.fixture
def shelf(personas: Path) -> PersonaLibrary:
    for name, text in {
        "anna": "For Anna.",
        "default": "For all.",
        "house": "---\nrelationships: [family, friend]\n---\nFor the family.",
        "pals": "---\nrelationships: [friend]\n---\nFor pals.",
        "loud": "Loud.",
    }.items():
        (personas / f"{name}.md").write_text(text)
    return PersonaLibrary(personas)


@pytest.mark.parametrize(
    ("contact", "relationship", "used", "chosen"),
    [
        (None, None, {}, "default"),
        (None, BOSS, {}, "default"),
        (None, FRIEND, {}, "house"),
        (None, FRIEND, {"default": "loud"}, "house"),
        (None, FRIEND, {"relationship:friend": "pals"}, "pals"),
        (None, BOSS, {"relationship:friend": "pals"}, "default"),
        (None, BOSS, {"default": "loud"}, "loud"),
        ("anna", FRIEND, {"relationship:friend": "pals", "default": "loud"}, "anna"),
        ("gone", FRIEND, {"relationship:friend": "pals", "default": "loud"}, ""),
        (None, FRIEND, {"relationship:friend": "gone"}, ""),
        (None, BOSS, {"default": "gone"}, ""),
        ("../default", None, {}, ""),
    ],
)
def test_the_choices_count_in_order(
    shelf: PersonaLibrary, contact: str | None, relationship: Relationship | None, used: dict[str, str], chosen: str
) -> None:
    assert choose(shelf, contact=contact, relationship=relationship, used=used, default_file="default.md").id == chosen


def test_without_any_file_the_built_in_default_speaks(tmp_path: Path) -> None:
    nothing = PersonaLibrary(tmp_path / "none")
    assert choose(nothing, contact=None, relationship=FRIEND, used={}, default_file="default.md") is NEUTRAL
    assert NEUTRAL.style_guide == "Keep responses brief and natural."


def test_a_missing_choice_is_said_once(shelf: PersonaLibrary, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        choose(shelf, contact=None, relationship=BOSS, used={"relationship:manager": "gone"}, default_file="default.md")
    assert [record.message for record in caplog.records] == ["persona_missing"]


def test_a_broken_file_stops_only_those_it_speaks_to(shelf: PersonaLibrary, personas: Path) -> None:
    (personas / "work.md").write_text("---\nrelationships: [manager]\nlanguage: ?!\n---\nFormal.")
    (personas / "anna.md").write_text("---\nname: [x]\n---")

    def voice(contact: str | None, relationship: Relationship | None) -> str:
        return choose(shelf, contact=contact, relationship=relationship, used={}, default_file="default.md").id

    assert (voice(None, FRIEND), voice("loud", BOSS), voice(None, Relationship.CLIENT)) == ("house", "loud", "default")
    for contact, relationship in (("anna", None), (None, BOSS)):
        with pytest.raises(ConfigError):
            voice(contact, relationship)


def test_what_did_not_change_is_not_understood_anew(shelf: PersonaLibrary) -> None:
    before = shelf.all()
    begun = time.process_time()
    for _ in range(1000):
        choose(shelf, contact=None, relationship=FRIEND, used={}, default_file="default.md")
    assert all(old is new for old, new in zip(before, shelf.all(), strict=True))
    print(f"\nchoosing among 5 files: {(time.process_time() - begun) * 1000:.0f} us CPU")


def test_a_file_is_rewritten_whole_through_its_link_with_its_mode(personas: Path, tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere.md"
    kept.write_text(FAMILY)
    kept.chmod(0o640)
    (personas / "casa.md").symlink_to(kept)
    library = PersonaLibrary(personas)
    text = FAMILY.replace("Never formal", "Always formal")
    assert library.rewrite("casa", text, before=library.text_of("casa")).style_guide.endswith("Always formal.")
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode), (personas / "casa.md").is_symlink()) == (text, 0o640, True)
    assert [each.name for each in personas.iterdir()] == ["casa.md"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\nnmae: x\n---\n", "casa.md:2: `nmae` is not known"),
        ("x" * 65_537, "is larger than"),
        ("---\nname: x\n", "casa.md:1: "),
    ],
)
def test_what_could_not_be_used_is_said_and_not_written(personas: Path, text: str, said: str) -> None:
    (personas / "casa.md").write_text(FAMILY)
    library = PersonaLibrary(personas)
    assert said in library.fault_in("casa", text)
    assert library.fault_in("casa", FAMILY) == ""
    with pytest.raises(ConfigError, match=said):
        library.rewrite("casa", text, before=FAMILY)
    assert library.text_of("casa") == FAMILY


def test_what_another_wrote_meanwhile_is_not_written_over(personas: Path) -> None:
    library = PersonaLibrary(personas)
    with pytest.raises(NotFoundError):
        library.text_of("casa")
    (personas / "casa.md").write_text("Mine.\n")
    with pytest.raises(BusyError, match="changed meanwhile"):
        library.rewrite("casa", "Yours.\n", before="Older.\n")
    assert library.text_of("casa") == "Mine.\n"
    (personas / "casa.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        library.text_of("casa")
