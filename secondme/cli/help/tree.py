"""The lazy command tree: a command's module is imported when it is named; help knows the others by one line.

Turning every command into a parser took a tenth of each start: docs/decisions/0019.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import typer
from typer._click.exceptions import ClickException, NoArgsIsHelpError  # typer exports neither
from typer._click.shell_completion import CompletionItem
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from secondme.cli.help.table import CommandEntry, CommandSection

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter


_COMMANDS = "secondme.cli.commands"


def load(entry: CommandEntry) -> Command:
    """The command that `entry` names, ready to parse."""
    module, _, attribute = entry.place.partition(":")
    found = getattr(import_module(f"{_COMMANDS}.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return _group(found, entry.name)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(entry.name, cls=CommandPage)(found)
    return get_command(alone)


class CommandPage(TyperCommand):
    """One command's help: what it does, its arguments and options, examples."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """`[OPTIONS] CONTACT [FILE...]`: what may be left away stands in brackets."""
        from secondme.cli.help.pages import argument_name

        arguments = [
            each for each in self.get_params(ctx) if each.param_type_name == "argument" and not getattr(each, "hidden", False)
        ]
        return ["[OPTIONS]", *(argument_name(each) if each.required else f"[{argument_name(each)}]" for each in arguments)]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Under headings."""
        from secondme.cli.help.pages import write_options

        write_options(ctx, formatter)

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The examples stand at the end."""
        from secondme.cli.help.pages import write_examples

        write_examples(ctx, formatter)


class Book(TyperGroup):
    """A group's help: its commands, and examples."""

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        """As of a page."""
        from secondme.cli.help.pages import write_examples

        write_examples(ctx, formatter)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The commands come first."""
        from secondme.cli.help.pages import write_commands, write_options

        write_commands(self.commands, formatter)
        write_options(ctx, formatter)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command that the first word names. Raises UsageError with the nearest one."""
        name = args[0]
        if name in self.commands or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from secondme.cli.help.nearest import unknown_command

        raise unknown_command(name, list(self.commands), ctx)


class Root(Book):
    """The program: sections of commands that are loaded when they are named, and the place where wrong usage becomes one line."""

    sections: ClassVar[tuple[CommandSection, ...]] = ()

    def __init__(self, **attributes: Any) -> None:  # passed through to typer untouched
        super().__init__(**attributes)
        self.commands = _Lazy({entry.name: entry for section in self.sections for entry in section.entries})

    def list_commands(self, ctx: Context) -> list[str]:
        """The names, in the order of the sections."""
        del ctx
        return list(self.commands)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Without a word there is a short page, and nothing was wrong."""
        if not args and not ctx.resilient_parsing:
            from secondme.cli.help.pages import short_page

            typer.echo(short_page(ctx, self.sections))
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The sections, the options, then what a script needs to know."""
        from secondme.cli.help.pages import write_contract, write_options, write_sections

        write_sections(self.sections, formatter)
        write_options(ctx, formatter)
        write_contract(formatter)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[CompletionItem]:
        """What Tab offers: names and claims, without loading a command."""
        entries = [entry for section in self.sections for entry in section.entries if entry.name.startswith(incomplete)]
        options = TyperCommand.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(entry.name, help=entry.claim) for entry in entries), *options]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002  the signature is typer's
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002  as above
        **extra: Any,  # as above
    ) -> Any:
        """The program ran and the process ends. Wrong usage is one line on stderr and exit code 2."""
        extra.update(complete_var=complete_var, windows_expand_args=windows_expand_args, standalone_mode=False)
        if not standalone_mode:
            return super().main(args, prog_name, **extra)
        try:
            code = super().main(args, prog_name or "secondme", **extra)
        except NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except ClickException as error:
            from secondme.cli.help.nearest import say

            say(error)
            sys.exit(error.exit_code)
        except typer.Abort:
            typer.echo("secondme: stopped, nothing was done.", err=True)
            sys.exit(1)
        except SystemExit as ended:
            if isinstance(ended.__context__, BrokenPipeError):
                sys.exit(0)  # the reader has seen enough, like `| head`
            raise
        sys.exit(code if isinstance(code, int) else 0)

    def _main_shell_completion(self, ctx_args: MutableMapping[str, Any], prog_name: str, complete_var: str | None = None) -> None:
        import os

        if os.environ.get(complete_var or f"_{prog_name}_COMPLETE".replace("-", "_").upper()):
            from secondme.cli.help.bash import set_up_shells

            set_up_shells()
        super()._main_shell_completion(ctx_args, prog_name, complete_var)


class _Lazy(MutableMapping[str, "Command"]):
    """Name -> command, loaded when it is asked for."""

    def __init__(self, entries: dict[str, CommandEntry]) -> None:
        self._entries: dict[str, CommandEntry | Command] = dict(entries)

    def __getitem__(self, name: str) -> Command:
        found = self._entries[name]
        if isinstance(found, CommandEntry):
            found = self._entries[name] = load(found)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __setitem__(self, name: str, command: Command) -> None:
        self._entries[name] = command

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _group(found: typer.Typer, name: str) -> TyperGroup:
    """A group whose pages are ours."""
    _dress(found)
    group = get_group(found)
    group.name = name
    return group


def _dress(found: typer.Typer) -> None:
    found.rich_markup_mode = None
    found.info.cls = Book
    for command in found.registered_commands:
        command.cls = CommandPage
    for inner in found.registered_groups:
        inner.cls = Book
        if inner.typer_instance is not None:
            _dress(inner.typer_instance)
