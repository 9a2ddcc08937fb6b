"""What does the owner see and decide of messages that were set aside?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from secondme.cli.compose import open_store, pairing_store, write_log
from secondme.cli.contact_lookup import anybody
from secondme.cli.output import CommandResult, ExitCode, exit_code_of
from secondme.cli.standing import local_time, many
from secondme.core.clock import SystemClock, rfc3339
from secondme.core.errors import BusyError, NotFoundError
from secondme.core.queue.store import DeadStore
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.cli.command import Invocation
    from secondme.cli.output import Screen
    from secondme.core.errors import SecondmeError
    from secondme.core.ids import ContactId
    from secondme.core.queue.store import DeadLetter
    from secondme.core.records import ApprovedContact

_UNREADABLE = "it cannot be read"


async def list_letters(invocation: Invocation, *, with_text: bool) -> CommandResult:
    """Every letter in a line; what it says only when asked for."""
    setup = invocation.setup()
    async with open_store(setup) as store:
        letters = await DeadStore(store).letters()
    why = f"{many(setup.settings.queue.max_attempts, 'attempt')} failed"
    rows = [_row(letter, why, with_text=with_text) for letter in letters]
    now = SystemClock().now()

    def show(screen: Screen) -> None:
        headers = ("contact", "sent", "set aside", "why", *(["text"] if with_text else []))
        cells = [
            (
                row["contactId"],
                _when(row["sentAt"], now),
                _when(row["setAsideAt"], now),
                row["why"],
                *([row["text"]] if with_text else []),
            )
            for row in rows
        ]
        screen.table(headers, cells, empty="Every message could be worked on.")
        if rows:
            screen.hint("Try them again: secondme dead retry CONTACT", "accent")

    return CommandResult({"letters": rows}, show)


async def settle_letters(invocation: Invocation, verb: str, reference: str | None) -> CommandResult:
    """Each contact's letters are back in the inbox (`retry`) or gone (`drop`). One that cannot be does not keep the others from it."""
    setup = invocation.setup()
    write_log(setup)
    outcomes: list[dict[str, Any]] = []
    errors: list[SecondmeError] = []
    async with open_store(setup) as store:
        dead = DeadStore(store)
        letters = await dead.letters()
        approved = (await pairing_store(store, setup.settings).listing()).approved
        oldest_answered = SystemClock().now() - timedelta(hours=setup.settings.queue.stale_after_hours)
        for contact in _meant(reference, letters, approved):
            try:
                outcomes.append(await _settle(dead, verb, contact, letters, oldest_answered))
            except (BusyError, NotFoundError) as error:
                errors.append(error)
    if errors and not outcomes:
        raise errors[0]
    code = exit_code_of(errors[0]) if errors else ExitCode.DONE

    def show(screen: Screen) -> None:
        if not outcomes:
            screen.line("Every message could be worked on.", "dim")
        for outcome in outcomes:
            screen.line(_said(verb, outcome))
            if outcome["tooOld"]:
                hours = f"{setup.settings.queue.stale_after_hours:g}"
                screen.line(f"  They are older than {hours} h, so they are read and not answered: queue.stale_after_hours", "warn")

    return CommandResult({"contacts": outcomes}, show, code, errors, schema=f"secondme.dead.{verb}/1")


async def _settle(dead: DeadStore, verb: str, contact: ContactId, letters: list[DeadLetter], too_old: datetime) -> dict[str, Any]:
    if verb == "drop":
        return {"contactId": contact, "outcome": "dropped", "messages": await dead.drop(contact), "left": 0, "tooOld": False}
    sent = [letter.mail.timestamp for letter in letters if letter.contact_id == contact and letter.mail]
    revived = await dead.retry(contact)
    stale = bool(sent) and max(sent) < too_old
    return {"contactId": contact, "outcome": "revived", "messages": revived.count, "left": revived.left, "tooOld": stale}


def _meant(reference: str | None, letters: list[DeadLetter], approved: Sequence[ApprovedContact]) -> list[ContactId]:
    """The one contact that is meant, or all that have letters."""
    with_letters = list(dict.fromkeys(letter.contact_id for letter in letters))
    if reference is None:
        return with_letters
    return [next((each for each in with_letters if each == reference), None) or anybody(reference, approved)]


def _said(verb: str, outcome: dict[str, Any]) -> str:
    if verb == "drop":
        return f"{many(outcome['messages'], 'message')} of {outcome['contactId']} dropped."
    kept = f" {many(outcome['left'], 'message')} stayed: unreadable, or the inbox is full." if outcome["left"] else ""
    return f"{many(outcome['messages'], 'message')} of {outcome['contactId']} put back.{kept}"


def _row(letter: DeadLetter, why: str, *, with_text: bool) -> dict[str, Any]:
    mail = letter.mail
    row: dict[str, Any] = {
        "contactId": letter.contact_id,
        "displayName": safe_name(mail.contact_name or "") if mail else "",
        "channelId": mail.channel_id if mail else "",
        "messageId": mail.message_id if mail else "",
        "sentAt": rfc3339(mail.timestamp) if mail else None,
        "setAsideAt": rfc3339(letter.newest_at),
        "why": why if mail else _UNREADABLE,
        "readable": mail is not None,
    }
    if with_text:
        row["text"] = mail.content if mail else ""
    return row


def _when(moment: str | None, now: datetime) -> str:
    return local_time(moment, now) if moment else ""
