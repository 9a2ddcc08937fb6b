"""The registry of checks: their order, and which one is meant by a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.doctor.checks import configuration, files, gateway, jobs, machine, media, memory, model, queue, services, store
from secondme.core.doctor.checks.channels import ChannelProbe, check_of
from secondme.core.errors import NotFoundError
from secondme.core.text import near

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secondme.core.doctor.check import Check


def all_checks(patients: Sequence[ChannelProbe], others: Sequence[Check] = ()) -> list[Check]:
    """Every check, those of `patients` and `others` among them. The order is the plan's: what carries the rest comes first."""
    return [
        *configuration.CHECKS,
        *files.CHECKS,
        *store.CHECKS,
        *machine.NETWORK_CHECKS,
        *services.CHECKS,
        *gateway.CHECKS,
        *map(check_of, patients),
        *model.CHECKS,
        *model.PERSONA_CHECKS,
        *queue.CHECKS,
        *jobs.CHECKS,
        *memory.CHECKS,
        *media.CHECKS,
        *others,
        *machine.CLOCK_CHECKS,
        *machine.CHECKS,
    ]


def chosen(checks: Sequence[Check], names: Sequence[str]) -> list[Check]:
    """The checks called `names`, in the order of all; every check when none is named. Raises NotFoundError naming the nearest."""
    known = {check.id: check for check in checks}
    for name in names:
        if name not in known:
            meant = nearest(checks, name)
            hint = f"Did you mean {meant}?" if meant else "secondme doctor --list"
            raise NotFoundError("unknown_check", f"There is no check called {name[:64]}.", hint)
    return [check for check in checks if not names or check.id in names]


def nearest(checks: Sequence[Check], name: str) -> str | None:
    """The id of the check whose id or title is spelt most like `name`; None when none is."""
    spelt = {each: check.id for check in checks for each in (check.title, check.id)}
    return next((spelt[each] for each in near(name, spelt, cutoff=0.5)), None)
