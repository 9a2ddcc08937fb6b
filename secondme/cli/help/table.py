"""The table of commands: one line per command or group. Importing it loads no command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command or group: its name, what it does, and where it is: `module:attribute` below `secondme.cli.commands`."""

    name: str
    claim: str
    place: str


@dataclass(frozen=True, slots=True)
class CommandSection:
    """Commands that serve the same task."""

    title: str
    entries: tuple[CommandEntry, ...]


SECTIONS = (
    CommandSection(
        "Start",
        (
            CommandEntry(
                "onboard", "Set everything up, question by question, and see the first message arrive.", "onboard:onboard"
            ),
            CommandEntry("serve", "Run the gateway.", "serve:serve"),
            CommandEntry("channels", "Where people write: link, pause, test.", "channels:app"),
            CommandEntry("chat", "Write to the clone as a contact would, or as yourself.", "chat:chat"),
            CommandEntry("tui", "See everything live on one screen, and decide there.", "tui:tui"),
        ),
    ),
    CommandSection(
        "People",
        (
            CommandEntry("pairing", "Approve people, deny them, and see who waits.", "pairing:app"),
            CommandEntry("contacts", "Who is who over all channels, and how each is answered.", "contacts:app"),
        ),
    ),
    CommandSection(
        "Replies and voice",
        (
            CommandEntry("drafts", "Replies that wait for you.", "drafts:app"),
            CommandEntry("write", "Write to a contact as yourself: your words leave next, as they stand.", "write:write"),
            CommandEntry("persona", "Your voices: who speaks to whom, and how.", "persona:app"),
            CommandEntry("skills", "What the clone can do besides writing, and who may cause it.", "skills:app"),
            CommandEntry("jobs", "What the clone does by itself: reminders and digests for you, drafts for others.", "jobs:app"),
            CommandEntry("remind", "Be reminded in your own chat: these words, at that time.", "jobs:remind"),
            CommandEntry("proposals", "What skills would change for your contacts: you decide.", "proposals:app"),
            CommandEntry("memory", "What the clone remembers of each person.", "memory:app"),
            CommandEntry("see", "What the model is shown of a picture, and what it sees in it.", "see:see"),
            CommandEntry(
                "rehearse",
                "See how much the clone sounds like you: it answers your own past again, with only what was known then.",
                "rehearse:rehearse",
            ),
            CommandEntry("style", "How you write: learnt from your own messages.", "style:app"),
            CommandEntry("speak", "Hear what a voice message of yours would sound like.", "speak:speak"),
            CommandEntry(
                "hear", "Listen to a recording as the clone would, and fetch what understands speech offline.", "hear:hear"
            ),
            CommandEntry("import", "Read chats that WhatsApp or Telegram exported.", "import_:app"),
        ),
    ),
    CommandSection(
        "Watch and control",
        (
            CommandEntry("status", "Show how everything stands: what runs, who waits, and why.", "status:status"),
            CommandEntry("pause", "Stop answering a contact, or everybody.", "pause:pause"),
            CommandEntry("resume", "Answer a contact, or everybody, again.", "pause:resume"),
            CommandEntry("kill", "Stop everything: nothing is sent to anybody until `kill --off`.", "pause:kill"),
            CommandEntry("trace", "Show every stage a message passed.", "trace:trace"),
            CommandEntry("usage", "Show tokens, cache hits, what was heard and spoken, and cost, beside the caps.", "usage:usage"),
            CommandEntry("security", "Read the security log: who asked, what looked wrong.", "security:app"),
        ),
    ),
    CommandSection(
        "Keep it running",
        (
            CommandEntry("doctor", "Look for what is wrong, and name the command that mends it.", "doctor:doctor"),
            CommandEntry("restart", "Start the gateway anew, with the settings as they are now.", "restart:restart"),
            CommandEntry("reload", "Have a running gateway take over changed settings.", "restart:reload"),
            CommandEntry("service", "Run the gateway in the background, as a service of this machine.", "service:app"),
            CommandEntry("logs", "Show what the gateway and the commands wrote down, the newest at the end.", "logs:logs"),
            CommandEntry("dead", "Messages that could not be worked on: try them again, or drop them.", "dead:app"),
            CommandEntry("config", "Show and change the settings.", "config:app"),
            CommandEntry(
                "backup",
                "Save settings, personas, keys, channels and conversations as they are at one moment, while the gateway runs or not.",
                "backup:backup",
            ),
            CommandEntry(
                "restore", "Put a backup in the place of this home, which is moved aside and not deleted.", "backup:restore"
            ),
            CommandEntry("migrate", "Bring an existing installation over.", "migrate:app"),
        ),
    ),
    CommandSection(
        "For scripts",
        (
            CommandEntry("agent", "Ask your clone something; the answer is on stdout.", "agent:agent"),
            CommandEntry("watch", "Print each event on a line, as it happens.", "watch:watch"),
            CommandEntry("hooks", "Programs outside that may run one job each: docs/automation.md.", "hooks:app"),
            CommandEntry("api", "Call your clone from programs: docs/http-api.md.", "api:app"),
            CommandEntry("webhooks", "Tell other servers what happens: docs/webhooks.md.", "webhooks:app"),
        ),
    ),
)
