"""A rehearsal that runs beside the screen: one at a time. It ends by itself, when it is stopped, or when the connection goes; what was
answered until then is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from secondme.cli.tui.pages.rehearsal_rows import UnderWay
from secondme.core.errors import SecondmeError
from secondme.rehearsal_desk import RehearsalDesk

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.worker import Worker

    from secondme.cli.tui.link import StoreLink
    from secondme.core.config.loader import Settings
    from secondme.core.ports import Model
    from secondme.rehearsal_desk import RehearsalPlan, RunEnd

_LOOK_S = 0.2
"""How soon a gateway that waits for the store's server gets it."""
_ENDS = {
    "over_rehearsal_limit": "It has spent what it may. r goes on with it.",
    "over_budget": "Today's budget is spent. r goes on with it tomorrow (UTC).",
}
_AWAY = "The model did not answer several times in a row. r goes on with it."
_LOST = "The connection to the store was lost, or a gateway took it over. r goes on with it."
STOPPED = "You stopped it. r goes on with it."


class RehearsalRunner:
    """What is run from this screen."""

    def __init__(self, link: StoreLink, changed: Callable[[], None], ended: Callable[[str, str], None]) -> None:
        """`changed` is called whenever it is further; `ended` with the run's id, or none, and in one line why it is not finished, or nothing."""
        self._link, self._changed, self._ended = link, changed, ended
        self.under_way: UnderWay | None = None
        self._worker: Worker[None] | None = None

    def begin(self, app: App[object], plan: RehearsalPlan) -> None:
        """The plan is carried out from now on."""
        self.under_way = UnderWay(plan.head.id, 0, len(plan.chosen))
        self._worker = app.run_worker(self._run(plan), name="rehearsal", exclusive=False)

    def stop(self) -> None:
        """It ends. What was answered is kept."""
        if self._worker is not None:
            self._worker.cancel()

    async def _run(self, plan: RehearsalPlan) -> None:
        why = STOPPED
        try:
            why = await self._carried_out(plan)
        except SecondmeError as error:
            why = f"{error.message} {error.fix}".strip()
        finally:
            way, self.under_way, self._worker = self.under_way, None, None
            self._ended(way.run_id if way else "", why)

    async def _carried_out(self, plan: RehearsalPlan) -> str:
        with self._link.in_use():
            services = self._link.services
            work = asyncio.ensure_future(RehearsalDesk(services).run(plan, _claude, self._tell, self._began))
            try:
                while not work.done() and self._link.has(services):
                    await asyncio.wait([work], timeout=_LOOK_S)
            finally:
                is_lost = not work.done()
                work.cancel()
                await asyncio.wait([work])
            if is_lost:
                return _LOST
            end: RunEnd = work.result()
            return _ENDS.get(end.ended, _AWAY) if end.ended else ""

    def _tell(self, done: int, total: int) -> None:
        if self.under_way is not None:
            self.under_way.done, self.under_way.total = done, total
            self._changed()

    def _began(self, run_id: str) -> None:
        if self.under_way is not None:
            self.under_way.run_id = run_id
            self._changed()


def _claude(settings: Settings) -> Model:
    from secondme.core.providers.claude import Claude

    return Claude(settings.model)
