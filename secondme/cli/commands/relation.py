"""`secondme contacts relate` and `contacts mode`: what a contact is to the owner, and whether the clone answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion
from secondme.core.enums import Relationship, ReplyMode

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

_Contact = Annotated[
    str,
    typer.Argument(metavar="CONTACT", autocompletion=completion.people, help="A contact's id, or the name of somebody you let in."),
]

_AUTO, _DEFAULT = "auto", "default"


def relate(
    context: typer.Context,
    contact: _Contact,
    relationship: Annotated[str, typer.Argument(metavar="TYPE|auto", help=", ".join([*Relationship, _AUTO]))],
    as_json: Json = False,
) -> None:
    """Say what a contact is to you; your word is never overridden. `auto`: what they write tells."""
    wanted = None if relationship == _AUTO else Relationship(_one_of(relationship, [*Relationship, _AUTO]))

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, pairing_store, write_log
        from secondme.cli.contact_lookup import anybody
        from secondme.cli.output import message_result
        from secondme.cli.voice import relationship_store

        setup = invocation.setup()
        write_log(setup)
        async with open_store(setup) as store:
            who = anybody(contact, (await pairing_store(store, setup.settings).listing()).approved)
            standing = await relationship_store(store).set_by_owner(who, wanted)
        data = {
            "contactId": who,
            "relationship": standing.type.value,
            "manual": standing.manual,
            "confidence": standing.confidence,
        }
        kind = standing.type.value.replace("_", " ")
        words = f"{who} is {kind} to you." if standing.manual else f"{who} seems to be {kind}; that may change by itself."
        return message_result(data, words)

    run(context, "secondme.contacts.relate/1", work, as_json=as_json)


def mode(
    context: typer.Context,
    contact: _Contact,
    reply_mode: Annotated[str, typer.Argument(metavar="MODE", help=", ".join([*ReplyMode, _DEFAULT]))],
    as_json: Json = False,
) -> None:
    """Say what happens to a contact's messages. `default`: the tier decides."""
    wanted = None if reply_mode == _DEFAULT else ReplyMode(_one_of(reply_mode, [*ReplyMode, _DEFAULT]))

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, pairing_store, write_log
        from secondme.cli.contact_lookup import anybody
        from secondme.cli.output import message_result
        from secondme.cli.voice import answering

        setup = invocation.setup()
        write_log(setup)
        async with open_store(setup) as store:
            who = anybody(contact, (await pairing_store(store, setup.settings).listing()).approved)
            record = await answering(store).set_mode(who, wanted)
        data = {"contactId": who, "mode": record.mode.value, "chosen": record.reply_mode is not None}
        return message_result(data, _MEANS[record.mode].format(who))

    run(context, "secondme.contacts.mode/1", work, as_json=as_json)


def _one_of(word: str, known: list[str]) -> str:
    if word not in known:
        raise typer.BadParameter(f"one of: {', '.join(known)}")
    return word


_MEANS = {
    ReplyMode.AUTO: "{} is answered.",
    ReplyMode.DRAFT: "Replies to {} are drafts that you approve.",
    ReplyMode.OBSERVE: "{} is listened to and not answered.",
    ReplyMode.OFF: "{} is neither answered nor kept.",
}
