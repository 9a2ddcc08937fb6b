"""How does a migration run at a terminal? Where it reads from, what is said meanwhile, and what it came to."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, Self

from secondme.cli.output import CommandResult, ExitCode, Screen, note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import typer
    from rich.progress import Progress

    from secondme.cli.command import Invocation
    from secondme.core.config.loader import Setup
    from secondme.core.enums import Tier
    from secondme.core.errors import SecondmeError
    from secondme.core.migrate.approvals import Tally
    from secondme.core.migrate.report import MovingReport
    from secondme.core.migrate.store import Source
    from secondme.core.store.client import Store

SOURCE_VARIABLE = "SECONDME_MIGRATE_FROM"
"""Where a URL with a password is said: other people can read a command line."""
PAIRING_SCHEMA = "secondme.migrate.pairing/1"
PREDECESSOR_SCHEMA = "secondme.migrate.predecessor/1"
_EVERY = 100
_MEMORY = "What it remembered about people is in its AutoMem, which this command does not reach."


def source_url(context: typer.Context, typed: str | None) -> str | None:
    """The URL to migrate from, if there is one. Raises ConfigError when it was typed and carries a password."""
    from secondme.core.errors import ConfigError
    from secondme.core.migrate.store import has_secret

    origin = context.get_parameter_source("source")
    if typed and origin is not None and origin.name == "COMMANDLINE" and has_secret(typed):
        raise ConfigError(
            "secret_in_argv", "--from carries a password: others can read a command line.", f"Put the URL into {SOURCE_VARIABLE}."
        )
    return typed or None


@contextlib.asynccontextmanager
async def opened(setup: Setup, url: str, store: Store) -> AsyncIterator[Source]:
    """The other Redis, connected. Raises ConfigError when it is our own store."""
    from secondme.core.errors import ConfigError
    from secondme.core.migrate.store import Source

    async with Source(url, setup.settings.store.timeout_s) as source:
        if await source.is_same(store):
            raise ConfigError("source_is_own_store", "That is the very store to migrate into.", "secondme migrate pairing")
        yield source


class Telling:
    """Says what happens while it happens: a line for each contact or value when asked for, and how far it is.

    On a terminal that is a bar, elsewhere a line on stderr for every hundred.
    """

    def __init__(self, *, verbose: bool, as_json: bool) -> None:
        self._screen = Screen(sys.stderr) if as_json else Screen()
        self._verbose = verbose
        self._said = 0
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

    def progress(self, tally: Tally) -> None:
        """Another batch of contacts is done."""
        skipped = tally.processed - tally.approved
        self._say(tally.processed, f"{tally.approved} approved, {skipped} skipped")

    def moved(self, report: MovingReport) -> None:
        """Another batch of values is done."""
        self._say(report.processed, f"{sum(fate.taken for fate in report.fates.values())} taken")

    def _say(self, processed: int, rest: str) -> None:
        if processed // _EVERY == self._said:
            return
        self._said = processed // _EVERY
        text = f"Progress: {processed} processed, {rest}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=text)
        else:
            note(text)


async def migrate_pairing(
    invocation: Invocation, url: str | None, tier: Tier, *, execute: bool, verbose: bool, as_json: bool
) -> CommandResult:
    """Everybody who already has a history is let in, or would be."""
    from secondme.cli.compose import control_store, open_store, pairing_store, write_log
    from secondme.core.migrate.approvals import PairingMigration, Plan
    from secondme.core.migrate.store import AdoptionStore, display_names

    setup = invocation.setup()
    write_log(setup)
    async with contextlib.AsyncExitStack() as open_:
        store = await open_.enter_async_context(open_store(setup))
        source = await open_.enter_async_context(opened(setup, url, store)) if url else None
        names = await display_names(source or store)
        now_ms = await control_store(store).now_ms()
        telling = open_.enter_context(Telling(verbose=verbose, as_json=as_json))
        pairing, plan = pairing_store(store, setup.settings), Plan(tier, execute)
        migration = PairingMigration(AdoptionStore(store), pairing, telling, plan, names, now_ms)
        tally = await (migration.run_from(source) if source else migration.run(store))
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
    return CommandResult(data, lambda screen: _show_pairing(screen, data, url), code, errors, schema=PAIRING_SCHEMA)


async def migrate_predecessor(invocation: Invocation, url: str, *, execute: bool, verbose: bool, as_json: bool) -> CommandResult:
    """What an existing installation left for the contacts that are let in came over, or would."""
    from secondme.cli import sleep_hours
    from secondme.cli.compose import control_store, open_store, write_log
    from secondme.core.migrate.migration import Moving
    from secondme.core.migrate.store import InheritanceStore

    setup = invocation.setup()
    write_log(setup)
    config_file = setup.places.config_file
    async with contextlib.AsyncExitStack() as open_:
        store = await open_.enter_async_context(open_store(setup))
        source = await open_.enter_async_context(opened(setup, url, store))
        now_ms = await control_store(store).now_ms()
        telling = open_.enter_context(Telling(verbose=verbose, as_json=as_json))
        stale_ms = int(setup.settings.queue.stale_after_hours * 3_600_000)
        moving = Moving(source, InheritanceStore(store, execute=execute), telling, now_ms=now_ms, stale_ms=stale_ms)
        report = await moving.run()
        if report.sleep is not None:
            verdict = sleep_hours.verdict(config_file, report.sleep)
            if verdict == "taken" and execute:
                sleep_hours.write(config_file, report.sleep, now_ms)
            moving.ledger.note("sleep_hours", "CONFIG:sleep_hours", verdict)
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
    return CommandResult(data, lambda screen: _show_predecessor(screen, data), schema=PREDECESSOR_SCHEMA)


def _notes(report: MovingReport) -> list[str]:
    notes = [_MEMORY]
    if any(fate.refused["not_approved"] for fate in report.fates.values()):
        notes.append("Who is not let in was left out. First: secondme migrate pairing --from URL --execute")
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
    from secondme.core.errors import DataError

    if not number:
        return []
    return [DataError("corrupt_record", f"Of {number} contacts the record cannot be read; it was left as it is.", "Add --verbose.")]


def _show_pairing(screen: Screen, data: dict[str, Any], url: str | None) -> None:
    rows = [("let in", data["approved"], data["tier"]), ("let in before", data["already"], ""), ("denied", data["denied"], "")]
    rows.append(("gone", data["gone"], "ended while we looked"))
    rows += [("refused", number, reason) for reason, number in sorted(data["refused"].items())]
    cells = [(what, str(number), why.replace("_", " ")) for what, number, why in rows if number]
    screen.table(("what", "contacts", "why"), cells, empty="Nobody has a history.")
    _end(screen, data, "secondme migrate pairing" + (" --from URL" if url else ""))


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


def _end(screen: Screen, data: dict[str, Any], command: str) -> None:
    screen.hint("Done." if data["executed"] else f"Nothing was changed. To do it: {command} --execute")
