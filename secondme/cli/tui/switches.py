"""The switches that stand over everybody, and over one contact: pauses and the kill switch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from secondme.cli.tui.dialogs import ConfirmDialog, Dialog, Frame, PauseDialog, length_of
from secondme.cli.tui.layout import key_of, lines, say
from secondme.cli.tui.theme import BAD, FAINT, INK, SOFT
from secondme.core.admit.pauses import Missed, told_of_missed

if TYPE_CHECKING:
    from textual.app import App, ComposeResult
    from textual.content import Content

    from secondme.cli.tui.link import Actions
    from secondme.core.admit.control_store import EverybodyPaused


@dataclass(frozen=True, slots=True)
class Chat:
    """A contact whose chat can be stopped. The name is safe to show."""

    contact: str
    name: str
    is_paused: bool


async def resume(app: App[Any], desk: Actions, contact: str | None, who: str) -> None:
    """The contact, or everybody (None), is answered again; what came during the pause is too, when the owner says so."""
    missed: list[Missed] = []

    async def lift() -> str:
        pauses = desk.link.services.pauses
        await pauses.resume(contact)
        missed.extend(await pauses.missed(contact))
        return f"{who} is answered again."

    async def answer() -> str:
        count = await desk.link.services.pauses.answer_missed(contact)
        return f"{count} {'message waits' if count == 1 else 'messages wait'} for an answer now."

    await desk.decide(lift)
    if missed:
        told = told_of_missed(missed, answer=False)
        if await app.push_screen_wait(ConfirmDialog("Answer what came meanwhile?", told, "Answer")):
            await desk.decide(answer)


async def pause_or_resume(app: App[Any], desk: Actions, chat: Chat) -> None:
    """The contact is paused for as long as the owner chose, or answered again. Called in a worker: it asks."""
    if chat.is_paused:
        await resume(app, desk, chat.contact, chat.name)
        return
    choice = await app.push_screen_wait(PauseDialog(f"Pause {chat.name} for how long?"))
    if choice is not None:
        await desk.decide(partial(_pause, desk, chat.contact, chat.name, choice))


async def _pause(desk: Actions, contact: str | None, who: str, choice: str) -> str:
    await desk.link.services.pauses.pause(contact, length_of(choice))
    return f"{who} is paused, {choice}."


class StopDialog(Dialog[str]):
    """The second half of the chord. Enter does nothing here, and no letter of it moves a list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "choose('kill')", "Kill switch"),
        Binding("p", "choose('pause')", "Pause everybody"),
        Binding("c", "choose('chat')", "Pause this chat"),
    ]

    def __init__(self, everybody: EverybodyPaused | None, chat: Chat | None) -> None:
        super().__init__()
        self._everybody, self._chat = everybody, chat

    def compose(self) -> ComposeResult:
        """What can be stopped, and lifted again."""
        is_killed = self._everybody is not None and self._everybody.killed
        rows: list[Content] = []
        if not is_killed:
            rows.append(_row("p", "Answer everybody again" if self._everybody else "Pause everybody for a while"))
        if self._chat is not None:
            rows.append(_row("c", f"Answer {self._chat.name} again" if self._chat.is_paused else f"Pause {self._chat.name} only"))
        if is_killed:
            rows += [
                say(""),
                _row("k", "Lift the kill switch", f"bold {BAD}"),
                say(" " * 6, ("Who waits is answered again.", SOFT)),
            ]
        else:
            rows += [
                say(""),
                _row("k", "Kill switch", f"bold {BAD}"),
                say(" " * 6, ("Nothing is sent to anybody until you lift it.", SOFT)),
                say(" " * 6, ("Replies on their way become drafts.", SOFT)),
            ]
        rows += [say(""), _row("Esc", "Stop nothing", FAINT)]
        with Frame("Stop what?"):
            yield Static(lines(*rows), markup=False)

    def action_choose(self, what: str) -> None:
        """Chosen; without a chat there is none to stop."""
        if what != "chat" or self._chat is not None:
            self.dismiss(what)


def _row(key: str, words: str, style: str = INK) -> Content:
    return say(key_of(key), " " * (6 - key_of(key).cell_length), (words, style))


class Switches:
    """What stops everybody. Called in a worker: it asks."""

    def __init__(self, app: App[Any], desk: Actions) -> None:
        self._app, self._desk = app, desk

    async def stop(self, everybody: EverybodyPaused | None, chat: Chat | None) -> None:
        """What the second key says is stopped, or lifted."""
        match await self._app.push_screen_wait(StopDialog(everybody, chat)):
            case "kill":
                await self._desk.decide(self._unkill if everybody is not None and everybody.killed else self._kill)
            case "pause":
                await self.pause(everybody)
            case "chat" if chat is not None:
                await pause_or_resume(self._app, self._desk, chat)
            case _:
                pass

    async def pause(self, everybody: EverybodyPaused | None) -> None:
        """Everybody is paused for as long as the owner chose, or answered again."""
        if everybody is not None and everybody.killed:
            self._app.notify(
                "The kill switch is on, which stops everybody already. ! k lifts it.", severity="warning", markup=False
            )
        elif everybody is not None:
            await resume(self._app, self._desk, None, "Everybody")
        else:
            choice = await self._app.push_screen_wait(PauseDialog("Pause everybody for how long?"))
            if choice is not None:
                await self._desk.decide(partial(_pause, self._desk, None, "Everybody", choice))

    async def _kill(self) -> str:
        await self._desk.link.services.pauses.kill()
        return "The kill switch is on. Nothing is sent to anybody."

    async def _unkill(self) -> str:
        await self._desk.link.services.pauses.unkill()
        return "The kill switch is off."
