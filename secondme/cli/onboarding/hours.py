"""When does the owner sleep? Nobody is answered then; in the morning everybody is."""

from __future__ import annotations

import re
from datetime import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from secondme.cli.onboarding.interview import Question
from secondme.core.send.pacing import machine_zone

if TYPE_CHECKING:
    from secondme.cli.onboarding.site import Site

_OFF = "off"
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ?- ?([01][0-9]|2[0-3]):([0-5][0-9])")


async def ask(site: Site) -> None:
    """Time zone and sleep are decided."""
    interview, known, settings = site.interview, site.setup.settings.sleep, site.plan.settings
    zone = await interview.text(Question("timezone", "Your time zone:", "--timezone", known.timezone or str(machine_zone()), _zone))
    present = f"{known.start:%H:%M}-{known.end:%H:%M}" if known.enabled else _OFF
    hours = await interview.text(Question("sleep", "When do you sleep? 23:00-07:00, or off:", "--sleep", present, _hours))
    settings["sleep.timezone"] = zone
    settings["sleep.enabled"] = hours != _OFF
    if hours != _OFF:
        start, _, end = hours.partition("-")
        settings["sleep.start"], settings["sleep.end"] = start.strip(), end.strip()
    site.plan.report["hours"] = {"timezone": zone, "sleep": hours}


def _zone(answer: str) -> str:
    try:
        ZoneInfo(answer)
    except (KeyError, ValueError, OSError):
        return "a time zone looks like Europe/Madrid"
    return ""


def _hours(answer: str) -> str:
    found = _HOURS.fullmatch(answer)
    if answer == _OFF:
        return ""
    if found is None:
        return "hours look like 23:00-07:00"
    from_hour, from_minute, to_hour, to_minute = (int(part) for part in found.groups())
    return "" if time(from_hour, from_minute) != time(to_hour, to_minute) else "say off, if you never sleep"
