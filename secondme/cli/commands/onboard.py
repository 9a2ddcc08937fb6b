"""`secondme onboard`: the wizard. Every question has a flag or a variable, so that a script needs no terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from secondme.cli.command import Invocation, command

if TYPE_CHECKING:
    from secondme.cli.output import CommandResult

_MODEL, _STORE, _VOICE, _SENSES = "The model", "The store", "The voice", "Voice messages"
_DOOR, _HOURS, _CHANNELS, _RUNNING = "The door", "Sleep", "Channels", "Running"
_Yes = bool | None


def _option(panel: str, help_: str, variable: str, metavar: str | None = None) -> Any:  # as typer's own
    return typer.Option(help=help_, envvar=variable, rich_help_panel=panel, metavar=metavar, show_default=False)


@command("secondme.onboard/1")
async def onboard(  # noqa: PLR0913, PLR0917  every question has its option
    invocation: Invocation,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STAGE", help="Only this: model, store, voice, senses, door, hours, channels, running. May be repeated."
        ),
    ] = None,
    non_interactive: Annotated[
        bool, typer.Option("--non-interactive", envvar="SECONDME_ONBOARD_NON_INTERACTIVE", help="Ask nothing.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", envvar="SECONDME_ONBOARD_QUICK", help="Three questions: your key, your name, and go. The rest has defaults."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
    api_key_file: Annotated[
        str | None,
        _option(_MODEL, "A file with the key; - is stdin. Else ANTHROPIC_API_KEY.", "SECONDME_ONBOARD_API_KEY_FILE", "FILE"),
    ] = None,
    base_url: Annotated[str | None, _option(_MODEL, "A server of your own.", "SECONDME_MODEL__BASE_URL", "URL")] = None,
    model: Annotated[str | None, _option(_MODEL, "Which one writes as you.", "SECONDME_MODEL__NAME")] = None,
    small_model: Annotated[str | None, _option(_MODEL, "Which one does small talk.", "SECONDME_MODEL__SMALL")] = None,
    secrets: Annotated[str | None, _option(_MODEL, "Where keys are kept: file or keyring.", "SECONDME_SECRETS")] = None,
    store: Annotated[
        str | None, _option(_STORE, "embedded, url (SECONDME_REDIS_URL says which) or docker.", "SECONDME_ONBOARD_STORE")
    ] = None,
    persona_name: Annotated[str | None, _option(_VOICE, "What people call you.", "SECONDME_PERSONA__NAME")] = None,
    tone: Annotated[str | None, _option(_VOICE, "How you write, in a few words.", "SECONDME_ONBOARD_TONE")] = None,
    language: Annotated[str | None, _option(_VOICE, "A tag like en; empty: theirs.", "SECONDME_ONBOARD_LANGUAGE")] = None,
    about: Annotated[str | None, _option(_VOICE, "What it should always do, or never.", "SECONDME_ONBOARD_ABOUT")] = None,
    import_: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="FILE",
            envvar="SECONDME_ONBOARD_IMPORT",
            rich_help_panel=_VOICE,
            help="An exported chat to learn from.",
        ),
    ] = None,
    import_me: Annotated[str | None, _option(_VOICE, "Your name in that chat.", "SECONDME_ONBOARD_IMPORT_ME")] = None,
    hearing: Annotated[
        str | None, _option(_SENSES, "no, server (SECONDME_HEARING__API_KEY has its key) or local.", "SECONDME_ONBOARD_HEARING")
    ] = None,
    hearing_model: Annotated[
        str | None, _option(_SENSES, "On this machine: base or tiny.en.", "SECONDME_ONBOARD_HEARING_MODEL")
    ] = None,
    speech: Annotated[
        str | None, _option(_SENSES, "no, stock-voice or my-own-voice (SECONDME_SPEECH__API_KEY).", "SECONDME_ONBOARD_SPEECH")
    ] = None,
    pairing_mode: Annotated[str | None, _option(_DOOR, "owner or self_verify.", "SECONDME_PAIRING__MODE")] = None,
    prompt: Annotated[str | None, _option(_DOOR, "What strangers get: contact or silent.", "SECONDME_PAIRING__PROMPT")] = None,
    approve_existing: Annotated[
        _Yes, _option(_DOOR, "Approve who has a history here.", "SECONDME_PAIRING__AUTO_APPROVE_EXISTING")
    ] = None,
    timezone: Annotated[str | None, _option(_HOURS, "Like Europe/Madrid.", "SECONDME_SLEEP__TIMEZONE")] = None,
    sleep: Annotated[str | None, _option(_HOURS, "23:00-07:00, or off.", "SECONDME_ONBOARD_SLEEP")] = None,
    channel: Annotated[
        list[str] | None,
        _option(_CHANNELS, "telegram or whatsapp. May be repeated; in the variable parted by spaces.", "SECONDME_ONBOARD_CHANNELS"),
    ] = None,
    telegram_owner_id: Annotated[
        str | None, _option(_CHANNELS, "Your user id (the token: SECONDME_TELEGRAM__TOKEN).", "SECONDME_TELEGRAM__OWNER_ID")
    ] = None,
    phone: Annotated[str | None, _option(_CHANNELS, "WhatsApp: link by a code for this number.", "SECONDME_ONBOARD_PHONE")] = None,
    service: Annotated[_Yes, _option(_RUNNING, "Keep it running as a service.", "SECONDME_ONBOARD_SERVICE")] = None,
    digest: Annotated[
        _Yes, _option(_RUNNING, "A note in your own chat at 7:30, when something happened.", "SECONDME_ONBOARD_DIGEST")
    ] = None,
    start: Annotated[
        _Yes, _option(_RUNNING, "Start it at the end: the service, or this process becomes the gateway.", "SECONDME_ONBOARD_START")
    ] = None,
) -> CommandResult:
    """Set everything up, question by question, and see the first message arrive. Run it again to change something."""
    answers = {
        "base_url": base_url,
        "model": model,
        "small_model": small_model,
        "secrets": secrets,
        "store": store,
        "persona_name": persona_name,
        "tone": tone,
        "language": language,
        "about": about,
        "import": import_,
        "import_me": import_me,
        "hearing": hearing,
        "hearing_model": hearing_model,
        "hearing_url": os.environ.get("SECONDME_HEARING__BASE_URL"),
        "speech": speech,
        "voice_id": os.environ.get("SECONDME_SPEECH__VOICE_ID"),
        "pairing_mode": pairing_mode,
        "prompt": prompt,
        "approve_existing": _word(approve_existing),
        "timezone": timezone,
        "sleep": sleep,
        "channels": ",".join(channel) if channel else None,
        "telegram_owner_id": telegram_owner_id,
        "whatsapp_phone": phone,
        "service": _word(service),
        "digest": _word(digest),
        "start": _word(start),
    }

    from secondme.cli.onboard.wizard import start_wizard

    return await start_wizard(
        invocation,
        answers,
        api_key_file=api_key_file,
        only=tuple(only or ()),
        ask=not non_interactive,
        dry_run=dry_run,
        quick=quick,
    )


def _word(answer: bool | None) -> str | None:  # noqa: FBT001  None: nothing was said
    return None if answer is None else "yes" if answer else "no"
