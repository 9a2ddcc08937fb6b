"""The page about troubles, made of the doctor's own list of what it can find."""

import re

from secondme.cli.commands.doctor import checks
from secondme.core.doctor.check import FindingKind, kinds

HEAD = """# Troubleshooting

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


def troubleshooting_page() -> str:
    """The whole page."""
    parts = [HEAD, "## The checks\n\n| check | looks at |\n|---|---|"]
    parts.append("\n".join(f"| `{check.id}` | {check.looks_at} |" for check in checks()) + "\n")
    parts.append("## What it finds\n")
    parts += [_section(kind) for kind in kinds().values()]
    return "\n".join(parts)


def _section(kind: FindingKind) -> str:
    where = {"*": "any check", "channels": "the check of a channel"}.get(kind.check, f"`{kind.check}`")
    fix = "The doctor names what fits." if kind.fix == "{fix}" else _plain(kind.fix)
    by_itself = " `secondme doctor --fix` does it." if kind.can_fix else ""
    is_command = re.match(r"(secondme|chmod|mv|kill|sudo) ", fix) is not None
    told = f"`{fix}`" if is_command else fix
    return f"### {kind.id}\n\n*{kind.severity.value.capitalize()}, found by {where}.* {kind.means}\n\n**Fix:** {told}{by_itself}\n"


def _plain(text: str) -> str:
    """A fix with names where the doctor puts facts."""
    return re.sub(r"\{(\w+)\}", lambda place: _NAMES.get(place[1], place[1].upper()), text)


_NAMES = {"quoted": "FILE", "check": "CHECK", "name": "NAME", "setting": "SETTING", "instead": "NEWER", "primary": "", "pid": "PID"}
