"""`secondme see`: what the model would be shown of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, Screen
from secondme.core.errors import NotFoundError


@command("secondme.see/1")
async def see(
    invocation: Invocation,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo, a screenshot, a sticker.")],
    copy: Annotated[Path | None, typer.Option(help="Save the clean copy here, a JPEG.")] = None,
    ask: Annotated[
        bool, typer.Option("--ask/--no-ask", help="Ask the small model what can be seen; costs a fraction of a cent.")
    ] = True,
) -> CommandResult:
    """What the model is shown of a picture, and what it sees in it. That is a copy of our own making, without the place and the time."""
    from secondme.core.files import write_private
    from secondme.core.media.pictures import PictureCleaner

    try:
        data = file.expanduser().read_bytes()
    except OSError as error:
        raise NotFoundError("no_such_file", f"{file} cannot be read: {error.strerror}.", "Name a picture.") from error
    settings = invocation.setup().settings
    picture = await PictureCleaner(settings.sight.max_edge).clean(data)
    if copy is not None:
        write_private(copy.expanduser(), picture.data)
    description = None
    if ask and settings.model.api_key is not None:
        async with invocation.services() as services, services.looking() as look:
            description = await look(picture)
    facts: dict[str, Any] = {
        "file": str(file),
        "bytes": len(picture.data),
        "width": picture.width,
        "height": picture.height,
        "tokens": picture.tokens,
        "description": description,
        "copy": str(copy) if copy is not None else None,
    }

    def show(screen: Screen) -> None:
        screen.line(
            f"{picture.width} x {picture.height}, {picture.tokens:,} tokens, {len(picture.data):,} bytes of {len(data):,}", "bold"
        )
        if description:
            screen.line(screen.typed(description))
        elif settings.model.api_key is None:
            screen.line("No key for the model is set: it was not asked what can be seen.", "dim")
        elif ask:
            screen.line("The model did not say what can be seen.", "warn")
        if copy is not None:
            screen.line(f"Saved as {copy}.")

    return CommandResult(facts, show)
