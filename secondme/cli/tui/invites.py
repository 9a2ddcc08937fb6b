"""Invites: a code to hand over, with its link and its QR code, and those that nobody used yet."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from secondme.cli.qr import draw_qr
from secondme.cli.tui.dialogs import ConfirmDialog, Dialog, Frame
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.layout import facts, lines, say
from secondme.cli.tui.pages.people_rows import spaced
from secondme.cli.tui.sheets import LineDialog
from secondme.cli.tui.theme import ACCENT, FAINT, SOFT
from secondme.core.enums import Tier
from secondme.core.format import span
from secondme.core.text import safe_name

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import App, ComposeResult
    from textual.content import Content

    from secondme.cli.tui.link import Actions
    from secondme.core.records import Invite

_LASTS = timedelta(hours=24)
_NEW = "new"
_WHOLE = timedelta(seconds=59)
"""A day that began a moment ago is told as one."""
_FRAME = 6
_WORDS = 8


async def invite(app: App[Any], desk: Actions) -> None:
    """Somebody is invited, or an invite that nobody used is shown again or cancelled. Called in a worker: it asks."""
    open_invites = await desk.fetch(partial(_listed, desk))
    if open_invites is None:
        return
    choice = _NEW
    if open_invites:
        now = desk.now()
        choices = [Choice(_NEW, "Invite somebody", "a code, a link and a QR code")]
        choices += [Choice(each.code, spaced(each.code), _about(each, now)) for each in open_invites]
        choice = await app.push_screen_wait(ChoiceDialog("Invites", choices, _NEW)) or ""
    if choice == _NEW:
        await _make(app, desk)
    elif choice:
        await _show(app, desk, next(each for each in open_invites if each.code == choice))


def _about(each: Invite, now: datetime) -> str:
    who = safe_name(each.name or "") or "anybody"
    return f"{who}, {each.tier.value}, for {span(each.expires_at - now + _WHOLE)}"


async def _make(app: App[Any], desk: Actions) -> None:
    name = await app.push_screen_wait(LineDialog("Whom do you invite? (a name, or nothing)", "next"))
    if name is None:
        return
    tiers = [Choice(tier.value, tier.value) for tier in Tier]
    tier = await app.push_screen_wait(ChoiceDialog("In which tier?", tiers, Tier.STANDARD.value))
    if not tier:
        return
    made = await desk.fetch(lambda: desk.link.services.pairing.invite(name, Tier(tier), _LASTS))
    if made is not None:
        desk.look_again()
        await _show(app, desk, made)


async def _show(app: App[Any], desk: Actions, each: Invite) -> None:
    links = await desk.fetch(partial(_links, desk, each.code)) or {}
    now = desk.now()
    match await app.push_screen_wait(InviteDialog(each, links, now)):
        case "copy":
            desk.copy(next(iter(links.values()), each.code), "the link" if links else "the code")
        case "cancel":
            if await app.push_screen_wait(
                ConfirmDialog(f"Cancel the invite {spaced(each.code)}?", "Its code opens nothing any more.", "Cancel it")
            ):
                await desk.decide(partial(_cancel, desk, each.code))
        case _:
            pass


async def _listed(desk: Actions) -> list[Invite]:
    return (await desk.link.services.pairing.invites())[0]


async def _links(desk: Actions, code: str) -> dict[str, str]:
    return (await desk.link.services.status()).invite_links(code)


async def _cancel(desk: Actions, code: str) -> str:
    await desk.link.services.pairing.cancel_invite(code)
    return f"The invite {spaced(code)} is cancelled."


class InviteDialog(Dialog[str]):
    """One invite: code, link, QR code. The value is `copy` or `cancel`."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "choose('copy')", "Copy"), Binding("d", "choose('cancel')", "Cancel it")]

    def __init__(self, each: Invite, links: dict[str, str], now: datetime) -> None:
        super().__init__()
        self._invite, self._links, self._now = each, links, now

    def compose(self) -> ComposeResult:
        """What to hand over."""
        each = self._invite
        known: list[tuple[str, str | Content]] = [
            ("Code", say((spaced(each.code), f"bold {ACCENT}"))),
            ("For", safe_name(each.name or "") or "whoever sends it first"),
            ("Tier", each.tier.value),
            ("Good for", span(each.expires_at - self._now + _WHOLE)),
        ]
        known += [(safe_name(channel).capitalize(), say((link, ACCENT))) for channel, link in self._links.items()]
        width, height = self.app.size
        drawn = [*facts(known, min(80, width - _FRAME))]
        if link := next(iter(self._links.values()), ""):
            code = draw_qr(link, width - _FRAME, height - _FRAME - _WORDS)
            drawn += [say(""), *(say((line, "black on white")) for line in code)]  # what cameras read
        else:
            drawn += [say(""), say(("Who sends you this code as a message is approved at once.", SOFT))]
        with Frame("Invite", "fitting"):
            with VerticalScroll(classes="whole tall"):
                yield Static(lines(*drawn), markup=False)
            yield Static(say(("y copy · d cancel the invite · Esc close", FAINT)), classes="keys")

    def action_choose(self, what: str) -> None:
        """Chosen."""
        self.dismiss(what)
