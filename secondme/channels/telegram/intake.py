"""Is an update safe? It is handed over, and only then may Telegram forget it. The same for a poll and for a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.channels.telegram.reading import Skipped, understand
from secondme.core import fault_points
from secondme.core.errors import DataError, SecondmeError
from secondme.core.ids import mask_contact_id
from secondme.core.log import get_logger

if TYPE_CHECKING:
    from secondme.channels.telegram.values import Json
    from secondme.core.messages import InboundMessage
    from secondme.core.ports import Line

log = get_logger(__name__)

_ATTEMPTS = 5
"""How often a message is offered that cannot be taken for a reason of its own; as often as a worker tries one."""


class Intake:
    """The line's end of the updates, which are handed over one after the other."""

    def __init__(self, line: Line, owner_id: int | None) -> None:
        self._line = line
        self._owner_id = owner_id
        self._failed = 0
        self._failing: Any = None  # the id of the update that failed last, whatever it is

    async def take(self, update: Json) -> bool:
        """True when Telegram may forget `update`: it is safe, or nobody will ever be able to read it. False: offer it again."""
        message = understand(update, self._owner_id)
        if isinstance(message, Skipped):
            if message is Skipped.UNREADABLE:
                log.warning("telegram_update_skipped", reason=message.value)
            return True
        try:
            await self._line.receive(message)
        except DataError as error:
            return self._is_given_up(update, message, error)
        except SecondmeError as error:
            log.info("telegram_message_refused", contact=mask_contact_id(message.contact_id), code=error.code)
            return False
        except Exception as error:  # noqa: BLE001  the top of one update's work: one that trips us must not stop the others for ever
            return self._is_given_up(update, message, error)
        fault_points.point("channel.admitted")
        return True

    def _is_given_up(self, update: Json, message: InboundMessage, error: Exception) -> bool:
        identity = update.get("update_id")
        self._failed = self._failed + 1 if identity == self._failing else 1
        self._failing = identity
        log.error("telegram_message_failed", error, contact=mask_contact_id(message.contact_id), attempt=self._failed)
        return self._failed >= _ATTEMPTS
