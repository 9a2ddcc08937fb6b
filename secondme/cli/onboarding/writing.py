"""How does a plan become a home? Secrets, configuration, persona, in this order, so that a crash leaves nothing that does not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.cli.configuring import plan_settings
from secondme.cli.importing import import_files
from secondme.cli.voice import make_persona
from secondme.core.clock import SystemClock
from secondme.core.config.files import spare_name, write
from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from secondme.cli.onboarding.site import Site


async def write_all(site: Site) -> None:
    """What was decided counts from now on. Repeatable. Raises ConfigError when the disk refuses; what is written by then is whole."""
    plan, places = site.plan, site.setup.places
    edit = plan_settings(places, plan.settings, home=site.invocation.home)
    secrets = site.keep_secrets()
    backup = write(edit, SystemClock().now_ms())
    plan.report |= {
        "written": True,
        "file": str(places.config_file),
        "backup": str(backup) if backup else None,
        "secrets": secrets,
    }
    site.good(f"Written{f'; what was there is {backup.name}' if backup else ''}" if edit.is_change else "Nothing to change")
    if secrets:
        site.good(f"Keys are in {secrets}")
    _write_persona(site)
    site.setup = site.invocation.setup()
    await _import(site)


def _write_persona(site: Site) -> None:
    fields = site.plan.persona
    if fields is None:
        return
    path = site.setup.places.personas / site.setup.settings.persona.file
    if path.exists():
        path.rename(spare_name(path, SystemClock().now_ms()))
    guide = fields["guide"]
    shown = {name: value for name, value in fields.items() if name != "guide"}
    made = make_persona(path.parent, path.stem, shown, (), guide)
    site.good(f"Your voice is {made}; change it whenever you like")


async def _import(site: Site) -> None:
    """Chats are read; one that cannot be is said and no reason to stop: it can be read later."""
    reports = []
    for path in site.plan.exports:
        platform = "telegram" if path.suffix.lower() == ".json" else "whatsapp"
        try:
            result = await import_files(site.invocation, platform, [path], (site.plan.export_owner, "", ""), dry_run=False)
        except SecondmeError as error:
            site.failed(error)
            reports.append({"platform": platform, "code": error.code})
            continue
        result.show(site.screen)
        reports.append({"platform": platform, **result.data})
    if reports:
        site.plan.report["imports"] = reports
