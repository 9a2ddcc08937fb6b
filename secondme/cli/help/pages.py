"""Help pages: plain words under quiet headings, as wide as the terminal, the same on paper."""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typer._click import Command, Context, HelpFormatter, Parameter

    from secondme.cli.help.table import CommandSection

_EXIT_CODES = (
    ("0", "done"),
    ("1", "it ran, and the answer is no: nothing runs, nobody answered"),
    ("2", "the command line was wrong"),
    ("65", "what was named is not there, or cannot be read"),
    ("69", "a service that is needed does not answer"),
    ("70", "a bug of ours"),
    ("75", "busy, try again"),
    ("77", "credentials are missing or refused"),
    ("78", "the configuration is wrong"),
    ("130", "interrupted"),
)
_ENVIRONMENT = (
    ("SECONDME_HOME", "keep everything under this directory"),
    ("SECONDME_<SECTION>__<NAME>", "a setting, as SECONDME_PERSONA__NAME=Sam; `secondme config show` lists them"),
    ("SECONDME_REDIS_URL", "use this Redis instead of a private one"),
    ("ANTHROPIC_API_KEY", "the key for the model"),
    ("NO_COLOR", "no colours"),
)
_TYPE = re.compile(r" <(?:list\[)?(str|path|int|float)(?: range)?\]?>", re.IGNORECASE)
_CHOICES = re.compile(r"<(?:list\[)?([^<>\[\]|]+(?:\|[^<>\[\]|]+)+)\]?>")
_BRACKETS = re.compile(r"\[|\]|\.\.\.")
_PLACEHOLDERS = {"str": "TEXT", "path": "PATH", "int": "N", "float": "N"}
_NEW_HERE = "New here? secondme onboard sets everything up."
_MORE = "secondme COMMAND --help shows a command with examples; secondme --help says more about all of it."


@cache
def examples() -> dict[str, list[str]]:
    """Command (`pairing approve`) -> command lines that work, each with a remark behind `#`."""
    text = files("secondme.cli.help").joinpath("lists", "examples.toml").read_text("utf-8")
    return {name: list(lines) for name, lines in tomllib.loads(text).items()}


def write_examples(ctx: Context, formatter: HelpFormatter) -> None:
    """The examples of a command stand on its page."""
    lines = examples().get(ctx.command_path.partition(" ")[2])
    if not lines:
        return
    with formatter.section("Examples"):
        indent = " " * formatter.current_indent
        for line in lines:
            command, _, remark = line.partition("  # ")
            fits = len(indent) + len(line) <= formatter.width
            formatter.write(f"{indent}{line}\n" if fits or not remark else f"{indent}# {remark}\n{indent}{command}\n")


def write_options(ctx: Context, formatter: HelpFormatter) -> None:
    """Arguments, then options under the headings that the command gives them."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in ctx.command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None:
            is_argument = param.param_type_name == "argument"
            title = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or "Options"
            sections.setdefault(title, []).append((_argument(param, record[0]) if is_argument else _plain(record[0]), record[1]))
    for title, records in sorted(sections.items(), key=lambda each: (each[0] != "Arguments", each[0] == "Options")):
        with formatter.section(title):
            formatter.write_dl(records)


def _plain(head: str) -> str:
    """`--text <str>` as a person writes it, `--text TEXT`."""
    head = _TYPE.sub(lambda found: f" {_PLACEHOLDERS[found[1].lower()]}", head)
    return _CHOICES.sub(lambda found: f"<{found[1]}>", head)


def argument_name(argument: Parameter) -> str:
    """An argument as every manual page writes it: `CONTACT`, and `FILE...` for one or more."""
    name = _BRACKETS.sub("", argument.metavar or str(argument.name).upper()).strip()
    return f"{name}..." if argument.nargs == -1 else name


def _argument(argument: Parameter, head: str) -> str:
    """The name, and behind it the words it may be where it is one of a few."""
    choices = _CHOICES.search(head)
    return f"{argument_name(argument)} <{choices[1]}>" if choices else argument_name(argument)


def write_commands(commands: Mapping[str, Command], formatter: HelpFormatter) -> None:
    """The commands of a group, each with its claim."""
    with formatter.section("Commands"):
        formatter.write_dl([(name, claim_of(command.help or "")) for name, command in commands.items() if not command.hidden])


def claim_of(text: str) -> str:
    """The first sentence of a help text."""
    first = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    return first.partition(". ")[0].rstrip(".") + "." if first else ""


def write_sections(sections: tuple[CommandSection, ...], formatter: HelpFormatter) -> None:
    """Every command with one line, grouped by task."""
    width = max(len(entry.name) for section in sections for entry in section.entries)
    for section in sections:
        with formatter.section(section.title):
            formatter.write_dl([(f"{entry.name:<{width}}", entry.claim) for entry in section.entries])


def write_contract(formatter: HelpFormatter) -> None:
    """Exit codes and the environment."""
    with formatter.section("Exit codes"):
        formatter.write_dl(_EXIT_CODES)
    with formatter.section("Environment"):
        formatter.write_dl(_ENVIRONMENT)


def short_page(ctx: Context, sections: tuple[CommandSection, ...]) -> str:
    """What `secondme` alone says: the commands, and where to begin."""
    formatter = ctx.make_formatter()
    formatter.write_text(ctx.command.help or "")
    write_sections(sections, formatter)
    formatter.write_paragraph()
    if any(entry.name == "onboard" for section in sections for entry in section.entries) and not _is_set_up():
        formatter.write_text(_NEW_HERE)
    formatter.write_text(_MORE)
    return formatter.getvalue().rstrip("\n")


def _is_set_up() -> bool:
    from pathlib import Path

    from secondme.core.config.paths import find_places

    home = os.environ.get("SECONDME_HOME")
    places = find_places(Path(home) if home else None)
    kept: tuple[Path, ...] = (places.config_file, places.credentials, places.store)
    return any(path.exists() for path in kept)
