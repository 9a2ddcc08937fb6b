"""Does help tell the truth? Every page, every example, the table of commands, and the nearest word to a wrong one."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.command_lines import parsed
from fakes.commands_page import leaves
from fakes.process import Cli, environment
from redis import Redis
from typer._click import Command, Context
from typer.core import TyperGroup
from typer.main import get_command

from secondme.cli import commands
from secondme.cli.app import app
from secondme.cli.help.pages import claim_of, examples
from secondme.cli.help.table import SECTIONS
from secondme.core.store import keys

ENTRIES = [entry for section in SECTIONS for entry in section.entries]


def walk(command: Command, path: str = "") -> Iterator[tuple[str, Command]]:
    """Every command and group below the program, by what is typed for it."""
    if path:
        yield path, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from walk(inner, f"{path} {name}".strip())


TREE = dict(walk(get_command(app)))
LINES = [line for lines in examples().values() for line in lines]


def test_every_command_says_in_one_sentence_what_it_does_and_gives_examples() -> None:
    assert len(TREE) > 60
    assert [path for path, each in TREE.items() if not 10 < len(claim_of(each.help or "")) < 140] == []
    assert [path for path in TREE if not 1 <= len(examples().get(path, [])) <= 4] == []
    assert sorted(set(examples()) - set(TREE)) == []


def test_an_option_or_an_argument_without_words_is_not_there() -> None:
    silent = [(path, param.name) for path, each in TREE.items() for param in each.params if not getattr(param, "help", None)]
    assert silent == []


@pytest.mark.parametrize("line", LINES)
def test_the_program_takes_the_example(line: str) -> None:
    program, *words = shlex.split(line, comments=True)
    owner = next(path for path, lines in examples().items() if line in lines)
    assert program == "secondme"
    assert parsed(words) == owner or (isinstance(TREE[owner], TyperGroup) and parsed(words).startswith(f"{owner} "))


@pytest.mark.parametrize(("path", "context"), [pytest.param(path, context, id=path) for path, context in leaves()])
def test_a_page_shows_no_library_s_notation(path: str, context: Context) -> None:
    """An argument that has to be there stands bare, another in brackets; no type of Python's, no braces."""
    text = context.get_help()
    usage = text.partition("\n\n")[0]
    assert re.fullmatch(rf"Usage: \w+ {path} \[OPTIONS\](\s+(\[[^\[\]{{}}]+\]|[^\[\]{{}}\s]+))*", usage), usage
    assert not re.search(r"<(list|str|int|float|path)\b|\.\.\.\.|\[\[", text.partition("Examples:")[0], re.IGNORECASE)


def test_the_table_of_commands_says_what_their_pages_say() -> None:
    assert [(entry.name, entry.claim) for entry in ENTRIES] == [
        (entry.name, claim_of(TREE[entry.name].help or "")) for entry in ENTRIES
    ]
    names = [entry.name for entry in ENTRIES]
    assert len(names) == len(set(names))
    modules = {path.stem for path in Path(commands.__file__).parent.glob("[a-z]*.py")}
    assert modules == {entry.place.partition(":")[0] for entry in ENTRIES}


def test_help_is_grouped_by_task_and_tells_exit_codes_and_the_environment(cli: Cli) -> None:
    page = cli("--help").stdout
    headings = [line for line in page.splitlines() if line.endswith(":") and not line.startswith(" ")]
    titles = [f"{section.title}:" for section in SECTIONS]
    assert headings == [*titles, "Options:", "Exit codes:", "Environment:"]
    assert titles == ["Start:", "People:", "Replies and voice:", "Watch and control:", "Keep it running:", "For scripts:"]
    for word in ("65 ", "77 ", "130 ", "SECONDME_HOME", "ANTHROPIC_API_KEY", "NO_COLOR", "--install-completion"):
        assert word in page


def test_the_name_alone_shows_the_commands_and_where_a_newcomer_begins(home: Path) -> None:
    alone = said(home=home)
    assert "New here? secondme onboard" in alone
    assert "Exit codes" not in alone
    (home / "config.toml").write_text("")
    assert "New here?" not in said(home=home)


def said(*words: str, home: Path, **env: str) -> str:
    """What the program prints, in a process of its own."""
    program = [sys.executable, "-m", "secondme", *words]
    surroundings = environment(SECONDME_HOME=str(home), **env)
    done = subprocess.run(program, capture_output=True, text=True, env=surroundings, check=True)
    return done.stdout


@pytest.mark.parametrize("width", [50, 80, 200])
def test_help_fits_the_terminal(home: Path, width: int) -> None:
    page = said("pairing", "approve", "--help", home=home, COLUMNS=str(width))
    assert "--notes TEXT" in page
    assert max(map(len, page.partition("Examples:")[0].splitlines())) <= min(width, 80)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pairng list", "secondme: There is no command pairng. Did you mean pairing?"),
        ("Status", "secondme: There is no command Status. Did you mean status?"),
        ("pairing aprove", "secondme: There is no command aprove. Did you mean approve?"),
        ("pairing list --jsn", "secondme: There is no option --jsn. Did you mean --json?"),
        ("zzz", "secondme: There is no command zzz. Try: secondme --help"),
        ("pairing list --status odd", "secondme: Invalid value for '--status'"),
        ("contacts forget", "secondme: Missing argument 'CONTACT'. Try: secondme contacts forget --help"),
        ("status extra", "secondme: Got unexpected extra argument(s) (extra). Try: secondme status --help"),
        ("status --watch", "secondme: Invalid value: --watch draws on a terminal"),
        ("pai\x1b[31mring", "secondme: There is no command pai[31mring. Did you mean pairing?"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_nearest(cli: Cli, line: str, said: str) -> None:
    result = cli(*line.split(" "))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


def rename(door: Redis, contact: str, name: str) -> None:
    """An approved contact calls itself so."""
    record = json.loads(str(door.get(keys.approved(contact))))
    door.set(keys.approved(contact), json.dumps({**record, "displayName": name}))


def test_an_unknown_contact_gets_the_nearest_name_and_several_are_listed(cli: Cli, door: Redis) -> None:
    near = cli("contacts", "mode", "Ana", "draft")
    assert (near.exit_code, near.stderr) == (65, "secondme: No approved contact has that name or id. Did you mean anna?\n")
    nobody = cli("contacts", "mode", "Zebulon", "draft")
    assert nobody.stderr == "secondme: No approved contact has that name or id. Try: secondme contacts list\n"
    rename(door, "local:rita", "Anna")
    several = cli("contacts", "mode", "ANNA", "draft")
    assert several.exit_code == 65
    assert "2 approved contacts have that name: local:" in several.stderr


def test_an_id_never_means_somebody_who_calls_themselves_so(cli: Cli, door: Redis) -> None:
    rename(door, "local:rita", "local:ben")
    trace = cli("trace", "--contact", "local:ben")
    assert (trace.exit_code, trace.stderr) == (65, "secondme: No approved contact has that name or id. Did you mean local:rita?\n")
    assert [cli("pause", contact).exit_code for contact in ("local:ben", " local:anna ")] == [65, 0]
    assert [door.exists(keys.pause(contact)) for contact in ("local:anna", "local:rita")] == [1, 0]


NAMED = {
    "write": "{} hello",
    "agent": "--message hello --to {}",
    "contacts forget": "{} --yes",
    "contacts link": "local:rita {}",
    "contacts mode": "{} draft",
    "contacts speech": "{} never",
    "contacts relate": "{} friend",
    "jobs add": "hello --on-call --write hi --to {}",
    "jobs allow": "{} greet --yes",
    "jobs disallow": "{} greet",
    "memory forget": "{} --yes",
    "memory search": "{} dinner",
    "memory eval": "{} questions.jsonl",
    "import telegram": "result.json --contact {}",
    "import whatsapp": "chat.txt --contact {}",
    "pairing notes": "{} careful",
    "pairing revoke": "{} --yes",
    "pairing tier": "{} trusted",
    "persona test": "hello --contact {}",
    "skills test": "clock there --as {}",
    "persona new": "casual --from-style {}",
    "persona use": "--clear --contact {}",
    "trace": "--contact {}",
}
"""What is typed behind a command that takes a contact, where that is more than the contact."""
BY_CODE = {"pairing approve", "pairing deny"}
"""Who is not approved has no name yet: a stranger calls themselves what they like, so a code or an id decides about them."""
TAKERS = {
    path for path, each in TREE.items() for param in each.params if param.name == "contact" or "CONTACT" in str(param.metavar)
}


@pytest.mark.parametrize("path", sorted(TAKERS - BY_CODE))
def test_whoever_is_approved_may_be_called_by_name(
    cli: Cli, door: Redis, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chat.txt").write_text("[01/02/24, 10:00:00] Anna: hi\n[01/02/24, 10:01:00] Sam: hello\n")
    (tmp_path / "result.json").write_text('{"name": "Anna", "type": "personal_chat", "id": 1, "messages": []}')
    (tmp_path / "questions.jsonl").write_text("")
    rename(door, "local:anna", "Anna")
    line = [*path.split(), *NAMED.get(path, "{}").split(), "--json"]
    wrong, right = (cli(*(word.format(name) for word in line)) for name in ("Anne", "aNNa"))
    assert ("unknown_contact" in wrong.stdout, "Did you mean Anna?" in wrong.stdout) == (True, True), wrong.output
    assert "unknown_contact" not in right.stdout, right.stdout
    assert right.exit_code != 2, right.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pairing approve local:bne", "Did you mean local:ben?"),
        ("pairing approve 000000", "No request has this code"),
        ("channels pause telegrm", "Did you mean telegram?"),
    ],
)
def test_every_verb_names_the_nearest(cli: Cli, door: Redis, line: str, said: str) -> None:
    rename(door, "local:anna", "Anna")
    result = cli(*line.split())
    assert (result.exit_code, said in result.stderr) == (65, True), result.stderr


# Tab


def offered(words: str, home: Path, **env: str) -> list[str]:
    """What bash is offered for the last of these words."""
    return said(home=home, COMP_WORDS=words, COMP_CWORD=str(words.count(" ")), _SECONDME_COMPLETE="complete_bash", **env).split()


def offered_in_time(words: str, home: Path, **env: str) -> list[str]:
    """What bash is offered by a store that answers in time: a slow one is passed over, as Tab keeps nobody waiting."""
    while not (found := offered(words, home, **env)):
        pass
    return found


def test_tab_offers_commands_channels_personas_and_choices(home: Path) -> None:
    (home / "personas").mkdir()
    (home / "personas" / "family.md").touch()
    (home / "personas" / "$(reboot).md").touch()
    assert offered("secondme p", home) == ["pairing", "persona", "proposals", "pause"]
    assert offered("secondme pairing re", home) == ["revoke"]
    assert offered("secondme channels pause t", home) == ["telegram"]
    assert offered("secondme persona edit ", home) == ["family"]
    assert offered("secondme pairing list --tier t", home) == ["trusted"]
    assert "--json" in offered("secondme status --", home)


def test_tab_offers_contacts_of_plain_names_only(door: Redis, home: Path, redis_url: str) -> None:
    rename(door, "local:rita", "$(reboot)`x`'\"")
    everybody = offered_in_time("secondme contacts mode ", home, SECONDME_REDIS_URL=redis_url)
    assert sorted(everybody) == ["anna", "local:anna", "local:rita"]
    assert sorted(offered_in_time("secondme pause ", home, SECONDME_REDIS_URL=redis_url)) == ["local:anna", "local:rita"]


def test_tab_starts_no_server_and_is_silent_about_what_is_wrong(home: Path) -> None:
    assert offered("secondme pause ", home) == []
    assert list(home.iterdir()) == []
    (home / "config.toml").write_text("nonsense")
    assert offered("secondme contacts mode ", home, SECONDME_REDIS_URL="unix:///nowhere.sock") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(home: Path, shell: str) -> None:
    assert "_SECONDME_COMPLETE=complete_" + shell in said(home=home, _SECONDME_COMPLETE=f"source_{shell}")
