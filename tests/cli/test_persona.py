"""Voices on the command line: made, edited, chosen, listed; and what a contact is."""

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from fakes.process import environment
from redis import Redis
from typer.testing import CliRunner, Result

from secondme.cli.app import options
from secondme.cli.commands import contacts, persona, style
from secondme.core.records import OwnMessage
from secondme.core.store import keys

Run = Callable[..., Result]


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    return tmp_path / "home" / "personas"


@pytest.fixture
def run(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The real commands under the program's own options."""
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(options)
    for group, name in ((persona.app, "persona"), (style.app, "style"), (contacts.app, "contacts")):
        app.add_typer(group, name=name)
    return lambda *words: CliRunner().invoke(app, list(words))


def data(result: Result) -> dict[str, object]:
    envelope = json.loads(result.stdout)
    assert result.exit_code == envelope["exit_code"]
    return dict(envelope["data"])


def write(personas: Path, name: str, text: str) -> Path:
    personas.mkdir(parents=True, exist_ok=True)
    (personas / name).write_text(text)
    return personas / name


def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An editor that writes `text` over whatever it is given."""
    (tmp_path / "new text").write_text(text)
    script = tmp_path / "my editor"
    script.write_text(f'#!/bin/sh\ncat "{tmp_path}/new text" > "$2"\n')
    script.chmod(0o700)
    monkeypatch.setenv("EDITOR", f"'{script}' --wait")


def own(count: int, text: str) -> dict[str, str]:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    made = [OwnMessage(id=f"m{at}", at=start + timedelta(minutes=at), text=text) for at in range(count)]
    return {each.id: each.encode() for each in made}


@pytest.mark.usefixtures("raw")
def test_a_new_persona_is_a_private_file_that_can_be_used_at_once(run: Run, personas: Path) -> None:
    made = run("persona", "new", "casa", "--tone", 'warm: "quick"', "--language", "no", "--relationship", "family", "--json")
    assert data(made) == {"id": "casa", "path": str(personas / "casa.md")}
    assert stat.S_IMODE((personas / "casa.md").stat().st_mode) == 0o600
    assert data(run("persona", "show", "casa", "--json")) == {
        "id": "casa",
        "name": "casa",
        "tone": 'warm: "quick"',
        "language": "no",
        "relationships": ["family"],
        "examples": [],
        "styleGuide": "Keep responses brief and natural.",
    }
    again = run("persona", "new", "casa")
    assert (again.exit_code, again.stdout) == (78, "")
    assert "is there already" in again.stderr


@pytest.mark.parametrize("words", [("../up",), ("",), ("a/b",), ("x", "--language", "Spanish!")])
@pytest.mark.usefixtures("raw")
def test_what_cannot_be_a_persona_leaves_no_file(words: tuple[str, ...], run: Run, personas: Path) -> None:
    assert run("persona", "new", *words).exit_code == 78
    assert not list(personas.parent.rglob("*.md"))


def test_a_persona_can_begin_with_a_style_and_holds_nothing_that_was_written(run: Run, raw: Redis, personas: Path) -> None:
    raw.hset(keys.own_messages("local:anna"), mapping=own(12, "hola Zebedeo, el código es 4711 😂, un abrazo"))
    made = run("persona", "new", "like_anna", "--from-style", "local:anna")
    text = (personas / "like_anna.md").read_text()
    assert made.exit_code == 0
    assert "Greetings: hola." in text
    assert "Sign-offs: un abrazo." in text
    assert not [word for word in ("Zebedeo", "4711", "código", "anna\n") if word in text.partition("---\n\n")[2]]
    assert run("persona", "new", "like_ben", "--from-style", "local:ben").exit_code == 65
    assert not (personas / "like_ben.md").exists()


def test_the_list_says_who_is_used_for_whom_and_what_is_broken(run: Run, raw: Redis, personas: Path) -> None:
    write(personas, "default.md", "For all.")
    write(personas, "pals.md", "---\nname: Pals\u202e\nlanguage: es\n---\nFor pals.")
    broken = write(personas, "work.md", "---\ntone: a\nrelationship: [manager]\n---\n")
    raw.hset(keys.PERSONA_USE, mapping={"relationship:friend": "pals", "relationship:client": "gone"})
    result = run("persona", "list", "--json")
    envelope = json.loads(result.stdout)
    assert (result.exit_code, envelope["status"], envelope["schema"]) == (78, "partial", "secondme.persona.list/1")
    rows = {row["id"]: row for row in envelope["data"]["personas"]}
    assert {each: row["usedFor"] for each, row in rows.items()} == {"default": ["everybody"], "pals": ["friend"], "work": []}
    assert envelope["data"]["missing"] == {"relationship:client": "gone"}
    assert rows["work"]["problem"].startswith(f"{broken}:3: ")
    assert rows["pals"]["name"] == "Pals"
    text = run("persona", "list")
    assert "gone is chosen for client and is not there: the built-in default speaks instead." in text.stdout
    assert (text.exit_code, text.stderr.count("\n"), "\u202e" in text.stdout) == (78, 1, False)


@pytest.mark.usefixtures("raw")
def test_without_any_file_the_list_says_how_to_begin(run: Run) -> None:
    result = run("persona", "list")
    assert (result.exit_code, result.stdout) == (
        0,
        "No personas yet: a plain default speaks. Make one: secondme persona new default\n",
    )


def test_an_edit_counts_and_a_broken_one_is_kept_and_named_by_line(
    run: Run, personas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(personas, "me.md", "Old.")
    editor(tmp_path, monkeypatch, "---\ntone: new\nlanguag: es\n---\nNew.")
    result = run("persona", "edit", "me")
    assert result.exit_code == 78
    assert f"{path}:3: `languag` is not known; did you mean `language`?" in result.stderr
    assert "New." in path.read_text()
    editor(tmp_path, monkeypatch, "---\ntone: new\n---\nNewer.")
    assert run("persona", "edit", "me").exit_code == 0
    assert run("persona", "show", "me").stdout == "me  (me)\n  tone      new\n\nNewer.\n"


def test_an_editor_that_is_not_there_or_fails_is_said(run: Run, personas: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(personas, "me.md", "Old.")
    for words in ("/nowhere/editor", "false"):
        monkeypatch.setenv("VISUAL", words)
        assert run("persona", "edit", "me").exit_code == 65
    assert run("persona", "edit", "mi").exit_code == 65
    assert run("persona", "edit", "../me").exit_code == 65


@pytest.fixture
def voices(personas: Path, door: Redis) -> Redis:
    for name in ("casa", "work"):
        write(personas, f"{name}.md", name)
    write(personas, "broken.md", "---\n")
    return door


def test_a_voice_is_chosen_for_everybody_a_relationship_and_a_contact_and_taken_back(run: Run, voices: Redis) -> None:
    assert run("persona", "use", "work").stdout == "work speaks to everybody from now on.\n"
    assert run("persona", "use", "casa", "--relationship", "family").stdout == "casa speaks to family from now on.\n"
    for named in ("local:anna", "Anna"):
        assert data(run("persona", "use", "casa", "--contact", named, "--json")) == {"persona": "casa", "contact": "local:anna"}
    assert voices.hgetall(keys.PERSONA_USE) == {"default": "work", "relationship:family": "casa"}
    assert json.loads(str(voices.get(keys.approved("local:anna"))))["persona"] == "casa"
    for words in ((), ("--relationship", "family"), ("--contact", "local:anna")):
        assert run("persona", "use", "--clear", *words).exit_code == 0
    assert voices.hgetall(keys.PERSONA_USE) == {}
    assert "persona" not in json.loads(str(voices.get(keys.approved("local:anna"))))


@pytest.mark.parametrize(
    ("words", "exit_code"),
    [
        ("persona use gone", 65),
        ("persona use broken", 78),
        ("persona use casa --contact local:ben", 65),
        ("persona use casa --contact !", 65),
        ("persona use", 2),
        ("persona use casa --clear", 2),
        ("persona use casa --contact local:anna --relationship friend", 2),
        ("persona use casa --relationship boss", 2),
        ("persona show gone", 65),
        ("contacts relate local:ben friend", 65),
        ("contacts relate local:anna boss", 2),
        ("contacts mode local:ben off", 65),
        ("contacts mode local:anna loud", 2),
    ],
)
def test_what_cannot_be_chosen_changes_nothing(words: str, exit_code: int, run: Run, voices: Redis) -> None:
    before = {key: voices.dump(key) for key in voices.scan_iter()}
    result = run(*words.split())
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert {key: voices.dump(key) for key in voices.scan_iter()} == before


def test_the_owner_says_what_a_contact_is_and_takes_it_back(run: Run, door: Redis) -> None:
    said = data(run("contacts", "relate", "local:anna", "romantic_partner", "--json"))
    assert said == {"contactId": "local:anna", "relationship": "romantic_partner", "manual": True, "confidence": 1.0}
    assert door.get(keys.relationship_override("local:anna")) == "1"
    assert run("contacts", "relate", "local:anna", "family").stdout == "local:anna is family to you.\n"
    back = run("contacts", "relate", "local:anna", "auto")
    assert back.stdout == "local:anna seems to be acquaintance; that may change by itself.\n"
    assert door.get(keys.relationship_override("local:anna")) is None


@pytest.mark.parametrize(
    ("mode", "data_", "text"),
    [
        ("auto", {"mode": "auto", "chosen": True}, "local:rita is answered.\n"),
        ("draft", {"mode": "draft", "chosen": True}, "Replies to local:rita are drafts that you approve.\n"),
        ("observe", {"mode": "observe", "chosen": True}, "local:rita is listened to and not answered.\n"),
        ("off", {"mode": "off", "chosen": True}, "local:rita is neither answered nor kept.\n"),
        ("default", {"mode": "draft", "chosen": False}, "Replies to local:rita are drafts that you approve.\n"),
    ],
)
@pytest.mark.usefixtures("door")
def test_the_owner_says_what_happens_to_a_contacts_messages(mode: str, data_: dict[str, object], text: str, run: Run) -> None:
    assert data(run("contacts", "mode", "local:rita", mode, "--json")) == {"contactId": "local:rita", **data_}
    assert run("contacts", "mode", "local:rita", mode).stdout == text


def test_the_commands_load_nothing_but_typer_until_one_runs() -> None:
    probe = "import sys\nfrom secondme.cli.commands import contacts, persona, style\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, env=environment()
    ).stdout.split()
    assert not {"yaml", "pydantic", "redis", "secondme.core.config.loader", "secondme.core.remember.style"} & {*loaded}
    assert "typer" in loaded
