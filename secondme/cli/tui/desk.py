"""How is a decision taken from the screen? With a toast that says how it ended, and a fresh look at everything afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from textual.app import App

    from secondme.cli.tui.link import Link

_LONG_S = 8.0


class Desk:
    """What pages act through."""

    def __init__(self, app: App[Any], link: Link, look_again: Callable[[], None]) -> None:
        self._app = app
        self.link = link
        self._look_again = look_again

    async def decide(self, decision: Callable[[], Awaitable[str]]) -> None:
        """The decision was taken, or not; either way the owner was told which."""
        await self.decide_all([decision])

    async def decide_all(self, decisions: Sequence[Callable[[], Awaitable[str]]], several: str = "") -> None:
        """Each decision was tried; one that fails does not keep the others from being taken. More than three successes are one toast,
        `several`, with their number in place of {}."""
        said: list[str] = []
        for decision in decisions:
            try:
                with self.link.in_use():
                    said.append(await decision())
            except SecondmeError as error:
                self._app.notify(f"{error.message} {error.fix}".strip(), severity="error", timeout=_LONG_S, markup=False)
        if several and len(said) > _TOASTS:
            said = [several.format(len(said))]
        for text in said:
            self._app.notify(text, markup=False)
        self._look_again()


_TOASTS = 3
