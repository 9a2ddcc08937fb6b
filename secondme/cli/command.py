"""Commands: a coroutine that returns a CommandResult becomes a command with `--json`, one line for an error, and an exit code.

Every command's work passes through `run`, so that every error becomes one line and the right exit code.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import os
import sys
from dataclasses import dataclass, replace
from datetime import timedelta  # noqa: TC003  typer reads annotations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer

from secondme.core.clock import parse_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from secondme.cli.output import CommandResult, ExitCode
    from secondme.core.config.loader import Setup
    from secondme.core.errors import SecondmeError
    from secondme.services import Services

    Work = Callable[..., Coroutine[Any, Any, CommandResult]]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON envelope for scripts.")]
"""`--json`"""
JsonLines = Annotated[bool, typer.Option("--json", help="One JSON object a line, on a terminal too.")]
"""`--json` of what goes on and on, and is JSON by itself where `is_piped`."""


def is_piped() -> bool:
    """True when no person reads what is printed."""
    return not sys.stdout.isatty()


def duration(text: str) -> timedelta:
    """`90s`, `60m`, `2h`, `1d`; a bare number is minutes. Raises typer.BadParameter for anything else, zero, or over a year."""
    value = parse_duration(text)
    if value is None:
        raise typer.BadParameter("a duration looks like 90s, 60m, 2h or 1d")
    return value


def command(
    schema: str,
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    has_json: bool = True,
    is_json: bool | Callable[[], bool] = False,
) -> Callable[[Work], Callable[..., None]]:
    """Makes `async def name(invocation, ...)` a function for typer: it sees the other parameters and `--json`.

    `schema` names the JSON of its results and of its errors. `has_json=False`: the result is never printed as JSON.
    `is_json`: it is whether asked for or not, or when this says so. A coroutine with a parameter `as_json` of its own is given it.
    """

    def wrap(work: Work) -> Callable[..., None]:
        parameters = list(inspect.signature(work).parameters.values())[1:]
        texts = SimpleNamespace(__annotations__={each.name: each.annotation for each in parameters})
        hints = get_type_hints(texts, work.__globals__, include_extras=True)
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        own = [each.replace(annotation=hints[each.name], kind=kind) for each in parameters]
        context = inspect.Parameter("context", kind, annotation=typer.Context)
        takes_json = "as_json" in hints
        json = [] if takes_json else [inspect.Parameter("as_json", kind, default=False, annotation=Json)][: int(has_json)]

        @functools.wraps(work)
        def typed(context: typer.Context, *, as_json: bool = False, **options: Any) -> None:
            if takes_json:
                options["as_json"] = as_json
            as_json = (as_json and has_json) or (is_json() if callable(is_json) else is_json)
            run(context, schema, functools.partial(work, **options), as_json=as_json, loop_factory=loop_factory)

        typed.__signature__ = inspect.Signature([context, *own, *json])  # type: ignore[attr-defined]  # what typer reads
        typed.__annotations__ = {each.name: each.annotation for each in (context, *own, *json)}
        del typed.__wrapped__  # else typer would read the coroutine's
        return typed

    return wrap


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options typed before the command."""

    home: Path | None
    settings: tuple[str, ...]
    as_json: bool = False
    """Whether the result is printed as JSON: what is said meanwhile goes to stderr then."""
    context: typer.Context | None = None

    def is_typed(self, parameter: str) -> bool:
        """True when the parameter's value stood on the command line, where others can read it."""
        origin = self.context.get_parameter_source(parameter) if self.context else None
        return origin is not None and origin.name == "COMMANDLINE"

    def setup(self, extra: dict[str, Any] | None = None, *, even_open: bool = False) -> Setup:
        """The owner's settings; `extra` are dotted names that the command itself decides, `even_open` is as in `load`. Raises ConfigError."""
        from secondme.core.config.loader import is_secret, load
        from secondme.core.errors import ConfigError

        flags: dict[str, Any] = {}
        for item in self.settings:
            name, equals, value = item.partition("=")
            if not equals:
                raise ConfigError("bad_setting", "--set takes NAME=VALUE.", "secondme config show lists the names.")
            if is_secret(name.strip()):
                raise ConfigError("secret_in_argv", f"{name} is a secret: others can read a command line.", "Use the environment.")
            flags[name.strip()] = value.strip()
        return load({**(extra or {}), **flags}, home=self.home, even_open=even_open)

    @contextlib.asynccontextmanager
    async def services(self, *, deciding: bool = False) -> AsyncIterator[Services]:
        """The services of the owner's home, connected; `deciding`: what happens is logged beside what the gateway logs. Raises ConfigError."""
        from secondme.services import open_services, set_up_log

        setup = self.setup()
        if deciding:
            set_up_log(setup)
        async with open_services(setup) as services:
            yield services


def run(
    context: typer.Context,
    schema: str,
    work: Callable[[Invocation], Coroutine[Any, Any, CommandResult]],
    *,
    as_json: bool,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> NoReturn:
    """Do the work, print its result, and end the process with its exit code."""
    from secondme.cli.output import ExitCode, OutputError, emit_error, note
    from secondme.core.errors import SecondmeError

    invocation = replace(context.obj, as_json=as_json, context=context)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            result = runner.run(work(invocation))
        if not result.schema:
            result = replace(result, schema=schema)
        code = _written(result, invocation, as_json=as_json)
    except SecondmeError as error:
        code = emit_error(schema, _for_here(error, invocation), as_json=as_json)
    except (typer.Abort, typer.BadParameter):
        raise  # the person said no, or there was nobody to ask: the command tree knows how to end
    except KeyboardInterrupt:
        note("Interrupted.")
        code = ExitCode.INTERRUPTED
    except OutputError as error:
        note(f"secondme: The output cannot be written: {error}.", "bad")
        code = ExitCode.UNAVAILABLE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has seen enough, like `| head`
        code = ExitCode.DONE
    except Exception as error:  # noqa: BLE001  the top of the program: a cause inside a group, or our bug; one line either way
        code = emit_error(schema, cause_of(error), as_json=as_json)
    raise typer.Exit(int(code))


def _written(result: CommandResult, invocation: Invocation, *, as_json: bool) -> ExitCode:
    """The result is on stdout. Raises OutputError where nothing more can be written, BrokenPipeError when its reader has gone."""
    from secondme.cli.output import emit, flush

    for error in result.errors:
        _for_here(error, invocation)
    code = emit(result, as_json=as_json, home=invocation.home)
    flush(sys.stdout)
    return code


def _for_here(error: SecondmeError, invocation: Invocation) -> SecondmeError:
    """The error, whose fix is to be typed for the home that was typed."""
    if invocation.home is not None and "secondme " in error.fix:
        from secondme.cli.output import typed

        error.fix = typed(error.fix, invocation.home)
    return error


def cause_of(error: Exception) -> SecondmeError:
    """What of ours is behind an error, alone or in a group; else that it is a bug."""
    from secondme.core.errors import SecondmeError

    inner: BaseException = error
    while isinstance(inner, ExceptionGroup):
        known = inner.split(SecondmeError)[0]
        inner = (known or inner).exceptions[0]
    if isinstance(inner, SecondmeError):
        return inner
    return SecondmeError("internal_error", f"This is a bug: {describe(error)}.", "Please report it.")


def describe(error: BaseException) -> str:
    """An unexpected error's type and where it was raised, without its text: that may quote a person."""
    import traceback

    if isinstance(error, BaseExceptionGroup) and error.exceptions:
        return describe(error.exceptions[0])
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119
    return f"{type(error).__name__}{where}"
