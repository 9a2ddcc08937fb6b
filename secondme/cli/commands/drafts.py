"""`secondme drafts`: replies that wait for the owner, each beside what it answers, to read, send, edit or drop."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, exit_code_of
from secondme.core.admit.contact_lookup import CONVERSATION
from secondme.core.clock import rfc3339
from secondme.core.format import ago, counted, local_time, span

if TYPE_CHECKING:
    from datetime import datetime

    from secondme.core.errors import SecondmeError
    from secondme.core.gateway.draft_views import DraftView
    from secondme.core.send.drafts import DraftAction

app = typer.Typer(help="Replies that wait for you.", no_args_is_help=True)

_Reference = Annotated[
    str, typer.Argument(metavar="DRAFT", autocompletion=completion.drafts, help="A draft's id, or the beginning of it.")
]
_References = Annotated[
    list[str] | None,
    typer.Argument(metavar="DRAFT", autocompletion=completion.drafts, help="A draft's id, or the beginning of it."),
]
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
@command("secondme.drafts.list/1")
async def list_(
    invocation: Invocation,
    contact: Annotated[
        str | None, typer.Option(metavar="CONTACT", autocompletion=completion.with_drafts, help="Only those for this contact.")
    ] = None,
) -> CommandResult:
    """Show every draft: whose it is, what they wrote, what it says, and why it waits."""
    from secondme.cli.contact_lookup import find_contact

    async with invocation.services() as services:
        views, corrupt = await services.draft_views.waiting()
        now = services.clock.now()
        if contact is not None:
            wanted = replace(CONVERSATION, likeliest=frozenset(view.draft.contact_id for view in views))
            who = await find_contact(services, contact, wanted)
            views = [view for view in views if view.draft.contact_id == who]

    def show(screen: Screen) -> None:
        screen.table(
            ("draft", "to", "contact", "age", "they wrote", "it says", "waits because"),
            [
                (
                    view.draft.id[:8],
                    view.name if view.name != view.draft.contact_id else "",
                    view.draft.contact_id,
                    ago(view.draft.held_at, now),
                    " / ".join(each.text for each in view.asked) or (f"job: {view.job_name}" if view.draft.job else ""),
                    view.draft.text,
                    view.why,
                )
                for view in views
            ],
            empty="No drafts wait for you.",
        )

    code = ExitCode.BAD_INPUT if corrupt else ExitCode.DONE
    return CommandResult({"drafts": [_data(view) for view in views]}, show, code, list(corrupt))


@app.command()
@command("secondme.drafts.show/1")
async def show(invocation: Invocation, draft: _Reference) -> CommandResult:
    """Show one draft, whole, and what it answers; of one that is gone, what became of it."""
    async with invocation.services() as services:
        view = await services.draft_views.find(draft)
        now = services.clock.now()
    return CommandResult(_data(view), lambda screen: _show(screen, view, now))


def _show(screen: Screen, view: DraftView, now: datetime) -> None:
    draft, short = view.draft, view.draft.id[:8]
    who = [view.contact.tier.value] if view.contact is not None else ["not approved any more"]
    screen.line(f"{short}  to {view.name} ({', '.join([*who, draft.contact_id])})", "bold")
    ends = "" if draft.expires_at is None else f", dropped in {span(draft.expires_at - now)} unless you decide"
    screen.line(f"It has waited {ago(draft.held_at, now)}{ends}.", "dim")
    screen.line(view.why, "" if draft.may_send else "warn")
    if draft.job:
        screen.hint(f"See the job: secondme jobs show {draft.job}", "dim")
    if draft.overtaken:
        screen.line("Something was said in that conversation since it was written.", "warn")
    if view.asked:
        screen.line()
        screen.line("They wrote:", "dim")
    for each in view.asked:
        _quote(screen, each.text, f"{local_time(rfc3339(each.at), now)}  ")
    screen.line()
    screen.line("You would say:" if draft.own else "Your clone would say:", "dim")
    for number, text in enumerate(draft.texts):
        if number:
            screen.line()
        _quote(screen, text)
    screen.line()
    if draft.may_send:
        screen.hint(f"secondme drafts send {short}{' --anyway' if draft.overtaken else ''}", "accent")
    screen.hint(f"secondme drafts edit {short}", "accent")
    screen.hint(f"secondme drafts drop {short}", "accent")


def _quote(screen: Screen, text: str, before: str = "") -> None:
    """Somebody's words, a bar before each line: none of them can look like one of ours."""
    for number, line in enumerate(text.splitlines() or [""]):
        screen.line(f"  {before if not number else ' ' * len(before)}| {line}")


@app.command()
@command("secondme.drafts.send/1")
async def send(
    invocation: Invocation,
    drafts: _References = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="A job's, too, behind which something was said since it was written.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every draft that can go out as it is.")] = False,
    yes: _Yes = False,
) -> CommandResult:
    """Send drafts; each passes the same checks as any other reply. One that fails does not keep the others."""
    return await _decide(invocation, "send", drafts or [], every=every, yes=yes, anyway=anyway)


@app.command()
@command("secondme.drafts.edit/1")
async def edit(
    invocation: Invocation,
    draft: _Reference,
    text: Annotated[
        str | None, typer.Option(help="The new words; without it your editor opens, and - reads standard input.")
    ] = None,
    send: Annotated[bool, typer.Option("--send", help="Send it at once.")] = False,
) -> CommandResult:
    """Write a draft anew, in your own words."""
    from secondme.cli.prompts import words_for

    async with invocation.services() as services:
        views = services.draft_views
        before = await views.find(draft)
        edited = await views.found(services.drafts.edit(before.draft.id, words_for(before.draft.text, text)), before.draft.id)
        if send:
            await services.drafts.send(edited.id)
        (view,) = await views.of([edited])

    def show(screen: Screen) -> None:
        screen.line(f"The draft for {edited.contact_id} {'is on its way' if send else 'is changed'}.")
        if not send:
            screen.hint(f"secondme drafts send {edited.id[:8]}", "accent")

    return CommandResult({**_data(view), "outcome": "sent" if send else "edited"}, show)


@app.command()
@command("secondme.drafts.drop/1")
async def drop(
    invocation: Invocation,
    drafts: _References = None,
    every: Annotated[bool, typer.Option("--all", help="Every draft.")] = False,
    yes: _Yes = False,
) -> CommandResult:
    """Drop drafts for good."""
    return await _decide(invocation, "drop", drafts or [], every=every, yes=yes)


async def _decide(
    invocation: Invocation, action: DraftAction, references: list[str], *, every: bool, yes: bool, anyway: bool = False
) -> CommandResult:
    """One decision about each of `references`, or about `every` draft: then how many there are is said, and asked."""
    if bool(references) == every:
        raise typer.BadParameter("name drafts, or use --all")
    async with invocation.services() as services:
        views, drafts = services.draft_views, services.drafts
        left = 0
        errors: list[SecondmeError] = []
        if every:
            waiting, _ = await drafts.waiting()
            chosen = [draft for draft in waiting if action == "drop" or draft.may_send]
            left = len(waiting) - len(chosen)
            if chosen and not yes:
                _confirm(action, len(chosen), left)
            references = [draft.id for draft in chosen]
        if len(references) == 1:  # what became of one that is gone is worth a look
            decide = drafts.drop(references[0]) if action == "drop" else drafts.send(references[0], anyway=anyway)
            draft = await views.found(decide, references[0])
            rows = [_settled(draft.id, draft.contact_id, action)]
        else:
            outcomes = await drafts.decide(references, action, anyway=anyway)
            rows = [_settled(each.draft.id, each.draft.contact_id, action) for each in outcomes if each.draft is not None]
            errors = [each.error for each in outcomes if each.error is not None]
    if errors and not rows:
        raise errors[0]
    return _result(action, rows, list(errors), left)


def _confirm(action: DraftAction, count: int, left: int) -> None:
    from secondme.cli.prompts import confirm

    if not sys.stdin.isatty():
        raise typer.BadParameter("without a terminal to ask on, add --yes")
    rest = f" {counted(left, 'other')} can leave only in your own words." if left else ""
    confirm(f"{action.title()} {counted(count, 'draft')}?{rest}")


def _settled(draft: str, contact: str, action: DraftAction) -> dict[str, Any]:
    return {"id": draft, "contactId": contact, "outcome": "sent" if action == "send" else "dropped"}


def _result(action: DraftAction, rows: list[dict[str, Any]], errors: list[SecondmeError], left: int) -> CommandResult:
    """What became of them; the keys of a single one stand at the top too, as before there could be several."""
    data = {**(rows[0] if len(rows) == 1 and not errors else {}), "drafts": rows, "left": left}

    def show(screen: Screen) -> None:
        for row in rows:
            screen.line(f"The draft for {row['contactId']} {'is on its way' if action == 'send' else 'was dropped'}.")
        if not rows:
            screen.line("No drafts wait for you." if not left else "No draft can go out as it is.", "dim")
        if left:
            screen.hint(f"{counted(left, 'draft')} can leave only in your own words: secondme drafts list", "warn")

    return CommandResult(data, show, exit_code_of(errors[0]) if errors else ExitCode.DONE, errors)


def _data(view: DraftView) -> dict[str, Any]:
    draft, contact = view.draft, view.contact
    return {
        "id": draft.id,
        "contactId": draft.contact_id,
        "channelId": draft.channel_id,
        "displayName": (contact.shown_name or None) if contact is not None else None,
        "tier": contact.tier.value if contact is not None else None,
        "reason": draft.reason,
        "why": view.why,
        "fault": draft.fault or None,
        "maySend": draft.may_send,
        "own": draft.own,
        "heldAt": rfc3339(draft.held_at),
        "expiresAt": rfc3339(draft.expires_at) if draft.expires_at is not None else None,
        "text": draft.text,
        "texts": list(draft.texts),
        "answers": list(draft.answers),
        "asked": [{"id": each.id, "text": each.text, "at": rfc3339(each.at), "kind": each.kind} for each in view.asked],
        "job": draft.job,
        "jobName": view.job_name or None,
        "overtaken": draft.overtaken,
    }
