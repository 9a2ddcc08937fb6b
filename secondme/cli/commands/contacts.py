"""`secondme contacts`: who is who over all channels, how each is answered, and how a person is forgotten."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.contact_lookup import find_contact, hinting
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, exit_code_of, for_people, message_result
from secondme.core.admit.contact_lookup import KNOWN, LINKABLE, with_nearest
from secondme.core.clock import rfc3339
from secondme.core.enums import Relationship, ReplyMode
from secondme.core.format import counted

if TYPE_CHECKING:
    from datetime import date

    from secondme.core.ids import ContactId
    from secondme.core.memory.reports import MemoryOverview
    from secondme.core.records import ApprovedContact, SpeechChoice
    from secondme.core.remember.occasions import Birthday
    from secondme.core.remember.store import RelationshipState
    from secondme.services import Services

app = typer.Typer(help="Who is who over all channels, and how each is answered.", no_args_is_help=True)

_Contact = Annotated[
    str,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.approved, help="A contact's id, or the name of somebody you approved."
    ),
]
_LABELS = {
    "state": "state",
    "name": "name",
    "number": "number",
    "channel": "channel",
    "tier": "tier",
    "mode": "mode",
    "relationship": "relationship",
    "persona": "persona",
    "speech": "speech",
    "notes": "notes",
    "paused": "paused",
    "requestedAt": "asked",
    "approvedAt": "approved",
    "deniedAt": "denied",
    "remembered": "remembered",
    "birthday": "birthday",
    "openPromises": "promises",
    "lessons": "taught",
}
"""What `contacts show` says of a contact, in this order: the key of its JSON, and the word for a person."""
_Anybody = Annotated[
    str,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.everybody, help="A contact's id, or the name of somebody you know."
    ),
]
_Linkable = Annotated[
    str,
    typer.Argument(
        metavar="CONTACT", autocompletion=completion.linkable, help="A contact's id, or the name of somebody you approved."
    ),
]
_Linked = Annotated[
    str,
    typer.Argument(metavar="CONTACT", autocompletion=completion.linked, help="A contact's id, or the name of somebody you linked."),
]
_AUTO, _DEFAULT = "auto", "default"
_SAID_BY = {
    "owner": "said by you",
    "address_book": "from your address book",
    "import": "from an import",
    "memory": "as they said",
    "rules": "as they said",
}
_SPEECH = {
    "auto": "{} is answered by voice as your settings say.",
    "always": "{} is answered by voice whenever the words are fit to be spoken.",
    "never": "{} is always answered in writing.",
}


@app.command()
@command("secondme.contacts.relate/1")
async def relate(
    invocation: Invocation,
    contact: _Contact,
    relationship: Annotated[
        str,
        typer.Argument(
            metavar="TYPE|auto", autocompletion=completion.words(*Relationship, _AUTO), help=", ".join([*Relationship, _AUTO])
        ),
    ],
) -> CommandResult:
    """Say what a contact is to you; your word is never overridden. `auto`: what they write tells."""
    word = _one_of(relationship, [*Relationship, _AUTO])
    async with invocation.services(deciding=True) as services:
        who = await find_contact(services, contact)
        standing = await services.relationships.set_by_owner(who, None if word == _AUTO else Relationship(word))
    kind = standing.type.value
    data = {"contactId": who, "relationship": kind, "manual": standing.manual, "confidence": standing.confidence}
    kind = kind.replace("_", " ")
    words = f"{who} is {kind} to you." if standing.manual else f"{who} seems to be {kind}; that may change by itself."
    return message_result(data, words)


@app.command()
@command("secondme.contacts.mode/1")
async def mode(
    invocation: Invocation,
    contact: _Contact,
    reply_mode: Annotated[
        str,
        typer.Argument(
            metavar="MODE", autocompletion=completion.words(*ReplyMode, _DEFAULT), help=", ".join([*ReplyMode, _DEFAULT])
        ),
    ],
) -> CommandResult:
    """Say what happens to a contact's messages. `default`: the tier decides."""
    word = _one_of(reply_mode, [*ReplyMode, _DEFAULT])
    async with invocation.services(deciding=True) as services:
        who = await find_contact(services, contact)
        record = await services.answering.set_mode(who, None if word == _DEFAULT else ReplyMode(word))
    data = {"contactId": who, "mode": record.mode.value, "chosen": record.reply_mode is not None}
    return message_result(data, _MEANS[record.mode].format(who))


@app.command()
@command("secondme.contacts.speech/1")
async def speech(
    invocation: Invocation,
    contact: _Contact,
    wanted: Annotated[
        str,
        typer.Argument(metavar="SPEECH", autocompletion=completion.words(*_SPEECH, _DEFAULT), help=", ".join([*_SPEECH, _DEFAULT])),
    ],
) -> CommandResult:
    """Say whether a contact is answered by voice. `auto` and `default`: as the settings say, which is when they send a voice message."""
    word = _one_of(wanted, [*_SPEECH, _DEFAULT])
    async with invocation.services(deciding=True) as services:
        who = await find_contact(services, contact)
        record = await services.answering.set_speech(who, None if word == _DEFAULT else cast("SpeechChoice", word))
        is_on = services.settings.speech.enabled
    data = {"contactId": who, "speech": record.speech or "auto", "chosen": record.speech is not None, "enabled": is_on}
    more = "" if is_on or record.speech == "never" else " Nothing is spoken while speech.enabled is false."
    return message_result(data, f"{_SPEECH[record.speech or 'auto'].format(who)}{more}")


@app.command()
@command("secondme.contacts.birthday/1")
async def birthday(
    invocation: Invocation,
    contact: Annotated[
        str, typer.Argument(metavar="CONTACT", autocompletion=completion.approved, help="Whose it is. Without: everybody's.")
    ] = "",
    date: Annotated[str, typer.Argument(metavar="DATE", help="Like '4 May', 4.5.1986 or 1986-05-04. Without: shows it.")] = "",
    clear: Annotated[bool, typer.Option("--clear", help="Forget it; the same date is not learnt again.")] = False,
    from_cards: Annotated[
        bool, typer.Option("--from-cards", help="Take it from the address book of the skill contacts, by the contact's number.")
    ] = False,
) -> CommandResult:
    """Show, set or clear the birthday of a contact, or show everybody's, the next first. Your word is never overridden."""
    if sum((bool(date), clear, from_cards)) > (1 if contact else 0):
        raise typer.BadParameter("one of: DATE, --clear, --from-cards" if contact else "name a CONTACT")
    if not contact:
        return await _list_birthdays(invocation)
    async with invocation.services(deciding=bool(date or clear or from_cards)) as services:
        who, now = await find_contact(services, contact), services.clock.now()
        if clear:
            await services.occasions.clear_birthday(who)
        elif date or from_cards:
            await services.occasions.set_birthday(who, await _birthday_given(services, who, date))
        known = await services.occasions.birthday(who)
    shown = _birthday_shown(known, now.date())
    words = f"{who}: {_in_words(shown)}." if shown else f"The birthday of {who} is not known."
    return message_result({"contactId": who, "birthday": shown, "birthdays": []}, words)


async def _list_birthdays(invocation: Invocation) -> CommandResult:
    async with invocation.services() as services:
        names = {each.contact_id: each.shown_name for each in (await services.listing()).approved}
        today, known = services.clock.now().date(), await services.occasions.birthdays()
    rows = [{"contactId": who, "name": names.get(who, ""), **(_birthday_shown(each, today) or {})} for who, each in known]
    rows.sort(key=lambda row: (row["next"], row["contactId"]))

    def show(screen: Screen) -> None:
        cells = [(row["next"], row["name"] or row["contactId"], _in_words(row)) for row in rows]
        screen.table(("next", "contact", "birthday"), cells, empty="No birthday is known.")

    return CommandResult({"contactId": "", "birthday": None, "birthdays": rows}, show)


@app.command()
@command("secondme.contacts.promises/1")
async def promises(
    invocation: Invocation,
    contact: Annotated[
        str, typer.Argument(metavar="CONTACT", autocompletion=completion.approved, help="Only what you promised this one.")
    ] = "",
    done: Annotated[str, typer.Option("--done", metavar="ID", help="You kept this one.")] = "",
    not_one: Annotated[str, typer.Option("--not-one", metavar="ID", help="This is no promise.")] = "",
) -> CommandResult:
    """What you promised people in your own messages and have not done yet. It is gone after 30 days."""
    if done and not_one:
        raise typer.BadParameter("--done or --not-one, not both")
    async with invocation.services(deciding=bool(done or not_one)) as services:
        approved = (await services.listing()).approved
        who = await find_contact(services, contact) if contact else None
        settled = None
        if done or not_one:
            settled = (await services.occasions.settle(done or not_one, "done" if done else "not_one", who))[1].id
        found = await services.occasions.promises(who)
    names = {each.contact_id: each.shown_name for each in approved}
    rows: list[dict[str, Any]] = [
        {
            "id": promise.id,
            "contactId": each,
            "name": names.get(each, ""),
            "saidAt": rfc3339(promise.said_at),
            "day": promise.day.isoformat() if promise.day else None,
            "text": promise.text,
        }
        for each, promise in found
    ]

    def show(screen: Screen) -> None:
        cells = [
            (row["id"][:6], row["name"] or row["contactId"], row["saidAt"][:10], row["day"] or "", row["text"]) for row in rows
        ]
        screen.table(("id", "contact", "said", "for", "promise"), cells, empty="No open promise.")

    return CommandResult({"promises": rows, "settled": settled}, show)


@app.command(name="list")
@command("secondme.contacts.list/1")
async def list_(
    invocation: Invocation,
    channel: Annotated[str | None, typer.Option(autocompletion=completion.channels, help="Only this channel's.")] = None,
    search: Annotated[str, typer.Option(help="Part of a name, number or id.")] = "",
    address_book: Annotated[
        bool, typer.Option("--address-book", help="Everybody in the address books of connected channels, approved or not.")
    ] = False,
) -> CommandResult:
    """The people you approved, with all their contacts."""
    from secondme.core.records import default_mode, strictest

    async with invocation.services() as services:
        if address_book:
            return await _list_address_books(services, channel, search)
        approved = (await services.listing()).approved
        persons = await services.persons.persons([each.contact_id for each in approved])
    by_id = {each.contact_id: each for each in approved}
    rows: list[dict[str, Any]] = []
    listed: set[str] = set()
    shown: list[str] = []
    for each in approved:
        if each.contact_id in listed:
            continue
        together = [by_id[member] for member in persons.get(each.contact_id, [each.contact_id]) if member in by_id]
        listed.update(member.contact_id for member in together)
        if any(_is_wanted(member, channel, search) for member in together):
            tier, reply_mode = strictest(together)
            answered = {"tier": tier.value, "mode": (reply_mode or default_mode(tier)).value}
            rows.append({"name": each.display_name or "", **answered, "contacts": [_row(member) for member in together]})
            shown.append(each.shown_name)

    def show(screen: Screen) -> None:
        cells = [
            (
                name,
                ", ".join(contact["channel"] for contact in row["contacts"]),
                ", ".join(contact["contactId"] for contact in row["contacts"]),
                row["tier"],
                row["mode"],
            )
            for name, row in zip(shown, rows, strict=True)
        ]
        screen.table(("name", "channel", "contact", "tier", "mode"), cells, empty="Nobody yet. Who waits: secondme pairing list")

    return CommandResult({"persons": rows}, show)


async def _list_address_books(services: Services, channel: str | None, search: str) -> CommandResult:
    from secondme.cli.address_book import read_address_books
    from secondme.core.text import caseless

    book, errors = await read_address_books(services, channel)
    needle = caseless(search)
    rows = [row for row in book if any(needle in caseless(row[field]) for field in ("name", "number", "contactId"))]
    columns = ("name", "number", "channel", "contact", "state")

    def show(screen: Screen) -> None:
        cells = [(row["name"], row["number"], row["channel"], row["contactId"], row["state"]) for row in rows]
        screen.table(columns, cells, empty="Nobody: these platforms have no address book, or nobody in it is like that.")

    code = exit_code_of(errors[0]) if errors else ExitCode.DONE
    return CommandResult({"addressBook": rows, "persons": []}, show, code, errors)


@app.command("show")
@command("secondme.contacts.show/1")
async def show_(invocation: Invocation, contact: _Anybody) -> CommandResult:
    """What is known of a contact, and who it is linked with."""
    from secondme.core.errors import NotFoundError
    from secondme.core.records import ApprovedContact

    async with invocation.services() as services:
        who = await find_contact(services, contact, KNOWN)
        listing = await services.listing()
        members = await services.persons.members(who)
        pauses = (await services.pauses.pauses()).contacts
        sizes = await services.memory_desk.sizes(members)
        found = await services.memory_desk.overview(who) if sizes else []
        known, today = await services.occasions.birthday(who), services.clock.now().date()
        promised = Counter(each for each, _ in await services.occasions.promises(who))
        approved = {each.contact_id for each in listing.approved}
        related = {member: _related(await services.relationships.of(member)) for member in members if member in approved}
    remembered = {each.contact_id: each for each in found}
    states = (("pending", listing.pending), ("approved", listing.approved), ("denied", listing.denied))
    rows = [
        {
            **_facts(record),
            "state": state,
            "paused": member in pauses,
            "remembered": _remembered(remembered.get(member)),
            "birthday": _birthday_shown(known, today),
            "relationship": related.get(member),
            "openPromises": promised[member],
            "lessons": len(record.lessons or ()) if isinstance(record, ApprovedContact) else 0,
        }
        for member in members
        for state, records in states
        for record in records
        if record.contact_id == member
    ]
    if not rows:
        nobody = NotFoundError("unknown_contact", f"There is nobody called {who}.", "secondme contacts list")
        raise with_nearest(nobody, contact, listing, KNOWN)

    def show(screen: Screen) -> None:
        for row in rows:
            screen.line(row["contactId"], "bold")
            for name, label in _LABELS.items():
                if (told := _told(name, row.get(name))) and told != row["contactId"]:
                    screen.line(f"  {label:<13} {told}")

    return CommandResult({"contacts": rows}, show)


def _told(name: str, value: Any) -> str:
    """A fact in words; '' where there is nothing to say."""
    match name:
        case "remembered" if value:
            return f"{counted(value['messages'], 'message')} since {value['firstAt'][:10]}, {counted(value['facts'], 'fact')}"
        case "birthday" if value:
            return _in_words(value)
        case "relationship" if value:
            kind = value["type"].replace("_", " ")
            return (
                f"{kind}, as you said"
                if value["manual"]
                else f"{kind}, {'it seems' if value['signals'] else 'until more is known'}"
            )
        case "openPromises" if value:
            return f"{value} open"
        case "lessons" if value:
            return f"{counted(value, 'lesson')}: secondme rehearse --teach --forget takes them back"
        case "paused":
            return "yes" if value else ""
        case _:
            return for_people(str(value or ""))


@app.command()
@command("secondme.contacts.link/1")
async def link(invocation: Invocation, contact: _Linkable, other: _Linkable) -> CommandResult:
    """Say that two contacts are one person: they share the approval and what was said."""
    async with invocation.services(deciding=True) as services:
        first, second = [await find_contact(services, each, LINKABLE) for each in (contact, other)]
        outcome = await services.contacts.link(first, second)
        members = await services.contacts.members(first)
        known = await services.pairing_store.approved(first)
    words = "are one person" if outcome == "linked" else "were one person before"
    data: dict[str, Any] = {"outcome": outcome, "contacts": members}
    how = ""
    if known is not None:
        data |= {"tier": known.tier.value, "mode": known.mode.value}
        how = f" They are {known.tier.value}, mode {known.mode.value}; of two the stricter counts."
    return message_result(data, f"{first} and {second} {words}.{how}", f"Undo: secondme contacts unlink {second}")


@app.command()
@command("secondme.contacts.unlink/1")
async def unlink(invocation: Invocation, contact: _Linked) -> CommandResult:
    """Make a contact a person of its own again. One that was approved only by its link has to ask again."""
    async with invocation.services(deciding=True) as services:
        known = [each.contact_id for each in (await services.listing()).approved]
        linked = replace(KNOWN, is_person=False, likeliest=frozenset(await services.persons.persons(known)))
        who = await find_contact(services, contact, linked)
        async with hinting(services, contact, linked):
            outcome = await services.contacts.unlink(who)
    more = " It was approved only by the link and is a stranger again." if outcome == "unlinked_and_revoked" else ""
    return message_result({"contact": who, "outcome": outcome}, f"{who} is on its own.{more}")


@app.command()
@command("secondme.contacts.forget/1")
async def forget(
    invocation: Invocation, contact: _Anybody, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> CommandResult:
    """Erase everything of a person, under each of their contacts. There is no way back."""
    from secondme.cli.prompts import confirm

    async with invocation.services(deciding=True) as services:
        who = await find_contact(services, contact, KNOWN)
        members = await services.contacts.members(who)
        if not yes:
            if not sys.stdin.isatty():
                raise typer.BadParameter("without a terminal to ask on, add --yes")
            confirm(f"Erase everything of {', '.join(members)}, for good?")
        async with hinting(services, contact, KNOWN):
            gone = await services.contacts.forget(who)
    return message_result({"contacts": gone}, f"Forgotten: {', '.join(gone)}. Nothing of them is left.")


async def _birthday_given(services: Services, contact: ContactId, date: str) -> Birthday:
    """The birthday as it was typed; without a date, as the contact's cards say. Raises DataError, NotFoundError."""
    from secondme.core.dates import birthday_in
    from secondme.core.errors import DataError, NotFoundError
    from secondme.core.remember.occasions import BirthdaySource
    from secondme.core.remember.occasions import birthday as birthday_of

    now, source = services.clock.now(), BirthdaySource.OWNER if date else BirthdaySource.ADDRESS_BOOK
    written = [date] if date else await services.contact_source.birthdays_of(contact)
    dates = {named for each in written if (named := birthday_in(each)) is not None}
    if not date and len(dates) != 1:
        what = "say different birthdays" if dates else "have no birthday of this contact"
        raise NotFoundError("no_card", f"The cards {what}.", "Type it, like: secondme contacts birthday CONTACT '4 May'")
    named = dates.pop() if dates else None
    if named is None or (named.year or 0) > now.year:
        raise DataError(
            "not_a_birthday", "That is no day of birth, or could be two.", "Type it like '4 May', 4.5.1986 or 1986-05-04."
        )
    return birthday_of(named, source, now)


def _birthday_shown(known: Birthday | None, today: date) -> dict[str, Any] | None:
    if known is None:
        return None
    following = known.next_on(today)
    return {
        "day": known.day,
        "month": known.month,
        "year": known.year,
        "source": known.source.value,
        "next": following.isoformat(),
        "turns": known.age_on(following),
    }


def _in_words(shown: dict[str, Any]) -> str:
    """A birthday as a person reads it, like `4 May 1986 (said by you; turns 41 on 2027-05-04)`."""
    from calendar import month_name

    year = f" {shown['year']}" if shown["year"] else ""
    turns = f"turns {shown['turns']}" if shown["turns"] is not None else "next"
    said = _SAID_BY[shown["source"]]
    return f"{shown['day']} {month_name[shown['month']]}{year} ({said}; {turns} on {shown['next']})"


def _one_of(word: str, known: list[str]) -> str:
    if word not in known:
        raise typer.BadParameter(f"one of: {', '.join(known)}")
    return word


def _row(contact: ApprovedContact) -> dict[str, Any]:
    from secondme.core.admit.pairing import channel_of
    from secondme.core.clock import rfc3339

    return {
        "contactId": contact.contact_id,
        "channel": contact.channel_id or channel_of(contact.contact_id),
        "tier": contact.tier.value,
        "mode": contact.mode.value,
        "approvedAt": rfc3339(contact.approved_at),
        "approvedBy": contact.approved_by,
    }


def _remembered(found: MemoryOverview | None) -> dict[str, Any] | None:
    if found is None or not found.messages:
        return None
    return {"messages": found.messages, "firstAt": found.first_at, "facts": len(found.facts)}


def _related(standing: RelationshipState) -> dict[str, Any]:
    return {
        "type": standing.type.value,
        "manual": standing.manual,
        "confidence": standing.confidence,
        "signals": standing.signal_count,
    }


def _facts(record: Any) -> dict[str, Any]:  # three kinds of record with much in common
    from secondme.core.admit.pairing import channel_of
    from secondme.core.clock import rfc3339
    from secondme.core.records import ApprovedContact

    facts = {
        "contactId": record.contact_id,
        "name": record.display_name or "",
        "number": record.phone_number,
        "channel": record.channel_id or channel_of(record.contact_id),
    }
    for name, field in (("requestedAt", "requested_at"), ("approvedAt", "approved_at"), ("deniedAt", "denied_at")):
        if hasattr(record, field) and getattr(record, field) is not None:
            facts[name] = rfc3339(getattr(record, field))
    if isinstance(record, ApprovedContact):
        facts |= {
            "tier": record.tier.value,
            "mode": record.mode.value,
            "persona": record.persona or "",
            "speech": record.speech or "auto",
        }
    return {**facts, "notes": getattr(record, "notes", None) or ""}


def _is_wanted(contact: ApprovedContact, channel: str | None, search: str) -> bool:
    from secondme.core.admit.pairing import channel_of

    return (channel is None or (contact.channel_id or channel_of(contact.contact_id)) == channel) and contact.is_like(search)


_MEANS = {
    ReplyMode.AUTO: "{} is answered.",
    ReplyMode.DRAFT: "Replies to {} are drafts that you approve.",
    ReplyMode.OBSERVE: "{} is listened to and not answered.",
    ReplyMode.OFF: "{} is neither answered nor kept.",
}
