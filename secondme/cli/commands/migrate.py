"""`secondme migrate`: an existing installation, and the people it already talks to, come over."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen, note
from secondme.core.enums import Tier
from secondme.core.errors import ConfigError, DataError, SecondmeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rich.progress import Progress

    from secondme.core.migrate.approvals import ApprovalTally
    from secondme.core.migrate.report import PredecessorReport
    from secondme.core.migrate.store import Source
    from secondme.services import Services

_SOURCE_VARIABLE = "SECONDME_MIGRATE_FROM"
"""Where a URL with a password is said: other people can read a command line."""
_EVERY = 100
_MEMORY = "What it remembered about people is in its AutoMem, which this command does not reach."

app = typer.Typer(help="Bring an existing installation over.", no_args_is_help=True)

_Execute = Annotated[bool, typer.Option("--execute", help="Do it; else only say what would be done.")]
_Verbose = Annotated[bool, typer.Option("--verbose", help="One line for each contact or value.")]
_FROM: Any = typer.Option("--from", metavar="URL", envvar=_SOURCE_VARIABLE, help="Another Redis, like redis://localhost:6380.")


@app.command()
@command("secondme.migrate.pairing/1")
async def pairing(
    invocation: Invocation,
    execute: _Execute = False,
    verbose: _Verbose = False,
    source: Annotated[str | None, _FROM] = None,
    tier: Annotated[Tier, typer.Option(help="How far they are trusted.")] = Tier.STANDARD,
) -> CommandResult:
    """Approve everybody who already has a history. Says what it would do; --execute does exactly that."""
    from secondme.core.migrate.approvals import ApprovalPlan, PairingMigration
    from secondme.core.migrate.store import AdoptionStore, display_names

    url = _safe_url(invocation, source)
    async with contextlib.AsyncExitStack() as opened:
        services = await opened.enter_async_context(invocation.services(deciding=True))
        other = await opened.enter_async_context(_other_redis(services, url)) if url else None
        names = await display_names(other or services.store)
        now_ms = await services.control.now_ms()
        watcher = opened.enter_context(_Progress(verbose=verbose, as_json=invocation.as_json))
        adoptions = AdoptionStore(services.store)
        migration = PairingMigration(adoptions, services.pairing_store, watcher, ApprovalPlan(tier, execute), names, now_ms)
        tally = await (migration.run_from(other) if other else migration.run(services.store))
    data = {
        "executed": execute,
        "tier": tier.value,
        "processed": tally.processed,
        "approved": tally.approved,
        "already": tally.already,
        "denied": tally.denied,
        "gone": tally.gone,
        "refused": dict(tally.refused),
    }
    errors = _corrupt(tally.refused["corrupt"])
    code = ExitCode.BAD_INPUT if errors else ExitCode.DONE
    return CommandResult(data, lambda screen: _show_pairing(screen, data, url), code, errors)


@app.command()
@command("secondme.migrate.predecessor/1")
async def predecessor(
    invocation: Invocation,
    source: Annotated[str, _FROM],
    execute: _Execute = False,
    verbose: _Verbose = False,
) -> CommandResult:
    """Bring over what the TypeScript SecondMe kept in Redis, for contacts that are approved. Says what it would do; --execute does it."""
    from secondme.core.migrate import sleep_hours
    from secondme.core.migrate.migration import PredecessorMigration
    from secondme.core.migrate.store import PredecessorWriter

    url = _safe_url(invocation, source) or source
    async with contextlib.AsyncExitStack() as opened:
        services = await opened.enter_async_context(invocation.services(deciding=True))
        other = await opened.enter_async_context(_other_redis(services, url))
        config_file, now_ms = services.setup.places.config_file, await services.control.now_ms()
        watcher = opened.enter_context(_Progress(verbose=verbose, as_json=invocation.as_json))
        stale_ms = int(services.settings.queue.stale_after_hours * 3_600_000)
        ours = PredecessorWriter(services.store, execute=execute)
        migration = PredecessorMigration(other, ours, watcher, now_ms=now_ms, stale_ms=stale_ms)
        report = await migration.run()
        if report.sleep is not None:
            verdict = sleep_hours.verdict(config_file, report.sleep)
            if verdict == "taken" and execute:
                sleep_hours.write(config_file, report.sleep, now_ms)
            migration.ledger.note("sleep_hours", "CONFIG:sleep_hours", verdict)
    data = {
        "executed": execute,
        "kinds": {
            kind: {"taken": fate.taken, "already": fate.already, "skipped": dict(fate.skipped), "refused": dict(fate.refused)}
            for kind, fate in report.fates.items()
        },
        "session": report.session or {},
        "sleep": report.sleep.toml() if report.sleep else [],
        "notes": _notes(report),
    }
    return CommandResult(data, lambda screen: _show_predecessor(screen, data))


def _safe_url(invocation: Invocation, typed: str | None) -> str | None:
    """The URL to migrate from, if there is one. Raises ConfigError when it was typed and carries a password."""
    from secondme.core.migrate.store import has_secret

    if typed and invocation.is_typed("source") and has_secret(typed):
        raise ConfigError(
            "secret_in_argv", "--from carries a password: others can read a command line.", f"Put the URL into {_SOURCE_VARIABLE}."
        )
    return typed or None


@contextlib.asynccontextmanager
async def _other_redis(services: Services, url: str) -> AsyncIterator[Source]:
    """The other Redis, connected. Raises ConfigError when it is our own store."""
    from secondme.core.migrate.store import Source

    async with Source(url, services.settings.store.timeout_s) as source:
        if await source.is_same(services.store):
            raise ConfigError("source_is_own_store", "That is the very store to migrate into.", "secondme migrate pairing")
        yield source


def _sum_of(tally: ApprovalTally) -> str:
    return f"{tally.processed} processed, {tally.approved} approved, {tally.processed - tally.approved} skipped"


class _Progress:
    """Says what happens while it happens: a line for each contact or value when asked for, and how far it is.

    On a terminal that is a bar, elsewhere a line on stderr for every hundred.
    """

    def __init__(self, *, verbose: bool, as_json: bool) -> None:
        self._screen = Screen(sys.stderr) if as_json else Screen()
        self._verbose = verbose
        self._hundreds = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        """The bar is shown, if there is a terminal for it."""
        if sys.stderr.isatty() and not self._verbose:
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("Looking", total=None)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The bar is gone."""
        if self._bar is not None:
            self._bar.stop()

    def item(self, name: str, verdict: str) -> None:
        """One contact was decided about."""
        if self._verbose:
            self._screen.line(f"{verdict:<12} {name}".replace("\n", " "))

    def value(self, kind: str, name: str, verdict: str) -> None:
        """One value was decided about."""
        if self._verbose:
            self._screen.line(f"{kind:<22} {verdict:<14} {name}".replace("\n", " "))

    def progress(self, tally: ApprovalTally) -> None:
        """Another hundred contacts are done."""
        self._say(_sum_of(tally))

    def moved(self, report: PredecessorReport) -> None:
        """Another batch of values is done."""
        if report.processed // _EVERY != self._hundreds:
            self._hundreds = report.processed // _EVERY
            self._say(f"{report.processed} processed, {sum(fate.taken for fate in report.fates.values())} taken")

    def _say(self, how_far: str) -> None:
        text = f"Progress: {how_far}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=text)
        else:
            note(text)


def _notes(report: PredecessorReport) -> list[str]:
    notes = [_MEMORY]
    if any(fate.refused["not_approved"] for fate in report.fates.values()):
        notes.append("Who is not approved was left out. First: secondme migrate pairing --from URL --execute")
    sleep, refused = report.sleep, report.fates["sleep_hours"].refused
    if refused["config_has_sleep"]:
        notes.append("config.toml says something about sleep already and was left as it is; the lines below are the predecessor's.")
    if refused["no_time_zone_for_offset"]:
        notes.append("No time zone has its offset: put the lines below into config.toml with a timezone of your own.")
    elif sleep is not None:
        notes.append(
            f"Its offset was fixed; {sleep.timezone} keeps it, without summer time. A zone like Europe/Madrid may be better."
        )
    if report.session is not None:
        notes.append("A linked WhatsApp device cannot be moved: link this one anew.")
    return notes


def _corrupt(number: int) -> list[SecondmeError]:
    if not number:
        return []
    return [DataError("corrupt_record", f"Of {number} contacts the record cannot be read; it was left as it is.", "Add --verbose.")]


def _show_pairing(screen: Screen, data: dict[str, Any], url: str | None) -> None:
    rows = [("approved", data["approved"], data["tier"]), ("approved before", data["already"], ""), ("denied", data["denied"], "")]
    rows.append(("gone", data["gone"], "ended while we looked"))
    rows += [("refused", number, reason) for reason, number in sorted(data["refused"].items())]
    cells = [(what, str(number), why.replace("_", " ")) for what, number, why in rows if number]
    screen.table(("what", "contacts", "why"), cells, empty="Nobody has a history.")
    skipped = data["processed"] - data["approved"]
    complete = f"Migration complete: {data['processed']} processed, {data['approved']} approved, {skipped} skipped"
    _end(screen, data, "secondme migrate pairing" + (" --from URL" if url else ""), complete)


def _show_predecessor(screen: Screen, data: dict[str, Any]) -> None:
    cells = []
    for kind, fate in data["kinds"].items():
        shown = [("taken", fate["taken"], ""), ("already here", fate["already"], "")]
        shown += [(verb, number, reason) for verb in ("skipped", "refused") for reason, number in sorted(fate[verb].items())]
        cells += [(kind.replace("_", " "), what, str(number), why.replace("_", " ")) for what, number, why in shown if number]
    screen.table(("kind", "what", "number", "why"), cells, empty="There is nothing to bring over.")
    for text in data["notes"]:
        screen.hint(text)
    for text in data["sleep"]:
        screen.line(text)
    _end(screen, data, "secondme migrate predecessor --from URL")


def _end(screen: Screen, data: dict[str, Any], command: str, complete: str = "Done.") -> None:
    screen.hint(complete if data["executed"] else f"Nothing was changed. To do it: {command} --execute")
