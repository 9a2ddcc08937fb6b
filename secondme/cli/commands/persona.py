"""`secondme persona`: the owner's voices. Each is a Markdown file; an edit counts at the next reply, without a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, Json, run
from secondme.cli.help import completion
from secondme.core.enums import Relationship

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult, Screen
    from secondme.core.config.loader import Setup
    from secondme.core.reply.personas import Library
    from secondme.core.store.client import Store

app = typer.Typer(help="Your voices: who speaks to whom, and how.", no_args_is_help=True)

_Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=completion.personas, help="A persona: its file's name without .md.")
]


@app.command(name="list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """Your personas and for whom each is used. A broken one is named with file and line."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store
        from secondme.cli.output import CommandResult, ExitCode, exit_code_of
        from secondme.cli.voice import library, persona_use

        setup = invocation.setup()
        async with open_store(setup) as store:
            used = await persona_use(store).all()
        personas = library(setup)
        default_file = setup.settings.persona.file
        rows = _rows(personas, used, default_file)
        errors: list[Any] = [each.error for each in personas.broken()]
        known = {row["id"] for row in rows}
        missing = {slot: each for slot, each in used.items() if each not in known}
        code = exit_code_of(errors[0]) if errors else ExitCode.DONE

        def show(screen: Screen) -> None:
            cells = [(row["id"], row["name"], row["language"], ", ".join(row["usedFor"]), row["problem"]) for row in rows]
            screen.table(("persona", "name", "language", "used for", "problem"), cells, empty=_NONE)
            for slot, each in missing.items():
                screen.line(f"{each} is chosen for {_told(slot)} and is not there: the built-in default speaks instead.", "warn")

        return CommandResult({"personas": rows, "missing": missing}, show, code, list(errors))

    run(context, "secondme.persona.list/1", work, as_json=as_json)


@app.command()
def show(context: typer.Context, name: _Name, as_json: Json = False) -> None:
    """One persona, as a reply uses it."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import CommandResult
        from secondme.cli.voice import library, persona_row, show_persona

        row = persona_row(library(invocation.setup()).get(name))
        return CommandResult(row, lambda screen: show_persona(screen, row))

    run(context, "secondme.persona.show/1", work, as_json=as_json)


@app.command()
def edit(context: typer.Context, name: _Name, as_json: Json = False) -> None:
    """Open a persona in $VISUAL or $EDITOR and check it afterwards. What you wrote is kept, right or wrong."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.output import message_result
        from secondme.cli.prompts import edit_file
        from secondme.cli.voice import library
        from secondme.core.errors import ConfigError, NotFoundError

        personas = library(invocation.setup())
        try:
            personas.get(name)
        except ConfigError:
            pass  # it is broken, and here it is mended
        except NotFoundError as error:
            raise NotFoundError(error.code, error.message, f"secondme persona new {_safe(name)}") from None
        path = personas.path_of(name)
        edit_file(path)
        persona = personas.get(name)
        return message_result({"id": persona.id, "path": str(path)}, f"{path} is fine and counts from now on.")

    run(context, "secondme.persona.edit/1", work, as_json=as_json)


@app.command()
def new(
    context: typer.Context,
    name: _Name,
    tone: Annotated[str, typer.Option(help="How it sounds, in a few words.")] = "",
    language: Annotated[str, typer.Option(help="A language tag, like es; else the contact's own language.")] = "",
    relationship: Annotated[list[Relationship] | None, typer.Option(help="For whom; may be repeated.")] = None,
    from_style: Annotated[
        str | None, typer.Option("--from-style", metavar="CONTACT|all", help="Begin with how you write to this contact, or to all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a persona's file. It is used for the relationships it names; `persona use` chooses it for more."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store
        from secondme.cli.output import message_result
        from secondme.cli.voice import make_persona
        from secondme.core.reply.persona import DEFAULT_STYLE

        setup, guide = invocation.setup(), DEFAULT_STYLE
        if from_style is not None:
            async with open_store(setup) as store:
                guide = await _described(store, setup, from_style)
        fields = {"name": name, "tone": tone, "language": language}
        path = make_persona(setup.places.personas, name, fields, tuple(dict.fromkeys(relationship or ())), guide)
        data = {"id": path.stem, "path": str(path)}
        return message_result(data, f"{path} is there.", f"Change it: secondme persona edit {path.stem}")

    run(context, "secondme.persona.new/1", work, as_json=as_json)


@app.command()
def use(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", autocompletion=completion.personas, help="A persona; nothing with --clear.")
    ] = None,
    contact: Annotated[
        str | None,
        typer.Option(metavar="CONTACT", autocompletion=completion.people, help="Only for this contact: an id or a name."),
    ] = None,
    relationship: Annotated[Relationship | None, typer.Option(help="Only for contacts who are this to you.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the choice back.")] = False,
    as_json: Json = False,
) -> None:
    """Choose who speaks: to one contact, to a relationship, or (with neither) to everybody else."""
    if (name is None) != clear:
        raise typer.BadParameter("name a persona, or take a choice back with --clear")
    if contact is not None and relationship is not None:
        raise typer.BadParameter("--contact or --relationship, not both")

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.compose import open_store, pairing_store, write_log
        from secondme.cli.contact_lookup import anybody
        from secondme.cli.output import message_result
        from secondme.cli.voice import contact_choices, library, persona_use
        from secondme.core.reply.personas import slot_of

        setup = invocation.setup()
        write_log(setup)
        identity = library(setup).get(name).id if name is not None else None
        slot, who = slot_of(relationship), None
        async with open_store(setup) as store:
            if contact is not None:
                who = anybody(contact, (await pairing_store(store, setup.settings).listing()).approved)
                await contact_choices(store).set_persona(who, identity)
            elif identity is not None:
                await persona_use(store).set(slot, identity)
            else:
                await persona_use(store).clear(slot)
        whom = who or _told(slot)
        data = {"persona": identity, "contact": who, "relationship": relationship.value if relationship else None}
        words = f"{identity} speaks to {whom} from now on." if identity else f"Nothing is chosen for {whom} any more."
        return message_result({key: value for key, value in data.items() if value}, words)

    run(context, "secondme.persona.use/1", work, as_json=as_json)


_NONE = "No personas yet: a plain default speaks. Make one: secondme persona new default"


@app.command(name="test")
def hear(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What somebody writes to you.")],
    name: Annotated[
        str | None, typer.Option("--persona", metavar="NAME", autocompletion=completion.personas, help="In this persona's voice.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(autocompletion=completion.people, help="As this contact would be answered.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hear how you would answer. Nobody is sent anything; the model is asked, and its answer counts on the budget."""

    async def work(invocation: Invocation) -> CommandResult:
        from secondme.cli.asking import try_voice

        return await try_voice(invocation, message, persona=name, contact=contact)

    if name is not None and contact is not None:
        raise typer.BadParameter("a contact's persona is chosen for them: name one of --persona and --contact")
    run(context, "secondme.persona.test/1", work, as_json=as_json)


def _rows(personas: Library, used: dict[str, str], default_file: str) -> list[dict[str, Any]]:
    from secondme.cli.voice import persona_row
    from secondme.core.reply.personas import DEFAULT

    rows = [{**persona_row(each), "problem": ""} for each in personas.all()]
    blank = {"name": "", "tone": "", "language": "", "relationships": [], "examples": [], "styleGuide": ""}
    rows += [{**blank, "id": each.id, "problem": each.error.message} for each in personas.broken()]
    for row in rows:
        slots = [slot for slot, identity in used.items() if identity == row["id"]]
        if DEFAULT not in used and default_file == f"{row['id']}.md":
            slots.append(DEFAULT)
        row["usedFor"] = [_told(slot) for slot in slots]
    return sorted(rows, key=lambda row: str(row["id"]))


async def _described(store: Store, setup: Setup, reference: str) -> str:
    """The style to this contact, or to all, in plain lines. Holds nothing of what was written."""
    from secondme.cli.compose import pairing_store
    from secondme.cli.contact_lookup import anybody
    from secondme.cli.voice import style_store
    from secondme.core.errors import NotFoundError
    from secondme.core.remember.style import FEWEST, describe

    styles = style_store(store)
    if reference == "all":
        profile = await styles.overall()
    else:
        profile = await styles.profile(anybody(reference, (await pairing_store(store, setup.settings).listing()).approved))
    if profile is None:
        raise NotFoundError("no_style", f"Fewer than {FEWEST} messages of yours are known there.", "secondme style show")
    return describe(profile)


def _told(slot: str) -> str:
    return slot.partition(":")[2] or "everybody"


def _safe(name: str) -> str:
    from secondme.core.text import safe_name

    return safe_name(name)
