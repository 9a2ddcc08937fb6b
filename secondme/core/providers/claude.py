"""Claude through Anthropic's SDK: one streamed call of the Messages API, bounded in time and tokens, never retried in place.

The SDK takes a second to import, so it is imported at the first call, in a thread. Any server that speaks the Messages API will do
(`model.base_url`): the SDK sends the request, and the answer is read by `messages_api`, which bears with more than the SDK's own reader.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from secondme.core.http import open_client
from secondme.core.log import get_logger
from secondme.core.messages import ModelOutcome, ModelSize, Prompt
from secondme.core.providers.messages_api import RefusedCallError, address, ask, host, key_of, read_answer, retry_after

if TYPE_CHECKING:
    from types import ModuleType

    from secondme.core.config.models import ModelSettings

log = get_logger(__name__)


_LIBRARY = "httpx2"
"""What the SDK sends its requests with."""


class Claude:
    """A model behind the Messages API."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._loading = asyncio.Lock()
        self._client: Any = None  # AsyncAnthropic; its type costs a second to import
        self._former: list[Any] = []  # as above
        """Clients for settings that were replaced, in which a call may be under way."""
        self._made_for: tuple[Any, ...] = ()  # as above
        self._without_effort: set[str] = set()
        """Models that know no effort."""
        self._counts_tokens = True

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        """The model's words. Raises CredentialsError without a key or when it is refused, ConfigError for a request the server will
        never take, UnavailableError for everything that waiting may cure: 429, 5xx, 529, time-outs, cut connections."""
        model = self._settings.small if prompt.size is ModelSize.SMALL else self._settings.name
        knew_effort = model not in self._without_effort
        outcome, knows_effort = await ask(lambda body: self._send(body, prompt), self._settings, prompt, effort=knew_effort)
        if knew_effort and not knows_effort:
            if not self._without_effort:
                log.warning("model_knows_no_effort", server=host(self._settings), fix='secondme config set model.effort ""')
            self._without_effort.add(model)
        if outcome.usage.is_estimated and self._counts_tokens:
            self._counts_tokens = False
            log.warning("model_counts_no_tokens", server=host(self._settings), counted_as="an estimate")
        return outcome

    async def close(self) -> None:
        """Its connections are closed; a later call opens new ones. Repeatable."""
        clients = [*self._former, self._client]
        self._client, self._former = None, []
        for client in clients:
            if client is not None:
                await client.close()

    async def _send(self, body: dict[str, Any], prompt: Prompt) -> ModelOutcome:  # as JSON
        client = await self._connected()
        try:
            async with client.messages.with_streaming_response.create(**body) as answer:
                return await read_answer(answer.iter_bytes(), prompt, body["model"])
        except _sdk().APIStatusError as error:
            raise RefusedCallError(error.status_code, error.response.text, retry_after(error.response.headers)) from error

    async def _connected(self) -> Any:  # see __init__
        key = key_of(self._settings)
        async with self._loading:
            base, timeout_s = address(self._settings), self._settings.timeout_s
            wanted = (key, base, timeout_s)
            if self._client is not None and wanted != self._made_for:
                self._former.append(self._client)
                self._client = None
            if self._client is None:
                sdk = await asyncio.to_thread(_sdk)
                self._made_for = wanted
                self._client = sdk.AsyncAnthropic(
                    api_key=key,
                    base_url=base,
                    timeout=timeout_s,
                    max_retries=0,  # one retry owner: the queue
                    http_client=await open_client(base, library=_LIBRARY, base_url=base, timeout=timeout_s),
                )
        return self._client


def _sdk() -> ModuleType:
    return import_module("anthropic")
