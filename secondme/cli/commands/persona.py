"""`secondme persona`: the owner's voices. Each is a Markdown file; an edit counts at the next reply, without a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.contact_lookup import find_approved, find_contact
from secondme.cli.help import completion
from secondme.cli.output import CommandResult, ExitCode, Screen, exit_code_of, message_result, note
from secondme.core.enums import Relationship
from secondme.core.errors import ConfigError, NotFoundError, SecondmeError
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from secondme.core.reply.persona import Persona
    from secondme.core.reply.personas import PersonaLibrary
    from secondme.services import Services

app = typer.Typer(help="Your voices: who speaks to whom, and how.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=completion.personas, help="A persona: its file's name without .md.")
]


@app.command(name="list")
@command("secondme.persona.list/1")
async def list_(invocation: Invocation) -> CommandResult:
    """Your personas and for whom each is used. A broken one is named with file and line."""
    async with invocation.services() as services:
        used = await services.persona_use.all()
    rows = _rows(services.personas, used, services.settings.persona.file)
    errors: list[SecondmeError] = [each.error for each in services.personas.broken()]
    known = {row["id"] for row in rows}
    missing = {slot: each for slot, each in used.items() if each not in known}

    def show(screen: Screen) -> None:
        cells = [(row["id"], row["name"], row["language"], ", ".join(row["usedFor"]), row["problem"]) for row in rows]
        none = "No personas yet: a plain default speaks. Make one: secondme persona new default"
        screen.table(("persona", "name", "language", "used for", "problem"), cells, empty=none)
        for slot, each in missing.items():
            screen.line(f"{each} is chosen for {_whom(slot)} and is not there: the built-in default speaks instead.", "warn")

    code = exit_code_of(errors[0]) if errors else ExitCode.DONE
    return CommandResult({"personas": rows, "missing": missing}, show, code, errors)


@app.command()
@command("secondme.persona.show/1")
async def show(invocation: Invocation, name: _Name) -> CommandResult:
    """One persona, as a reply uses it."""
    from secondme.services import persona_library

    row = _row(persona_library(invocation.setup()).get(name))

    def show(screen: Screen) -> None:
        screen.line(f"{row['name']}  ({row['id']})", "bold")
        for label, value in (("tone", row["tone"]), ("language", row["language"]), ("for", ", ".join(row["relationships"]))):
            if value:
                screen.line(f"  {label:<9} {value}")
        screen.line()
        screen.line(row["styleGuide"])
        for at, example in enumerate(row["examples"]):
            screen.line(("\nExamples:\n  " if at == 0 else "  ") + example.replace("\n", "\n  "))

    return CommandResult(row, show)


@app.command()
@command("secondme.persona.edit/1")
async def edit(invocation: Invocation, name: _Name) -> CommandResult:
    """Open a persona in $VISUAL or $EDITOR and check it afterwards. What you wrote is kept, right or wrong."""
    from secondme.cli.prompts import edit_file
    from secondme.services import persona_library

    personas = persona_library(invocation.setup())
    try:
        personas.get(name)
    except ConfigError:
        pass  # it is broken, and here it is mended
    except NotFoundError as error:
        raise NotFoundError(error.code, error.message, f"secondme persona new {safe_name(name)}") from None
    path = personas.path_of(name)
    edit_file(path)
    persona = personas.get(name)
    return message_result({"id": persona.id, "path": str(path)}, f"{path} is fine and counts from now on.")


@app.command()
@command("secondme.persona.new/1")
async def new(
    invocation: Invocation,
    name: _Name,
    tone: Annotated[str, typer.Option(help="How it sounds, in a few words.")] = "",
    language: Annotated[str, typer.Option(help="A language tag, like es; else the contact's own language.")] = "",
    relationship: Annotated[list[Relationship] | None, typer.Option(help="For whom; may be repeated.")] = None,
    from_style: Annotated[
        str | None,
        typer.Option(
            "--from-style",
            metavar="CONTACT|all",
            autocompletion=completion.approved,
            help="Begin with how you write to this contact, or to all.",
        ),
    ] = None,
) -> CommandResult:
    """Make a persona's file. It is used for the relationships it names; `persona use` chooses it for more."""
    from secondme.core.reply.persona import DEFAULT_STYLE
    from secondme.services import persona_library

    guide = DEFAULT_STYLE
    if from_style is not None:
        async with invocation.services() as services:
            guide = await _style_of(services, from_style)
    fields = {"name": name, "tone": tone, "language": language}
    path = persona_library(invocation.setup()).create(name, fields, dict.fromkeys(relationship or ()), guide)
    data = {"id": path.stem, "path": str(path)}
    return message_result(data, f"{path} is there.", f"Change it: secondme persona edit {path.stem}")


@app.command()
@command("secondme.persona.use/1")
async def use(
    invocation: Invocation,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", autocompletion=completion.personas, help="A persona; nothing with --clear.")
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(metavar="CONTACT", autocompletion=completion.approved, help="Only for this contact: an id or a name."),
    ] = None,
    relationship: Annotated[Relationship | None, typer.Option(help="Only for contacts who are this to you.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the choice back.")] = False,
) -> CommandResult:
    """Choose who speaks: to one contact, to a relationship, or (with neither) to everybody else."""
    from secondme.core.reply.personas import slot_of

    if (name is None) != clear:
        raise typer.BadParameter("name a persona, or take a choice back with --clear")
    if contact is not None and relationship is not None:
        raise typer.BadParameter("--contact or --relationship, not both")
    slot, who = slot_of(relationship), None
    async with invocation.services(deciding=True) as services:
        identity = services.personas.get(name).id if name is not None else None
        if contact is not None:
            who = await find_contact(services, contact)
            await services.choices.set_persona(who, identity)
        elif identity is not None:
            await services.persona_use.set(slot, identity)
        else:
            await services.persona_use.clear(slot)
    whom = who or _whom(slot)
    data = {"persona": identity, "contact": who, "relationship": relationship.value if relationship else None}
    words = f"{identity} speaks to {whom} from now on." if identity else f"Nothing is chosen for {whom} any more."
    return message_result({key: value for key, value in data.items() if value}, words)


@app.command(name="test")
@command("secondme.persona.test/1")
async def hear(
    invocation: Invocation,
    message: Annotated[str, typer.Argument(help="What somebody writes to you.")],
    name: Annotated[
        str | None, typer.Option("--persona", metavar="NAME", autocompletion=completion.personas, help="In this persona's voice.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(autocompletion=completion.approved, help="As this contact would be answered.")
    ] = None,
) -> CommandResult:
    """Hear how you would answer. Nobody is sent anything; the model is asked, and its answer counts on the budget."""
    from secondme.cli.commands.agent import usage_row

    if name is not None and contact is not None:
        raise typer.BadParameter("a contact's persona is chosen for them: name one of --persona and --contact")
    async with invocation.services() as services:
        who = await find_approved(services, contact) if contact is not None else None
        async with services.asking_claude() as clone:
            answer = await clone.try_voice(message, persona=name, contact=who)

    def show(screen: Screen) -> None:
        screen.line(answer.text)
        if answer.fault:
            note(f"The checks would hold this for you: {answer.fault.replace('_', ' ')}.", "warn")
        if screen.is_terminal:
            screen.hint("How much does it sound like you? secondme rehearse --dry-run", "dim")

    texts = {"text": answer.text, "persona": answer.persona, "fault": answer.fault or None}
    return CommandResult({**texts, "usage": usage_row(answer.usage)}, show)


def _rows(personas: PersonaLibrary, used: dict[str, str], default_file: str) -> list[dict[str, Any]]:
    from secondme.core.reply.personas import DEFAULT

    rows = [{**_row(each), "problem": ""} for each in personas.all()]
    blank = {"name": "", "tone": "", "language": "", "relationships": [], "examples": [], "styleGuide": ""}
    rows += [{**blank, "id": each.id, "problem": each.error.message} for each in personas.broken()]
    for row in rows:
        slots = [slot for slot, identity in used.items() if identity == row["id"]]
        if DEFAULT not in used and default_file == f"{row['id']}.md":
            slots.append(DEFAULT)
        row["usedFor"] = [_whom(slot) for slot in slots]
    return sorted(rows, key=lambda row: str(row["id"]))


def _row(persona: Persona) -> dict[str, Any]:
    return {
        "id": persona.id,
        "name": persona.name,
        "tone": persona.tone,
        "language": persona.language,
        "relationships": [each.value for each in persona.relationships],
        "examples": list(persona.examples),
        "styleGuide": persona.style_guide,
    }


async def _style_of(services: Services, reference: str) -> str:
    """The style to this contact, or to all, in plain lines. Holds nothing of what was written."""
    from secondme.core.admit.contact_lookup import EXACTLY
    from secondme.core.remember.style import FEWEST, describe

    if reference == "all":
        profile = await services.style.overall()
    else:
        profile = await services.style.profile(await find_contact(services, reference, EXACTLY))
    if profile is None:
        raise NotFoundError("no_style", f"Fewer than {FEWEST} messages of yours are known there.", "secondme style show")
    return describe(profile)


def _whom(slot: str) -> str:
    return slot.partition(":")[2] or "everybody"
