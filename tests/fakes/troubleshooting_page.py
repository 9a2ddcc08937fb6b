"""The page about troubles, made of the doctor's own list of what it can find."""

import re

from secondme.cli.commands.doctor import checks
from secondme.core.doctor.check import FindingKind, kinds

HEAD = """## What the doctor does

`secondme doctor` looks at everything that can be wrong and names the command that mends it. It changes nothing: not the configuration, not
the store, not one file. `secondme doctor --fix` mends what it can mend without asking: modes of files, and what killed processes left
behind; it says what it did. Exit code 0: no findings; 1: findings; so cron can mail them:

```bash
secondme doctor || true
secondme doctor store model-key --json || true
```

Something you do not use is `not set up`, which is no finding. What cannot be looked at because of something else is listed once, behind
`Not checked`. All checks run at the same time, each for three seconds at most (`--timeout`).

Two things that it says on purpose. In a home where a gateway never ran, `Gateway: never started here` is no finding: setting up may have
ended a moment ago; once one ran, or a service is installed, a gateway that does not run is an error, for nobody is answered. And while no
gateway runs, the private server is not started for a look: its data is copied, in memory where the machine can, and looked at there.
"""


SYMPTOMS = (
    (
        "She gets no answer",
        (
            "`secondme trace --contact NAME` shows how far her message came, `secondme status` what waits and why. Not approved yet: "
            "[people](people.md). Nothing runs: [gateway-down](#gateway-down). Stopped by you: [kill-switch-on](#kill-switch-on), "
            "[paused](#paused), [channel-paused](#channel-paused). You sleep: [when it answers](clone.md#when-it-answers). The model: "
            "[model-key-refused](#model-key-refused), [model-no-credit](#model-no-credit), [budget-spent](#budget-spent). "
            "It waits for you: [drafts](clone.md#drafts). It could not be worked on: [dead-letters](#dead-letters)"
        ),
    ),
    (
        "Nobody gets an answer",
        (
            "`secondme doctor`, from the top: [gateway-down](#gateway-down), [no-worker](#no-worker), [store-unreachable](#store-unreachable), "
            "[model-key-missing](#model-key-missing), [model-unreachable](#model-unreachable), [kill-switch-on](#kill-switch-on)"
        ),
    ),
    (
        "It answers too late, or only in the morning",
        (
            "Sleep hours and pacing: [when it answers](clone.md#when-it-answers). The zone is another one: [timezone-unset](#timezone-unset). "
            "Something holds it up: [queue-waiting](#queue-waiting), [model-busy](#model-busy), [store-slow](#store-slow). "
            "A clock is wrong: [clock-skew](#clock-skew)"
        ),
    ),
    (
        "It answered twice",
        (
            "`secondme trace --contact NAME` shows both. Two gateways: [gateway-elsewhere](#gateway-elsewhere), [channel-elsewhere](#channel-elsewhere). "
            "An old installation is still linked: [backup](backup.md#restore)"
        ),
    ),
    (
        "It answers somebody it should not",
        (
            "`secondme pairing revoke CONTACT` ends it at once. Who let them in: `secondme security tail`. "
            "Strangers let themselves in: [pairing-self-verify](#pairing-self-verify)"
        ),
    ),
    (
        "A stranger wrote, and I see no request",
        (
            "`secondme pairing list`, `secondme security tail`. When nobody is prompted: "
            "[people](people.md#when-nobody-should-be-prompted). The channel hears nothing: [channel-deaf](#channel-deaf), "
            "[channel-unheard](#channel-unheard)"
        ),
    ),
    (
        "The screen says that no gateway runs",
        (
            "[gateway-down](#gateway-down), [gateway-silent](#gateway-silent), [gateway-stopped-service](#gateway-stopped-service). "
            "Another home is looked at: `secondme status`, and `--home` or SECONDME_HOME"
        ),
    ),
    (
        "A setting was changed and nothing happens",
        "[gateway-stale](#gateway-stale), [gateway-outdated](#gateway-outdated). A variable wins over the file: `secondme config show`",
    ),
    (
        "WhatsApp logged out, or says another device",
        (
            "[channel-needs-you](#channel-needs-you), `secondme channels connect whatsapp`. What risks the account: "
            "[channels](channels.md#whatsapp-as-a-linked-device)"
        ),
    ),
    (
        "Telegram or WhatsApp is not connected",
        (
            "`secondme channels list`. [channel-needs-you](#channel-needs-you), [channel-unreachable](#channel-unreachable), "
            "[channel-failing](#channel-failing), [channel-not-running](#channel-not-running). A proxy or a certificate: "
            "[proxy-unreachable](#proxy-unreachable), [proxy-refuses](#proxy-refuses), [certificate-untrusted](#certificate-untrusted)"
        ),
    ),
    (
        "The voice note was not heard",
        (
            "`secondme doctor hearing`. [hearing-key-missing](#hearing-key-missing), [hearing-extra-missing](#hearing-extra-missing), "
            "[hearing-model-missing](#hearing-model-missing), [hearing-unreachable](#hearing-unreachable), [hearing-wrong](#hearing-wrong). "
            "What became of it: [voice and images](voice-and-images.md#what-became-of-it)"
        ),
    ),
    (
        "It answers in writing and should speak",
        (
            "`secondme doctor speech`. [speech-no-consent](#speech-no-consent), [speech-no-voice](#speech-no-voice), "
            "[speech-little-left](#speech-little-left). When it speaks at all: [speaking](voice-and-images.md#speaking)"
        ),
    ),
    (
        "It does not sound like me",
        (
            "[persona-broken](#persona-broken), [persona-missing](#persona-missing), [persona-gone](#persona-gone). "
            "`secondme persona list` says who speaks to whom; learn from chats: [import](clone.md#import)"
        ),
    ),
    (
        "It forgot what was said",
        "`secondme memory status`. [memory-damaged](#memory-damaged), [memory-not-read](#memory-not-read), [memory](memory.md#when-something-is-wrong)",
    ),
    (
        "A reminder or the morning note did not come",
        (
            "`secondme jobs list`. [jobs-not-run](#jobs-not-run), [jobs-missed](#jobs-missed), [job-disabled](#job-disabled), "
            "[jobs-nobody-to-tell](#jobs-nobody-to-tell)"
        ),
    ),
    ("It costs too much", "`secondme usage`, and the caps: [what it costs](clone.md#what-it-costs), [budget-spent](#budget-spent)"),
    (
        "A command says that a file can be read by others",
        "[open-secret](#open-secret), [open-directory](#open-directory): `secondme doctor --fix` closes them",
    ),
    (
        "People are missing after a move or a crash",
        "[store-lost-people](#store-lost-people), [store-damaged](#store-damaged), [backup](backup.md#when-the-store-comes-back-without-people)",
    ),
)
"""What an owner sees, and where it is answered: commands, kinds of findings, pages."""


def troubleshooting_page() -> str:
    """The whole page."""
    parts = ["# Troubleshooting\n", "## What you see\n\n| you see | look at |\n|---|---|"]
    parts.append("\n".join(f"| {seen} | {told} |" for seen, told in SYMPTOMS) + "\n")
    parts += [HEAD, "## The checks\n\n| check | looks at |\n|---|---|"]
    parts.append("\n".join(f"| `{check.id}` | {check.looks_at} |" for check in checks()) + "\n")
    parts.append("## What it finds\n")
    parts += [_section(kind) for kind in kinds().values()]
    return "\n".join(parts)


def _section(kind: FindingKind) -> str:
    where = {"*": "any check", "channels": "the check of a channel"}.get(kind.check, f"`{kind.check}`")
    fix = "The doctor names what fits." if kind.fix in {"{fix}", "{todo}"} else _plain(kind.fix)
    by_itself = " `secondme doctor --fix` does it." if kind.can_fix else ""
    is_command = re.match(r"(secondme|chmod|mv|kill|sudo) ", fix) is not None
    told = f"`{fix}`" if is_command else fix
    return f"### {kind.id}\n\n*{kind.severity.value.capitalize()}, found by {where}.* {kind.means}\n\n**Fix:** {told}{by_itself}\n"


def _plain(text: str) -> str:
    """A fix with names where the doctor puts facts."""
    return re.sub(r"\{(\w+)\}", lambda place: _NAMES.get(place[1], place[1].upper()), text)


_NAMES = {
    "quoted": "FILE",
    "check": "CHECK",
    "name": "NAME",
    "setting": "SETTING",
    "instead": "NEWER",
    "primary": "",
    "pid": "PID",
    "fix": "pairing revoke --yes",
    "option": "",
}
