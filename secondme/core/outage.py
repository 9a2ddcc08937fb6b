"""How is a trouble that lasts written down? Once when it begins or changes, and once when it is over: it is asked about twice a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secondme.core.log import Logger


class Outage:
    """Something of ours that is out of reach for a while. `name` begins its events: `queue_unavailable`, `queue_available`."""

    def __init__(self, log: Logger, name: str) -> None:
        self._log = log
        self._name = name
        self._code = ""

    def goes_on(self, code: str) -> None:
        """It is written that the thing is out of reach, unless it was written already."""
        if code != self._code:
            self._code = code
            self._log.warning(f"{self._name}_unavailable", code=code)

    def is_over(self) -> None:
        """It is written that the thing is back, if it was away. Repeatable; costs nothing."""
        if self._code:
            self._code = ""
            self._log.info(f"{self._name}_available")
