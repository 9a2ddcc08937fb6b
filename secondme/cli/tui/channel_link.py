"""Linking a channel on the screen: a QR code for WhatsApp, a bot's token for Telegram, step by step as the channel asks."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, Static

from secondme.cli.qr import draw_qr
from secondme.cli.tui.dialogs import ConfirmDialog, Dialog, Frame, ask
from secondme.cli.tui.forms import Choice, ChoiceDialog
from secondme.cli.tui.layout import lines, say
from secondme.cli.tui.theme import ACCENT, INK, SOFT, WAITS
from secondme.core.channel_manifest import manifest_of
from secondme.core.channel_plugin import Linked, LinkQuestion, Say, ShowCode, ShowQr, setup_of
from secondme.core.config.files import save_credentials
from secondme.core.config.loader import channel_section, is_secret
from secondme.core.errors import CredentialsError, SecondmeError, UnavailableError
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import App, ComposeResult

    from secondme.cli.tui.link import Actions
    from secondme.core.gateway.status import ChannelFacts

_FRAME = 6
"""Cells and lines of a dialog that are not its text."""
_STOP_S = 15.0


async def link_or_unlink(app: App[Any], desk: Actions, channels: Sequence[ChannelFacts], chosen: ChannelFacts | None) -> None:
    """A channel is linked, stopped, or unlinked, as the owner chose. Called in a worker: it asks."""
    if chosen is None:
        choices = [Choice(each.id, safe_name(each.title) or each.id, await _in_a_word(desk, each)) for each in channels]
        if not choices:
            return
        name = await ask(app, ChoiceDialog("Which channel?", choices, choices[0].value))
        chosen = next((each for each in channels if each.id == name), None)
    if chosen is None:
        return
    manifest = manifest_of(chosen.id)
    if chosen.state == "off":
        is_linked = await _is_linked(desk, chosen.id)
        if is_linked and (chosen.disconnected or not manifest.needs_link):
            await desk.decide(partial(_start, desk, chosen.id))
        else:
            await app.push_screen_wait(LinkDialog(desk, chosen.id))
        return
    what = [Choice("stop", "Disconnect", "until it is connected again; its keys stay")]
    if manifest.needs_link:
        what.append(Choice("forget", "Unlink", "there too, and erase its keys here"))
    choice = await ask(app, ChoiceDialog(f"{manifest.title} is linked", what, "stop"))
    if choice is None:
        return
    body = f"Nothing is received or sent there until it is {'linked' if choice == 'forget' else 'connected'} again."
    verb = "Unlink" if choice == "forget" else "Disconnect"
    if await app.push_screen_wait(ConfirmDialog(f"{verb} {manifest.title}?", body, verb)):
        await desk.decide(partial(_stop, desk, chosen.id, forget=choice == "forget"))


async def _is_linked(desk: Actions, channel: str) -> bool:
    from secondme.services import is_linked

    return await asyncio.to_thread(is_linked, desk.link.setup, channel)


async def _in_a_word(desk: Actions, facts: ChannelFacts) -> str:
    if not await _is_linked(desk, facts.id):
        return "not linked"
    if facts.disconnected:
        return "disconnected by you"
    return "linked, not running" if facts.state == "off" else facts.state.replace("_", " ")


async def _start(desk: Actions, channel: str) -> str:
    await desk.link.services.pauses.connect_channel(channel, on=True)
    return f"{manifest_of(channel).title} is started as it was linked."


async def _stop(desk: Actions, channel: str, *, forget: bool) -> str:
    from secondme.services import channel_context

    manifest, services = manifest_of(channel), desk.link.services
    await services.pauses.connect_channel(channel, on=False)
    if not forget:
        return f"{manifest.title} is disconnected."
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            while any(facts.id == channel and facts.state != "off" for facts in (await services.status()).channels):
                await services.clock.sleep(0.2)
    await setup_of(manifest).unlink(channel_context(manifest, services.setup))
    save_credentials(services.setup.places.credentials, channel_section(channel), None)
    return f"{manifest.title} is unlinked; its keys here are erased."


class LinkDialog(Dialog[bool]):
    """The steps of linking, as they come. The value is true when it is linked."""

    def __init__(self, desk: Actions, channel: str) -> None:
        super().__init__()
        self._desk, self._channel = desk, channel
        self._manifest = manifest_of(channel)
        self._body = Static(markup=False)
        self._said = f"{self._manifest.title} is asked …"
        self._known: Mapping[str, object] = {}
        """What was set or saved before."""
        self._used_known = self._is_refused = False

    def compose(self) -> ComposeResult:
        """What it says, and codes."""
        with Frame(f"Link {self._manifest.title}", "fitting"):
            with VerticalScroll(classes="whole tall"):
                yield self._body
            yield Static("Esc cancel", classes="keys")

    def on_mount(self) -> None:
        """It begins at once."""
        self._body.update(say((self._said, SOFT)))
        self.run_worker(self._link(), exclusive=True)

    async def _link(self) -> None:
        try:
            linked = await self._steps()
            account = await self._keep(linked)
        except SecondmeError as error:
            if isinstance(error, CredentialsError) and self._used_known and not self._is_refused:
                self._is_refused = True  # what was saved is not taken any more: the owner is asked
                await self._link()
                return
            self._body.update(lines(say((error.message, WAITS)), say((error.fix, SOFT))))
            return
        self.app.notify(f"{self._manifest.title} is linked as {safe_name(account)}.", markup=False)
        self.dismiss(True)  # noqa: FBT003  the dialog's value

    async def _steps(self) -> Linked:
        from secondme.services import channel_context

        context = channel_context(self._manifest, self._desk.link.setup)
        section = channel_section(self._channel)
        secrets = [name for name, value in context.settings.items() if value and is_secret(f"{section}.{name}")]
        self._used_known = bool(secrets)
        if self._is_refused:
            context = replace(context, settings={**context.settings, **dict.fromkeys(secrets)})
        self._known = context.settings
        steps = setup_of(self._manifest).connect(context, self._ask)
        async with contextlib.aclosing(steps):  # type: ignore[type-var]  # async generators, all of them
            async for step in steps:
                match step:
                    case Say(text):
                        self._said = safe_text(text)
                        self._body.update(say((self._said, INK)))
                    case ShowQr(payload, seconds):
                        self._show_qr(payload, seconds)
                    case ShowCode(code, seconds):
                        told = say(
                            (f"Type this code on the phone within {seconds:.0f} s:  ", INK), (safe_name(code), f"bold {ACCENT}")
                        )
                        self._body.update(told)
                    case Linked():
                        return step
                    case _:
                        assert_never(step)
        raise UnavailableError("not_linked", "Linking ended without a result.", "Try again.")

    def _show_qr(self, payload: str, seconds: float) -> None:
        width, height = self.app.size
        drawn = draw_qr(payload, width - _FRAME, height - _FRAME - 3)
        if drawn:
            code = Content("\n").join([say((line, "black on white")) for line in drawn])  # what cameras read
            self._body.update(lines(code, say((f"{self._said} The code changes in {seconds:.0f} s.", SOFT))))
        else:
            self._body.update(say(("The window is too small for the code: enlarge it.", WAITS)))

    async def _ask(self, question: LinkQuestion) -> str:
        """The answer, asked for again while it cannot be. Raises UnavailableError when the owner gives none."""
        known = str(self._known.get(question.name) or "")
        answer, wrong = known or question.default, ""
        while answer is None or (wrong := question.check(answer)):
            answer = await self.app.push_screen_wait(AnswerDialog(question, wrong))
            if answer is None:
                raise UnavailableError("not_linked", "It was not linked: a question has no answer.", "Begin again with c.")
        return answer

    async def _keep(self, linked: Linked) -> str:
        """What linking found out is saved, and a gateway that runs starts the channel."""
        save_credentials(self._desk.link.setup.places.credentials, channel_section(self._channel), linked.settings or None)
        with self._desk.link.in_use():
            await self._desk.link.services.pauses.connect_channel(self._channel, on=True)
        self._desk.look_again()
        return linked.account


class AnswerDialog(Dialog[str]):
    """A question of a channel's that only the owner can answer. A secret is not shown."""

    def __init__(self, question: LinkQuestion, wrong: str) -> None:
        super().__init__()
        self._question, self._wrong = question, wrong

    def compose(self) -> ComposeResult:
        """The question, and a line for the answer."""
        with Frame(safe_text(self._question.text)):
            yield Input(password=self._question.secret, max_length=500)
            if self._wrong:
                yield Static(say((f"That cannot be: {self._wrong}.", WAITS)), classes="label")
            yield Static("Enter take it · Esc cancel", classes="keys")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        self.dismiss(event.value.strip())
