"""How is a decision taken from the screen? With a toast that says how it ended, and a fresh look at everything afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from secondme.core.errors import SecondmeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from textual.app import App

    from secondme.cli.tui.link import Link

T = TypeVar("T")

_LONG_S = 8.0


class Desk:
    """What pages act through."""

    def __init__(self, app: App[Any], link: Link, look_again: Callable[[], None]) -> None:
        self._app = app
        self.link = link
        self.look_again = look_again
        """What the shown page needs is read anew, soon."""

    async def fetch(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """What was asked for; None when it could not be had, and the owner was told why."""
        try:
            with self.link.in_use():
                return await ask()
        except SecondmeError as error:
            self._complain(error)
            return None

    async def decide(self, decision: Callable[[], Awaitable[str]]) -> bool:
        """The decision was taken (true), or not; either way the owner was told which."""
        return await self.decide_all([decision]) == 1

    async def decide_all(self, decisions: Sequence[Callable[[], Awaitable[str]]], several: str = "") -> int:
        """Each decision was tried; one that fails does not keep the others from being taken. Returns how many were. More than three
        successes are one toast, `several`, with their number in place of {}."""
        said: list[str] = []
        for decision in decisions:
            try:
                with self.link.in_use():
                    said.append(await decision())
            except SecondmeError as error:
                self._complain(error)
        taken = len(said)
        if several and taken > _TOASTS:
            said = [several.format(taken)]
        for text in said:
            self._app.notify(text, markup=False)
        self.look_again()
        return taken

    def _complain(self, error: SecondmeError) -> None:
        self._app.notify(f"{error.message} {error.fix}".strip(), severity="error", timeout=_LONG_S, markup=False)


_TOASTS = 3
