"""Claude through Anthropic's SDK: one streamed call of the Messages API, bounded in time and tokens, never retried in place.

The SDK takes a second to import, so it is imported at the first call, in a thread. Any server that speaks the Messages API will do
(`model.base_url`). Source: Anthropic's API reference, "Messages" and "Errors".
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.messages import Composed, ModelOutcome, ModelRefused, ModelSize, Prompt, Usage

if TYPE_CHECKING:
    from types import ModuleType

    from secondme.core.config.models import ModelSettings

_CAUSES: dict[int | str, str] = {
    429: "model_rate_limited",
    529: "model_overloaded",
    "rate_limit_error": "model_rate_limited",
    "overloaded_error": "model_overloaded",
}
"""By status, and by type for an error that comes in the middle of a stream, whose status was 200."""


class Claude:
    """A model behind the Messages API."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._loading = asyncio.Lock()
        self._client: Any = None  # AsyncAnthropic; its type costs a second to import

    async def compose(self, prompt: Prompt) -> ModelOutcome:
        """The model's words. Raises CredentialsError without a key or when it is refused, ConfigError for a request the server will
        never take, UnavailableError for everything that waiting may cure: 429, 5xx, 529, time-outs, cut connections."""
        client = await self._connected()
        sdk = _sdk()
        try:
            async with client.messages.stream(**self._request(prompt)) as stream:
                message = await stream.get_final_message()
        except (sdk.AuthenticationError, sdk.PermissionDeniedError) as error:
            raise CredentialsError(
                "model_key_refused", "The model's server refused the key.", "Set a valid ANTHROPIC_API_KEY."
            ) from error
        except sdk.PaymentRequiredError as error:
            raise CredentialsError("model_no_credit", "The model's account has no credit.", "Add credit to the account.") from error
        except (sdk.BadRequestError, sdk.NotFoundError, sdk.UnprocessableEntityError, sdk.ContentTooLargeError) as error:
            raise ConfigError(
                "model_request_refused",
                f"The model's server refused the request ({error.status_code}).",
                "Check model.name and model.base_url.",
            ) from error
        except sdk.APIStatusError as error:
            code = _CAUSES.get(str(error.type)) or _CAUSES.get(error.status_code, "model_failed")
            raise UnavailableError(
                code, f"The model's server failed (status {error.status_code}).", retry_after_s=_retry_after(error)
            ) from error
        except (sdk.APITimeoutError, _http().TimeoutException) as error:
            raise UnavailableError("model_timeout", "The model did not answer in time.") from error
        except (
            sdk.APIError,
            _http().HTTPError,  # the SDK passes its HTTP library's errors on when a stream is cut in the middle
            OSError,
            EOFError,
            ValueError,
            RuntimeError,
            AssertionError,
        ) as error:  # a stream cut short shows in many ways
            raise UnavailableError("model_unreachable", "The model's server does not answer properly.") from error
        return _read(message)

    async def close(self) -> None:
        """Its connections are closed; a later call opens new ones. Repeatable."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _request(self, prompt: Prompt) -> dict[str, Any]:  # the SDK's own types cost a second to import
        """The call's body. A block that stays the same ends a part that the vendor may keep. No sampling parameters: newer models refuse them."""
        request: dict[str, Any] = {
            "model": self._settings.small if prompt.size is ModelSize.SMALL else self._settings.name,
            "max_tokens": prompt.max_tokens,
            "system": [
                {"type": "text", "text": block.text, **({"cache_control": {"type": "ephemeral"}} if block.cached else {})}
                for block in prompt.system
            ],
            "messages": [{"role": turn.role, "content": turn.text} for turn in prompt.turns],
        }
        effort = prompt.thinking.value if prompt.thinking else self._settings.effort
        if effort:
            request["output_config"] = {"effort": effort}
        if prompt.thinking:
            request["thinking"] = {"type": "adaptive"}
        return request

    async def _connected(self) -> Any:  # see __init__
        if self._settings.api_key is None:
            raise CredentialsError("no_model_key", "No key for the model is set.", "Set ANTHROPIC_API_KEY and restart.")
        async with self._loading:
            if self._client is None:
                sdk = await asyncio.to_thread(_sdk)
                self._client = sdk.AsyncAnthropic(
                    api_key=self._settings.api_key.get_secret_value(),
                    base_url=self._settings.base_url,
                    timeout=self._settings.timeout_s,
                    max_retries=0,  # one retry owner: the queue
                )
        return self._client


def _sdk() -> ModuleType:
    return import_module("anthropic")


def _http() -> ModuleType:
    """The SDK's HTTP library."""
    return import_module("httpx2")


def _retry_after(error: Any) -> float | None:  # an SDK exception, see __init__
    try:
        return max(0.0, float(error.response.headers["retry-after"]))
    except (KeyError, ValueError, AttributeError):
        return None


def _read(message: Any) -> ModelOutcome:  # an SDK message, see __init__
    if message.stop_reason is None:
        raise UnavailableError("model_unreachable", "The model's answer was cut short.")
    used = message.usage
    usage = Usage(
        used.input_tokens,
        used.output_tokens,
        used.cache_read_input_tokens or 0,
        used.cache_creation_input_tokens or 0,
        str(message.model),
    )
    if message.stop_reason == "refusal":
        return ModelRefused("refusal", usage)
    if message.role != "assistant":
        return ModelRefused("wrong_role", usage)
    if any(block.type == "tool_use" for block in message.content):  # it was offered none
        return ModelRefused("tool_use", usage)
    text = "".join(block.text for block in message.content if block.type == "text").strip()
    if not text:
        return ModelRefused(str(message.stop_reason), usage)
    return Composed(text, usage)
