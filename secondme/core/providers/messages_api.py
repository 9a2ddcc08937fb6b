"""Two small questions to a server of the Messages API, without the SDK, whose import costs a second.

Used before anything is saved, and by the doctor; replies go through `claude.py`. Source: Anthropic's API reference, "Models" and
"Messages"; key and version are sent as the SDK sends them, which a test makes sure of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, CredentialsError, UnavailableError
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from secondme.core.config.models import ModelSettings

OFFICIAL = "https://api.anthropic.com"
_VERSION = "2026-10-21"
_MOST_MODELS = 1000
_LONGEST_NAME = 128
_CREDITS = "credit balance"


async def list_models(settings: ModelSettings, timeout_s: float = 10.0) -> tuple[str, ...]:
    """The ids of the models that the server offers, as it orders them (the newest first); empty when it keeps no list.

    Raises CredentialsError without a key or when it is refused, UnavailableError when the server does not answer properly in time.
    """
    answer = await _call(settings, "GET", f"/v1/models?limit={_MOST_MODELS}", None, timeout_s)
    if answer is None:
        return ()
    found = answer.get("data")
    names = [entry.get("id") for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    return tuple(safe_text(name)[:_LONGEST_NAME] for name in names[:_MOST_MODELS] if isinstance(name, str) and name)


async def try_model(settings: ModelSettings, name: str, timeout_s: float = 20.0) -> None:
    """The model `name` wrote one token: key, account and name are good. Costs a fraction of a cent.

    Raises as `list_models`, and ConfigError when the server knows no such model.
    """
    body = {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    if await _call(settings, "POST", "/v1/messages", body, timeout_s) is None:
        raise ConfigError("no_such_model", f"The model's server knows no model {name}.", "secondme onboard --only model")


async def _call(
    settings: ModelSettings, method: str, path: str, body: dict[str, Any] | None, timeout_s: float
) -> dict[str, Any] | None:
    """The server's JSON; None for 404. The time is bounded over everything."""
    import asyncio  # noqa: PLC0415  with httpx: only who asks pays

    import httpx  # noqa: PLC0415

    if settings.api_key is None:
        raise CredentialsError("no_model_key", "No key for the model is set.", "secondme onboard --only model")
    if not settings.api_key.get_secret_value().isascii():
        raise CredentialsError("model_key_refused", "The key has characters that no key has.", "secondme onboard --only model")
    base = (settings.base_url or OFFICIAL).rstrip("/")
    headers = {"authorization": f"Bearer {settings.api_key.get_secret_value()}", "anthropic-version": _VERSION}
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(timeout=timeout_s, headers=headers, verify=base.startswith("https:")) as client,
        ):
            answer = await client.request(method, base + path, json=body)
            if not answer.is_success:
                _refuse(answer.status_code, answer.text)
                return None
            found: dict[str, Any] = dict(answer.json())
            return found
    except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError) as error:
        raise ConfigError("bad_base_url", f"{base} is not an address.", "It looks like http://127.0.0.1:8080.") from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise UnavailableError("model_timeout", "The model's server did not answer in time.") from error
    except (httpx.HTTPError, OSError, ValueError, TypeError) as error:
        raise UnavailableError("model_unreachable", f"The model's server at {base} does not answer properly.") from error


def _refuse(status: int, text: str) -> None:
    """Raises what the status means; returns for 404, which is an answer."""
    match status:
        case 404:
            return
        case 401 | 403:
            raise CredentialsError("model_key_refused", "The model's server refused the key.", "secondme onboard --only model")
        case 402:
            raise CredentialsError("model_no_credit", "The model's account has no credit.", "Add credit to the account.")
        case 400 if _CREDITS in text:
            raise CredentialsError("model_no_credit", "The model's account has no credit.", "Add credit to the account.")
        case 400 | 413 | 422:
            raise ConfigError(
                "model_request_refused",
                f"The model's server refused the request ({status}).",
                "Check model.name and model.base_url.",
            )
        case 429:
            raise UnavailableError("model_rate_limited", "The model's server asks us to wait (status 429).")
        case 529:
            raise UnavailableError("model_overloaded", "The model's server is overloaded (status 529).")
        case _:
            raise UnavailableError("model_failed", f"The model's server failed (status {status}).")
