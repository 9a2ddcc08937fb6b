"""Who opens the door? How strangers are met, and whether old friends need to knock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.cli.onboarding.interview import Choice, Question

if TYPE_CHECKING:
    from secondme.cli.onboarding.site import Site


async def ask(site: Site) -> None:
    """Pairing is decided."""
    interview, known, settings = site.interview, site.setup.settings.pairing, site.plan.settings
    settings["pairing.mode"] = await interview.choose(
        Question("pairing_mode", "Who lets people in?", "--pairing-mode", known.mode.value),
        [
            Choice("owner", "Only I do, one by one"),
            Choice("self_verify", "Whoever repeats the code they were sent (any stranger can, with two messages)"),
        ],
    )
    settings["pairing.prompt"] = await interview.choose(
        Question("prompt", "What does a stranger get?", "--prompt", known.prompt),
        [
            Choice("contact", "One message: this is an AI assistant, and it waits until I let them in"),
            Choice("silent", "Nothing; only I see that they wrote"),
        ],
    )
    if _may_know_somebody(site):
        existing = Question(
            "approve_existing",
            "Let in whoever you already talked to here?",
            "--approve-existing",
            "yes" if known.auto_approve_existing else "no",
        )
        settings["pairing.auto_approve_existing"] = await interview.confirm(existing)
    site.plan.report["door"] = {name.partition(".")[2]: settings[name] for name in settings if name.startswith("pairing.")}


def _may_know_somebody(site: Site) -> bool:
    """False where it would be asked in vain: a private store that was never used."""
    if not site.interview.is_live or site.interview.has("approve_existing"):
        return True
    present = "embedded" if site.setup.settings.redis_url is None else "url"
    is_private = site.plan.report.get("store", {"kind": present})["kind"] == "embedded"
    return not is_private or site.setup.places.store.exists()
