"""The command tree, one line per command or group. Importing it loads no library but typer, and no command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from secondme import __version__
from secondme.cli.help.tree import Entry, Root, Section
from secondme.cli.run import Invocation

SECTIONS = (
    Section(
        "Start",
        (
            Entry("onboard", "Set everything up, question by question, and see the first message arrive.", "onboard:onboard"),
            Entry("serve", "Run the gateway.", "serve:serve"),
            Entry("channels", "Where people write: link, pause, test.", "channels:app"),
            Entry("chat", "Write to the clone as a contact would.", "chat:chat"),
            Entry("tui", "See everything live on one screen, and decide there.", "tui:tui"),
        ),
    ),
    Section(
        "People",
        (
            Entry("pairing", "Let people in, turn them away, and see who waits.", "pairing:app"),
            Entry("contacts", "Who is who over all channels, and how each is answered.", "contacts:app"),
        ),
    ),
    Section(
        "Replies and voice",
        (
            Entry("drafts", "Replies that wait for you.", "drafts:app"),
            Entry("persona", "Your voices: who speaks to whom, and how.", "persona:app"),
            Entry("style", "How you write: learnt from your own messages.", "style:app"),
            Entry("import", "Read chats that WhatsApp or Telegram exported.", "import_:app"),
        ),
    ),
    Section(
        "Watch and control",
        (
            Entry("status", "Show how everything stands: what runs, who waits, and why.", "status:status"),
            Entry("pause", "Stop answering a contact, or everybody.", "control:pause"),
            Entry("resume", "Answer a contact, or everybody, again.", "control:resume"),
            Entry("kill", "Stop everything: nothing is sent to anybody until `kill --off`.", "control:kill"),
            Entry("trace", "Show every stage a message passed.", "trace:trace"),
            Entry("usage", "Show tokens, cache hits and cost, beside the caps.", "usage:usage"),
            Entry("security", "Read the security log: who knocked, what looked wrong.", "security:app"),
        ),
    ),
    Section(
        "Keep it running",
        (
            Entry("doctor", "Look for what is wrong, and name the command that mends it.", "doctor:doctor"),
            Entry("service", "Run the gateway in the background, as a service of this machine.", "service:app"),
            Entry("logs", "Show what the gateway and the commands wrote down, the newest at the end.", "logs:logs"),
            Entry("dead", "Messages that could not be worked on: try them again, or drop them.", "dead:app"),
            Entry("config", "Show and change the settings.", "config:app"),
            Entry(
                "backup",
                "Save settings, personas, keys, channels and conversations as they are at one moment, while the gateway runs or not.",
                "backup:backup",
            ),
            Entry("restore", "Put a backup in the place of this home, which is moved aside and not deleted.", "restore:restore"),
            Entry("migrate", "Bring an existing installation over.", "migrate:app"),
        ),
    ),
    Section(
        "For scripts",
        (
            Entry("agent", "Ask your clone something; the answer is on stdout.", "agent:agent"),
            Entry("watch", "Print each event as a JSON object on a line, as it happens.", "watch:watch"),
            Entry("api", "Call your clone from programs: docs/http-api.md.", "api:app"),
        ),
    ),
)


class Program(Root):
    """`secondme`"""

    sections = SECTIONS


app = typer.Typer(
    name="secondme",
    cls=Program,
    help="Your AI clone: it answers the people you let in, in your voice, and falls silent when you speak.",
    add_completion=False,  # typer's own options are below, where they cost nothing
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001  typer's form of a callback
    if wanted and not context.resilient_parsing:
        sys.stdout.write(f"secondme {__version__}\n")
        raise typer.Exit


def _install_completion(context: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:  # noqa: FBT001  as above
    if wanted:
        from typer.completion import install_callback

        install_callback(context, param, wanted)


def _show_completion(context: typer.Context, param: typer.CallbackParam, wanted: bool) -> None:  # noqa: FBT001  as above
    if wanted:
        from typer.completion import show_callback

        show_callback(context, param, wanted)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(readable=False, help="Keep everything under this directory (else SECONDME_HOME).")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Override one setting for this call.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option("--install-completion", callback=_install_completion, is_eager=True, help="Let Tab complete in your shell."),
    ] = False,
    show_completion: Annotated[
        bool, typer.Option("--show-completion", callback=_show_completion, is_eager=True, help="Print what that would install.")
    ] = False,
) -> None:
    """Remember what was typed before the command."""
    del version, install_completion, show_completion  # done by now
    context.obj = Invocation(home=home, settings=tuple(settings or ()))
