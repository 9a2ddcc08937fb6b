"""The wizard's channels: linked once everything else is written, each tried before it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.channels.registry import manifest_of, setup_of
from secondme.channels.telegram.options import wrong_owner_id
from secondme.cli.channels import connect_channel
from secondme.cli.onboard.prompts import WizardChoice, WizardQuestion
from secondme.core.errors import ConfigError, SecondmeError, UnavailableError
from secondme.services import channel_context

if TYPE_CHECKING:
    from secondme.cli.onboard.site import Site

_TELEGRAM, _WHATSAPP = "telegram", "whatsapp"
_RISK = (
    "WhatsApp does not support linked devices that are not its own apps. It can lock an account for it. With a number you cannot",
    "lose, use Meta's official API for businesses instead: docs/channels.md, whatsapp_cloud.",
)


async def ask(site: Site) -> None:
    """Which channels are to be linked is decided, and the owner knows what they risk."""
    interview, setup = site.interview, site.setup
    linked = [
        name for name in (_TELEGRAM, _WHATSAPP) if setup_of(manifest_of(name)).is_set_up(channel_context(manifest_of(name), setup))
    ]
    if linked:
        site.good(f"Linked already: {', '.join(linked)}")
    chosen = await interview.choose_many(
        WizardQuestion("channels", "Where do people write to you?", "--channel", default=""),
        [
            WizardChoice(_TELEGRAM, "Telegram, through a bot of yours"),
            WizardChoice(_WHATSAPP, "WhatsApp, as one more linked device of your phone (unofficial)"),
        ],
    )
    if not chosen and not linked and interview.is_live:
        site.aside(f"Only from this machine, for now. Whenever you like: {site.screen.typed('secondme channels connect telegram')}")
    if _WHATSAPP in chosen and interview.is_live:
        for line in _RISK:
            site.aside(line)
        if not await interview.confirm(WizardQuestion("whatsapp_risk", "Link WhatsApp all the same?", "", default="yes")):
            chosen.remove(_WHATSAPP)
    site.plan.channels = chosen
    if _TELEGRAM in chosen and interview.has("telegram_owner_id"):
        site.plan.owner_id = await _owner_id(site)
    if _WHATSAPP in chosen and interview.has("phone"):
        site.plan.phone = await interview.text(WizardQuestion("phone", "Your number:", "--phone"))


async def _owner_id(site: Site) -> str | None:
    """The user id that came with the command; None for a wrong one where it can be asked for again, as soon as the bot's token is proven."""
    question = WizardQuestion("telegram_owner_id", "Your Telegram user id:", "--telegram-owner-id", check=wrong_owner_id)
    try:
        return await site.interview.text(question)
    except ConfigError as error:
        if not site.interview.is_live:
            raise
        site.bad(error.message)
        site.interview.drop("telegram_owner_id")
        return None


async def link(site: Site) -> None:
    """Every chosen channel is linked, or the owner left it for later. Raises what linking raises when nobody can be asked."""
    done: list[dict[str, str]] = []
    for name in site.plan.channels:
        site.screen.line(f"  {manifest_of(name).title}", "bold")
        kept: dict[str, str] = {}
        while True:
            try:
                done.append(await _link_one(site, name, kept))
            except SecondmeError as error:
                if not isinstance(error, UnavailableError):
                    kept.clear()  # it may be what was typed that is wrong
                if not await _tries_again(site, error):
                    break
            else:
                break
    site.plan.report["channels"] = done


async def _link_one(site: Site, name: str, kept: dict[str, str]) -> dict[str, str]:
    """`kept` are the secrets that were typed: what did not fail for them is tried again without asking for them."""
    plan = site.plan
    answers = [] if name != _TELEGRAM or plan.owner_id is None else [f"owner_id={plan.owner_id}"]
    result = await connect_channel(site.invocation, name, plan.phone if name == _WHATSAPP else None, answers, kept)
    site.good(f"Linked as {result.data['account']}")
    return {"id": name, "account": str(result.data["account"])}


async def _tries_again(site: Site, error: SecondmeError) -> bool:
    """True to try it again. Raises the error when nobody can be asked."""
    if not site.interview.is_live:
        raise error
    site.failed(error)
    again = await site.interview.confirm(WizardQuestion("link_again", "Try again?", "", default="yes"))
    site.interview.drop("link_again")
    return again
