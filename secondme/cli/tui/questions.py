"""Actions that ask, or that take a moment: one at a time. A second key that comes before the first one's dialog is there is not meant for it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from secondme.cli.tui.app import SecondmeApp

P = ParamSpec("P")
W = TypeVar("W", bound=Any)  # a page, or the app: both have `app`

Action = Callable[Concatenate[W, P], Coroutine[Any, Any, None]]


def asks(action: Action[W, P]) -> Callable[Concatenate[W, P], None]:
    """The action runs beside the screen, so that it can wait for an answer. While one of these runs, no other begins."""

    @wraps(action)
    def begin(self: W, /, *args: P.args, **more: P.kwargs) -> None:
        app = cast("SecondmeApp", self.app)
        if app.is_asking:
            return
        app.is_asking = True

        async def run() -> None:
            try:
                await action(self, *args, **more)
            finally:
                app.is_asking = False

        app.run_worker(run(), name=action.__name__, exclusive=False)

    return begin
