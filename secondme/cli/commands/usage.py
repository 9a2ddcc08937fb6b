"""`secondme usage`: what the models cost, by day, contact and model."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, Screen
from secondme.core.clock import from_ms, rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.core.reply.store import Spent

_MICROS = 1_000_000
_MESSAGES = 100


class UsageBy(StrEnum):
    """What the lines of the list are."""

    DAY = "day"
    CONTACT = "contact"
    MODEL = "model"
    MESSAGE = "message"


@command("secondme.usage/1")
async def usage(
    invocation: Invocation,
    by: Annotated[UsageBy, typer.Option(help="What each line stands for.")] = UsageBy.DAY,
    days: Annotated[int, typer.Option(min=1, max=30, help="How many days back, today included (UTC).")] = 7,
) -> CommandResult:
    """Show tokens, cache hits, what was heard and spoken, and cost, beside the caps."""
    from secondme.core.reply.store import ACCOUNTS

    async with invocation.services() as services:
        now_ms = await services.control.now_ms()
        approved = (await services.listing()).approved
        contacts = [*ACCOUNTS, *(each.contact_id for each in approved)] if by is UsageBy.CONTACT else []
        account = await services.spending.account(now_ms, days, contacts)
        messages = await services.spending.messages(_MESSAGES) if by is UsageBy.MESSAGE else []
        routing = _sum([process.routing for process in (await services.status()).processes])
    names = {each.contact_id: each.display_name or "" for each in approved}
    today = account.days.get(f"{from_ms(now_ms):%Y-%m-%d}")
    sums: Mapping[str, Spent] = {"day": account.days, "contact": account.contacts, "model": account.models}.get(by.value, {})
    budget = services.settings.budget
    data = {
        "by": by.value,
        "days": days,
        "todayUsd": _usd(today.micros if today else 0),
        "capUsd": budget.daily_usd,
        "capPerContactUsd": budget.daily_usd_per_contact,
        "routing": routing,
        "lines": [_message(entry) for entry in messages]
        if by is UsageBy.MESSAGE
        else [{"name": name, "displayName": names.get(name, ""), **_facts(spent)} for name, spent in sums.items()],
    }
    return CommandResult(data, lambda screen: _show(screen, data))


def _sum(each: list[Mapping[str, int]]) -> dict[str, int]:
    """What the routers of all processes decided since they started."""
    names = ("routed", "smallTalk", "byRules", "byModel", "inDoubt")
    total = {name: sum(counts.get(name, 0) for counts in each) for name in names}
    return {**total, "meanMs": max((counts.get("meanMs", 0) for counts in each), default=0)}


def _facts(spent: Spent) -> dict[str, Any]:
    prompt = spent.input + spent.cache_read + spent.cache_write
    return {
        "calls": spent.calls,
        "input": spent.input,
        "output": spent.output,
        "cacheRead": spent.cache_read,
        "cacheWrite": spent.cache_write,
        "seconds": spent.seconds,
        "characters": spent.characters,
        "cacheHitShare": round(spent.cache_read / prompt, 4) if prompt else 0.0,
        "usd": _usd(spent.micros),
    }


def _message(entry: dict[str, Any]) -> dict[str, Any]:
    """One call as the log has it; older logs lack some of it."""
    at = entry.get("timestamp")
    return {
        "at": rfc3339(from_ms(int(at))) if isinstance(at, int | float) else None,
        "messageId": str(entry.get("messageId", "")),
        "contactId": str(entry.get("contactId", "")),
        "for": str(entry.get("classification", "")),
        "model": str(entry.get("model", "")),
        "input": entry.get("inputTokens", 0),
        "output": entry.get("responseTokens", 0),
        "cacheRead": entry.get("cacheReadTokens", 0),
        "cacheWrite": entry.get("cacheWriteTokens", 0),
        "seconds": entry.get("seconds", 0),
        "characters": entry.get("characters", 0),
        "usd": _usd(entry.get("costMicros", 0)),
    }


def _usd(micros: float) -> float:
    return round(micros / _MICROS, 6)


def _show(screen: Screen, data: dict[str, Any]) -> None:
    screen.line(f"today   ${data['todayUsd']:.4f} of ${data['capUsd']:.2f}", "bold")
    routing = data["routing"]
    if routing["routed"]:
        screen.line(
            f"since it started   {_count(routing['routed'])} bursts, {_count(routing['smallTalk'])} of them small talk; "
            f"{_count(routing['byRules'])} told by rules, {_count(routing['byModel'])} by the small model ({routing['meanMs']} ms)",
            "dim",
        )
    if data["by"] == "message":
        calls = [
            (
                line["at"] or "",
                line["contactId"],
                line["for"],
                line["model"],
                _count(line["input"]) if not (line["seconds"] or line["characters"]) else _amount(line),
                _count(line["output"]),
                _dollars(line),
            )
            for line in data["lines"]
        ]
        screen.table(("at", "contact", "for", "model", "in", "out", "cost"), calls, empty="No model was called yet.")
        return
    has_amounts = any(line["seconds"] or line["characters"] for line in data["lines"])
    cells = [
        (
            " ".join(part for part in (line["displayName"], line["name"]) if part),
            _count(line["calls"]),
            _count(line["input"] + line["cacheWrite"] + line["cacheRead"]),
            f"{line['cacheHitShare']:.0%}",
            _count(line["output"]),
            *((_amount(line),) if has_amounts else ()),
            _dollars(line),
        )
        for line in data["lines"]
    ]
    columns = (data["by"], "calls", "in", "from cache", "out", *(("heard, spoken",) if has_amounts else ()), "cost")
    screen.table(columns, cells, empty="No model was called yet.")


def _amount(line: dict[str, Any]) -> str:
    """Minutes that were listened to, and characters that were spoken."""
    heard = f"{line['seconds'] / 60:.1f} min" if line["seconds"] else ""
    spoken = f"{_count(line['characters'])} characters" if line["characters"] else ""
    return ", ".join(part for part in (heard, spoken) if part)


def _count(number: float) -> str:
    return f"{int(number):,}"


def _dollars(line: dict[str, Any]) -> str:
    return f"${line['usd']:.4f}"
