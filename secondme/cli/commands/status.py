"""`secondme status`: one screen that says whether the clone runs, who waits, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from secondme.cli.options import Json
from secondme.cli.run import Invocation, run

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen

SCHEMA = "secondme.status/1"


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show whether the gateway runs, who waits at the door, and what waits to be answered. Exits 1 when no gateway runs."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, overview
        from secondme.cli.exits import ExitCode
        from secondme.cli.output import CommandResult

        setup = invocation.setup()
        async with open_store(setup) as store:
            found = await overview(store, setup)
        data = found.to_dict()
        return CommandResult(SCHEMA, data, lambda screen: _show(screen, data), ExitCode.DONE if found.runs else ExitCode.NO)

    run(context, SCHEMA, work, as_json=as_json)


def _show(screen: Screen, data: dict[str, Any]) -> None:
    _show_processes(screen, data["processes"])
    for channel in data["channels"]:
        if channel["state"] != "off" or channel["paused"]:
            show_channel(screen, channel)
    paused = data["paused"]
    if paused is not None:
        what = "the kill switch is on" if paused["killed"] else f"everybody, until {paused['until'] or 'you resume'}"
        screen.line(f"paused   {what}", "warn")
    pairing = data["pairing"]
    screen.line(
        f"pairing  {pairing['pending']} waiting, {pairing['approved']} approved, {pairing['denied']} denied",
        "accent" if pairing["pending"] else "",
    )
    queue = data["queue"]
    screen.line(f"queue    {queue['messages']} messages of {queue['contacts']} contacts, {queue['unsent']} replies on their way")
    for reason, count in sorted(queue["waiting"].items()):
        screen.line(f"         {count} waiting: {_REASONS.get(reason, reason.replace('_', ' '))}", "warn")
    if queue["held"]:
        screen.line(f"drafts   {queue['held']} wait for you: secondme drafts list", "accent")
    if queue["dead"]:
        screen.line(f"dead     {queue['dead']} messages could not be worked on", "bad")


def show_channel(screen: Screen, channel: dict[str, Any], *, width: int = 8) -> None:
    """One channel in one line: its state, why, and what passed through it."""
    state, code = channel["state"].replace("_", " "), channel["code"]
    words = f"{'paused, ' if channel['paused'] else ''}{state}{f' ({code})' if code else ''}"
    passed = f", {channel['received']} in, {channel['sent']} out" if channel["received"] or channel["sent"] else ""
    style = "warn" if channel["paused"] or state != "connected" else "good"
    screen.line(f"{channel['id']:<{width}} {words}{passed}", "bad" if channel["state"] == "needs_owner" else style)


def _show_processes(screen: Screen, processes: list[dict[str, Any]]) -> None:
    if not processes:
        screen.line("gateway  not running. Start it: secondme serve", "warn")
    for process in processes:
        label = "gateway" if process["part"] in {"all", "gateway"} else "worker "
        screen.line(f"{label}  running since {process['startedAt']} (pid {process['pid']})", "good")


_REASONS = {
    "paused": "paused",
    "asleep": "until you wake",
    "no_model_key": "no key for the model is set (ANTHROPIC_API_KEY)",
    "model_key_refused": "the model's server refused the key",
    "model_no_credit": "the model's account has no credit",
    "model_rate_limited": "the model's rate limit",
    "model_overloaded": "the model is overloaded",
    "model_timeout": "the model is slow",
    "model_unreachable": "the model's server does not answer",
    "model_down": "the model failed too often",
}
