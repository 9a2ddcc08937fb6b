"""Of `services.py`, what tells of what happens: the security log, followers of events, and webhooks."""

from __future__ import annotations

from functools import cached_property
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from secondme.media_services import MediaServices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from secondme.core.clock import SystemClock
    from secondme.core.config.loader import Setup
    from secondme.core.errors import SecondmeError
    from secondme.core.security_log import SecurityLog
    from secondme.core.store.client import Store
    from secondme.core.store.events import Heard
    from secondme.core.webhooks.delivery import WebhookDelivery
    from secondme.core.webhooks.desk import WebhookDesk
    from secondme.core.webhooks.sender import WebhookSender


class EventServices(MediaServices):
    """What tells of what happens in one home. `by` is who decides, as the records say."""

    def __init__(self, setup: Setup, store: Store, by: str, *, clock: SystemClock | None = None) -> None:
        super().__init__(setup, store, clock=clock)
        self.by = by

    @cached_property
    def security(self) -> SecurityLog:
        """Where security events of this process go. `log.set_up` decides into which file."""
        from secondme.core.security_log import SecurityLog
        from secondme.core.store import keys

        return SecurityLog(lambda event: self.store.publish(keys.EVENTS_SECURITY, event))

    def follow(
        self,
        missed: Callable[[], None] = lambda: None,
        lost: Callable[[SecondmeError], None] = lambda _: None,
        *,
        silence_s: float = 1.0,
    ) -> AsyncIterator[Heard | None]:
        """Every event from now on, whatever becomes of the connection, as `events.follow` gives them."""
        from secondme.core.store import keys
        from secondme.core.store.events import follow

        return follow(self.store, *keys.EVENTS, clock=self.clock, silence_s=silence_s, missed=missed, lost=lost)

    def follow_quietly(
        self, missed: Callable[[], None] = lambda: None, lost: Callable[[SecondmeError], None] = lambda _: None
    ) -> AsyncIterator[Heard | None]:
        """As `follow`, for who has nothing to do in silence."""
        from secondme.core.store.events import QUIET_S

        return self.follow(missed, lost, silence_s=QUIET_S)

    @cached_property
    def webhook_sender(self) -> WebhookSender:
        """What asks the owner's endpoints."""
        from secondme.core.webhooks.sender import WebhookSender

        return WebhookSender(self.clock, allow_private=self.settings.webhooks.allow_private)

    @cached_property
    def webhook_desk(self) -> WebhookDesk:
        """Decisions about webhooks."""
        from secondme.core.webhooks.desk import WebhookDesk

        return WebhookDesk(self.webhook_store, self.events, self.webhook_sender, self.security, self.clock, self.by)

    def webhook_delivery(self, rng: Random | None = None) -> WebhookDelivery:
        """What delivers to webhooks, not started."""
        from secondme.core.webhooks.delivery import WebhookDelivery

        rng = rng or SystemRandom()
        return WebhookDelivery(
            self.webhook_store, self.events, self.webhook_sender, self.follow_quietly, self.security, clock=self.clock, rng=rng
        )
