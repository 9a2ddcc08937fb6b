"""Does help tell the truth? Every page, every example, the table of commands, and the nearest word to a wrong one."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.command_lines import TREE, parsed
from fakes.commands_page import leaves
from fakes.process import Cli, environment
from typer._click import Context
from typer.core import TyperGroup

from secondme.cli import commands
from secondme.cli.help.pages import claim_of, examples
from secondme.cli.help.table import SECTIONS

ENTRIES = [entry for section in SECTIONS for entry in section.entries]


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
