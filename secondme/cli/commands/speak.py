"""`secondme speak`: hear what a voice message of yours would sound like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, Screen
from secondme.core.errors import ConfigError, DataError
from secondme.core.format import size

if TYPE_CHECKING:
    from secondme.core.config.models import SpeechSettings
    from secondme.core.messages import VoiceNote

_WRITTEN = {
    "no_words": "there is no word in it",
    "too_long": "it is longer than speech.max_response_length",
    "link": "it has an address that is to be tapped",
    "number": "it has a number or a code that is to be copied",
    "list": "it is a list",
    "markup": "it has markup or code in it",
}
_CHARACTERS_PRICED = 1000


@command("secondme.speak/1")
async def speak(
    invocation: Invocation,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is said.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where the voice message goes: Ogg with Opus.", show_default=False),
    ],
    language: Annotated[
        str, typer.Option(metavar="CODE", help="The text's language, like de; left out, the engine finds it.")
    ] = "",
) -> CommandResult:
    """Hear what a voice message of yours would sound like."""
    from secondme.core.files import replacement
    from secondme.core.media.speech_rules import spoken_text, why_written

    settings = invocation.setup().settings.speech
    if not settings.consent:
        words = "Nothing is spoken before you have said whose voice it is: your own, or one that the vendor offers to everybody."
        raise ConfigError("no_speech_consent", words, "secondme config set speech.consent stock-voice")
    if reason := why_written(text, settings.max_response_length):
        raise DataError(f"written_{reason}", f"To a contact this would be written: {_WRITTEN[reason]}.", "Say it in plain words.")
    said = spoken_text(text)
    note, engine = await _spoken(settings, said, language)
    try:
        with replacement(output) as file:
            file.write(note.data)
    except OSError as error:
        raise DataError(
            "output_unwritable", f"{output} cannot be written: {error.strerror}.", "Choose another --output."
        ) from error
    is_paid = settings.provider != "command"
    data = {
        "path": str(output.absolute()),
        "seconds": round(note.seconds, 3),
        "sizeBytes": len(note.data),
        "characters": len(said),
        "usd": round(len(said) / _CHARACTERS_PRICED * settings.usd_per_1k_chars, 6) if is_paid else 0.0,
        "engine": engine,
    }

    def show(screen: Screen) -> None:
        facts = f"{note.seconds:.1f} s, {len(said)} characters, ${data['usd']:.4f}, {size(len(note.data))}"
        screen.line(f"{output}: {facts}, by {engine}.")

    return CommandResult(data, show)


async def _spoken(settings: SpeechSettings, text: str, language: str) -> tuple[VoiceNote, str]:
    """The voice note, and who made it."""
    from secondme.core.media.encode import as_voice_note
    from secondme.core.providers.elevenlabs import speech_engine

    engine = speech_engine(settings)
    try:
        return await as_voice_note(await engine.speak(text, language)), engine.name
    finally:
        await engine.close()
