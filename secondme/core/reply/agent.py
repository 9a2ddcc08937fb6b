"""What would the owner say? Persona, history and the burst become a prompt; the model's words become the reply, or a cause to wait."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.log import get_logger
from secondme.core.reply.persona import load_style
from secondme.core.reply.prompt import build_prompt
from secondme.core.text import safe_name, safe_text
from secondme.core.types import Composed, ModelRefused

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.core.ids import ContactId
    from secondme.core.ports import Clock, Model
    from secondme.core.settings import Settings
    from secondme.core.store.conversation import ConversationStore
    from secondme.core.store.inbox import Job
    from secondme.core.types import ModelOutcome

log = get_logger(__name__)

_OPEN_AFTER = 10
"""Failures in a row after which the model is left alone."""
_OPEN_S = 15.0


class Breaker:
    """Leaves a failing service alone: after ten failures in a row nobody calls it for 15 s, then one call may try."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Raises UnavailableError while the service is left alone. Who may pass after that tries for all: the rest wait for it."""
        if self._failures < _OPEN_AFTER:
            return
        left = self._open_until - self._clock.monotonic()
        if left > 0:
            raise UnavailableError(
                "model_down", "The model has failed too often and is left alone for a moment.", retry_after_s=left
            )
        self._open_until = self._clock.monotonic() + _OPEN_S

    def failed(self) -> None:
        """A call failed."""
        self._failures += 1
        if self._failures >= _OPEN_AFTER:
            self._open_until = self._clock.monotonic() + _OPEN_S

    def succeeded(self) -> None:
        """A call succeeded: it is trusted again."""
        self._failures = 0


class Agent:
    """Composes replies."""

    def __init__(self, model: Model, conversation: ConversationStore, settings: Settings, personas: Path, clock: Clock) -> None:
        self._model = model
        self._conversation = conversation
        self._settings = settings
        self._personas = personas
        self._breaker = Breaker(clock)

    async def compose_reply(self, job: Job) -> ModelOutcome:
        """The owner's next words to this burst, safe to show and never empty; or that there are none.

        Raises UnavailableError (ask again later), CredentialsError and ConfigError (a human must act first). Repeatable.
        """
        settings = self._settings.model
        since = from_ms(job.now_ms) - timedelta(hours=settings.history_hours)
        contact: ContactId = job.token.contact_id
        history = [turn for turn in await self._conversation.recent(contact, settings.history_turns) if turn.timestamp > since]
        prompt = build_prompt(
            name=safe_name(self._settings.persona.name) or "the owner",
            style=load_style(self._personas, self._settings.persona.file),
            contact=job.contact,
            history=history,
            burst=job.mail,
            max_tokens=settings.max_tokens,
        )
        self._breaker.check()
        try:
            async with asyncio.timeout(settings.timeout_s):
                outcome = await self._model.compose(prompt)
        except TimeoutError as error:
            self._breaker.failed()
            raise UnavailableError("model_timeout", "The model did not answer in time.") from error
        except UnavailableError:
            self._breaker.failed()
            raise
        except (CredentialsError, ConfigError):
            self._breaker.succeeded()  # the service answers; what it says is for a human
            raise
        self._breaker.succeeded()
        if isinstance(outcome, ModelRefused):
            return outcome
        text = safe_text(outcome.text).strip()
        if not text:
            return ModelRefused("empty")
        return Composed(text, outcome.input_tokens, outcome.output_tokens)
