"""`secondme trace`: what became of a message, stage by stage."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.contact_lookup import find_approved, find_contact
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, Screen
from secondme.core.admit.contact_lookup import CONVERSATION
from secondme.core.clock import rfc3339
from secondme.core.errors import DataError, NotFoundError
from secondme.core.gateway.trace_messages import in_words
from secondme.core.ids import ContactId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.gateway.store import Passed
    from secondme.core.records import Turn

_SHOWN = 30
_WIDTH = 60


@command("secondme.trace/1")
async def trace(
    invocation: Invocation,
    message: Annotated[
        str | None, typer.Argument(metavar="MESSAGE", help="A message's id; with --contact its beginning is enough.")
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.approved, help="Whose message; alone: this contact's newest messages, with their ids."
        ),
    ] = None,
) -> CommandResult:
    """Show every stage a message passed. With times: received, put off, composed, held, sent, and why; and what of it is kept."""
    if message is not None:
        return await _show_trace(invocation, message, contact)
    if contact is None:
        raise typer.BadParameter("name a message, or --contact for a list of messages")
    return await _show_newest(invocation, contact)


async def _show_trace(invocation: Invocation, message: str, contact: str | None) -> CommandResult:
    """Everything a message passed. Raises NotFoundError when no approved contact's history or gate remembers it."""
    async with invocation.services() as services:
        traces = services.traces
        approved = (await services.listing()).approved
        wanted = [await find_approved(services, contact)] if contact else approved
        if contact is not None:
            message = _whole(message, [turn.id for turn in await services.history.said(ContactId(wanted[0].contact_id))])
        owners = await traces.whose(message, [ContactId(each.contact_id) for each in wanted])
        if not owners:
            raise NotFoundError("unknown_message", "No approved contact's message has that id.", "secondme trace --contact ID")
        who = owners[0]
        turns = [turn for turn in await services.history.said(who) if turn.id == message]
        stages = _of_message(await traces.of_contact(who), message)
        waiting = await traces.waiting(who, message)
        kept = await asyncio.to_thread(services.shelf.kept, who, [message])
    rows = [_fact(each) for each in stages]
    first = turns[0] if turns else None
    data: dict[str, Any] = {
        "messageId": message,
        "contactId": who,
        "by": _BY[first.type] if first else None,
        "sentAt": rfc3339(first.timestamp) if first else None,
        "waiting": waiting,
        "stages": rows,
        "kept": [{"file": str(each.path), "until": rfc3339(each.until)} for each in kept],
    }

    def show(screen: Screen) -> None:
        screen.line(f"{message}  of {who}", "bold")
        lines = [(row["at"], screen.typed(in_words(row["stage"], row["facts"]))) for row in rows]
        if first is not None:
            lines.insert(0, (data["sentAt"], f"{data['by']} wrote it"))
        if waiting is not None:
            lines.append(("now", screen.typed(in_words("waiting", {"reason": waiting}))))
        screen.table(("at", "what"), lines, empty="Nothing was written down about it.")
        for each in data["kept"]:
            screen.line(f"kept: {each['file']} until {each['until']}")

    return CommandResult(data, show)


async def _show_newest(invocation: Invocation, contact: str) -> CommandResult:
    """A contact's newest messages with their ids, and how each stands."""
    async with invocation.services() as services:
        who = await find_contact(services, contact, CONVERSATION)
        turns = (await services.history.said(who))[-_SHOWN:]
        traces = services.traces
        stages = await traces.of_contact(who)
        last = {message: each for each in stages for message in each.messages}
        unread = [turn.id for turn in turns if turn.role == "user" and turn.id not in last]
        waiting = {message: reason for message in unread if (reason := await traces.waiting(who, message))}
    rows = [
        {
            "messageId": turn.id,
            "by": _BY[turn.type],
            "sentAt": rfc3339(turn.timestamp),
            "stage": last[turn.id].stage if turn.id in last else None,
            "waiting": waiting.get(turn.id),
        }
        for turn in turns
    ]

    def show(screen: Screen) -> None:
        cells = [
            (
                rfc3339(turn.timestamp),
                _BY[turn.type],
                _shown(turn),
                _stands(last.get(turn.id), waiting.get(turn.id)),
                _short(turn.id),
            )
            for turn in reversed(turns)
        ]
        screen.table(("at", "who", "text", "stands", "message"), cells, empty="Nothing was said in the last 7 days.")

    return CommandResult({"contactId": who, "messages": rows}, show)


def _whole(reference: str, ids: Sequence[str]) -> str:
    """The one of `ids` that begins so, or `reference` as it is. Raises DataError when it could be several."""
    found = [each for each in ids if each == reference] or [each for each in ids if each.startswith(reference)]
    if len(found) > 1:
        raise DataError("ambiguous_message", f"{len(found)} messages have an id that begins so.", "Type more of it.")
    return found[0] if found else reference


def _short(identity: str) -> str:
    """As much of an id of our own as is typed; a platform's stays whole."""
    return identity[:_TYPED] if _OURS.fullmatch(identity) else identity


def _of_message(stages: list[Passed], message: str) -> list[Passed]:
    """The stages of a message, and of the reply to it; of a reply itself when `message` is one."""
    replies = {
        str(each.facts["reply"])
        for each in stages
        if each.facts.get("reply") and (message in each.messages or each.facts.get("row") == message)
    }
    return [each for each in stages if message in each.messages or not replies.isdisjoint(each.replies)]


def _fact(passed: Passed) -> dict[str, Any]:
    return {"stage": passed.stage, "at": rfc3339(passed.at), "messages": list(passed.messages), "facts": passed.facts}


def _stands(passed: Passed | None, waiting: str | None) -> str:
    if passed is not None:
        return in_words(passed.stage, passed.facts)
    return in_words("waiting", {"reason": waiting}) if waiting else ""


def _shown(turn: Turn) -> str:
    return turn.shown if len(turn.shown) <= _WIDTH else turn.shown[: _WIDTH - 1] + "…"


_TYPED = 8
_OURS = re.compile(r"[0-9a-f]{32}")
_BY = {"incoming": "contact", "outgoing": "clone", "fromMe": "you"}
