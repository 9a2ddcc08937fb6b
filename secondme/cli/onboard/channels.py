"""The wizard's channels: linked once everything else is written, each tried before it is saved."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from secondme.cli.commands.channels import connect_channel
from secondme.cli.link_steps import TypedAnswers
from secondme.cli.onboard.prompts import WizardChoice, WizardQuestion
from secondme.cli.onboard.site import Unproven
from secondme.cli.prompts import GoneBackError
from secondme.core.channel_manifest import Manifest, manifest_of, manifests
from secondme.core.channel_plugin import LinkQuestion, setup_of
from secondme.core.config.files import save_credentials
from secondme.core.config.loader import channel_section, is_secret, known_names
from secondme.core.errors import ConfigError, SecondmeError, UnavailableError
from secondme.services import channel_context

if TYPE_CHECKING:
    from secondme.cli.onboard.site import Site


_CONNECT = "secondme channels connect"


async def ask(site: Site) -> None:
    """Which channels are to be linked is decided, and the owner knows what they risk."""
    interview, setup = site.interview, site.setup
    site.plan.answers = {}
    offered = sorted((each for each in manifests() if each.offer), key=lambda each: bool(each.risk))
    linked = [each.id for each in offered if setup_of(each).is_set_up(channel_context(each, setup))]
    if linked:
        site.good(f"Linked already: {', '.join(linked)}")
    chosen = await interview.choose_many(
        WizardQuestion("channels", "Where do people write to you?", "--channel", default=""),
        [WizardChoice(each.id, each.offer) for each in offered],
    )
    if not chosen and not linked and interview.is_live and not interview.is_quick:
        site.aside("Only from this machine, for now. Whenever you like:")
        site.aside(site.screen.typed(f"  secondme channels connect {offered[0].id}"))
    for manifest in [each for each in offered if each.id in chosen]:
        if await _is_risked(site, manifest):
            for question in getattr(setup_of(manifest), "QUESTIONS", {}).values():
                await _take_answer(site, manifest.id, question)
        else:
            chosen.remove(manifest.id)
    site.plan.channels = chosen


async def _is_risked(site: Site, manifest: Manifest) -> bool:
    if not manifest.risk or not site.interview.is_live:
        return True
    site.aside(" ".join(manifest.risk))
    text = f"Link {manifest.title} all the same?"
    return await site.interview.confirm(WizardQuestion(f"{manifest.id}_risk", text, "", default="yes"))


async def _take_answer(site: Site, channel: str, question: LinkQuestion) -> None:
    """What came with the command is planned, as `<channel>_<name>`; where a wrong one can be asked for again, it is left for later."""
    name = f"{channel}_{question.name}"
    if not site.interview.has(name):
        return
    flag = f"--{name.replace('_', '-')}"
    try:
        answer = await site.interview.text(WizardQuestion(name, question.text, flag, check=question.check))
    except ConfigError as error:
        if not site.interview.is_live:
            raise
        site.bad(error.message)
        site.interview.drop(name)
    else:
        site.plan.answers.setdefault(channel, []).append(f"{question.name}={answer}")


async def link(site: Site) -> None:
    """Every chosen channel is linked, or the owner left it for later. Raises what linking raises when nobody can be asked."""
    done: list[dict[str, str]] = []
    for name in site.plan.channels:
        site.screen.line(f"  {manifest_of(name).title}", "bold")
        kept: dict[str, str] = {}
        typed = TypedAnswers()
        while True:
            try:
                done.append(await _link_one(site, name, kept, typed))
            except GoneBackError:
                if (last := typed.go_back()) is not None:
                    kept.pop(last, None)
                elif not await _goes_on(site):
                    break
            except SecondmeError as error:
                answered, typed = typed.given, TypedAnswers()
                if not await _tries_again(site, error, name, kept, answered):
                    break
            else:
                break
    site.plan.report["channels"] = done


async def _goes_on(site: Site) -> bool:
    """False when the owner, who went back from the first question, leaves the channel for later."""
    choices = [WizardChoice(Unproven.AGAIN, "Link it"), WizardChoice(Unproven.WITHOUT, "Go on without; it can be linked later")]
    with contextlib.suppress(GoneBackError):
        question = WizardQuestion("link_again", "Everything else is written. What now?", "", default=Unproven.AGAIN)
        return await site.interview.ask_now(question, choices) == Unproven.AGAIN
    return True


async def _link_one(site: Site, name: str, kept: dict[str, str], typed: TypedAnswers) -> dict[str, str]:
    """`kept` are the secrets that were typed: what did not fail for them is tried again without asking for them."""
    result = await connect_channel(
        site.invocation, name, None, site.plan.answers.get(name, []), kept, typed if site.interview.is_live else None
    )
    site.good(f"Linked as {result.data['account']}")
    return {"id": name, "account": str(result.data["account"])}


async def _tries_again(site: Site, error: SecondmeError, name: str, kept: dict[str, str], answered: dict[str, str]) -> bool:
    """True to try it again. `answered` is kept when the platform could not be reached and the owner says so. What cannot be at fault is not asked for again, as far as the owner says so. Raises the error when nobody can be asked."""
    if not site.interview.is_live:
        raise error
    site.bad(error.message)
    if error.fix and _CONNECT not in error.fix:  # which is what this is
        site.aside(f"  {site.screen.typed(error.fix)}")
    settings = _settings_among(name, answered) if isinstance(error, UnavailableError) else {}
    if not isinstance(error, UnavailableError):
        kept.clear()  # it may be what was typed that is wrong
    choices = [
        WizardChoice(Unproven.AGAIN, "Try again"),
        *([WizardChoice(Unproven.ELSE, "Answer something else")] if kept else []),
        WizardChoice(Unproven.WITHOUT, "Go on without; it can be linked later"),
        *([WizardChoice(Unproven.ANYWAY, "Keep it anyway, unproven")] if settings else []),
    ]
    question = WizardQuestion("link_again", "Not linked, and nothing of it is kept. What now?", "", default=Unproven.AGAIN)
    try:
        answer = await site.interview.ask_now(question, choices)
    except GoneBackError:
        answer = Unproven.ELSE
    if answer == Unproven.ELSE:
        kept.clear()
        site.plan.answers.pop(name, None)
    if answer == Unproven.ANYWAY:
        save_credentials(site.setup.places.credentials, channel_section(name), settings)
    return answer not in {Unproven.WITHOUT, Unproven.ANYWAY}


def _settings_among(name: str, answered: dict[str, str]) -> dict[str, str]:
    """Those answers that are the channel's settings and say something; empty when none of them is a secret: then there is nothing to link with."""
    section, known = channel_section(name), set(known_names())
    found = {each: answer for each, answer in answered.items() if answer and f"{section}.{each}" in known}
    return found if any(is_secret(f"{section}.{each}") for each in found) else {}
