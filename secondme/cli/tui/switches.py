"""How is everybody paused, and everything stopped, from whatever page?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.cli.tui.dialogs import ConfirmDialog, PauseDialog, length_of

if TYPE_CHECKING:
    from datetime import timedelta

    from textual.app import App

    from secondme.cli.tui.desk import Desk
    from secondme.core.admit.control_store import EverybodyPaused


class Switches:
    """The two switches that stand over everybody. Called in a worker: they ask."""

    def __init__(self, app: App[Any], desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def pause(self, everybody: EverybodyPaused | None) -> None:
        """Everybody is paused for as long as the owner chose, or answered again."""
        if everybody is not None and everybody.killed:
            self._app.notify("The kill switch is on, which stops everybody already. Press k.", severity="warning", markup=False)
        elif everybody is not None:
            await self._desk.decide(self._resume)
        else:
            choice = await self._app.push_screen_wait(PauseDialog("Pause everybody for how long?"))
            if choice is not None:
                await self._desk.decide(lambda: self._pause(choice, length_of(choice)))

    async def kill(self, everybody: EverybodyPaused | None) -> None:
        """The kill switch is as the owner confirmed."""
        if everybody is not None and everybody.killed:
            body = "Who waits is answered again."
            if await self._app.push_screen_wait(ConfirmDialog("Lift the kill switch?", body, "Lift it")):
                await self._desk.decide(self._unkill)
        else:
            body = "Nothing is sent to anybody until you lift it. Replies on their way become drafts."
            if await self._app.push_screen_wait(ConfirmDialog("Turn the kill switch on?", body, "Stop everything")):
                await self._desk.decide(self._kill)

    async def _pause(self, choice: str, length: timedelta | None) -> str:
        await self._desk.link.steering.pause(None, length)
        return f"Everybody is paused, {choice}."

    async def _resume(self) -> str:
        await self._desk.link.steering.resume(None)
        return "Everybody is answered again."

    async def _kill(self) -> str:
        await self._desk.link.steering.kill()
        return "The kill switch is on. Nothing is sent to anybody."

    async def _unkill(self) -> str:
        await self._desk.link.steering.unkill()
        return "The kill switch is off."
