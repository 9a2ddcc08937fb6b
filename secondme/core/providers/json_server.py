"""A server that takes JSON, or a file, and gives JSON: one call, bounded in time, bytes and depth; and what its refusals mean.

Used for vendors that need no SDK. The key stands in a header only, redirects are not followed, and no answer is quoted in an error: it may
repeat what a person wrote.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secondme.core.errors import ConfigError, CredentialsError, SecondmeError, UnavailableError
from secondme.core.http import open_client
from secondme.core.log import get_logger
from secondme.core.providers.messages_api import host_of, retry_after
from secondme.core.text import is_too_deep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

log = get_logger(__name__)

_QUIET = ("httpx", "httpcore")
"""Their loggers put addresses with what was searched for into lines below WARNING."""
_DEPTH = 16
_THREAD_BYTES = 64 * 1024
"""A longer body takes more than some milliseconds to read: it is read in a thread."""
_NO_KEY = frozenset({401, 403})
_LATER = frozenset({408, 409, 425, 429})
_RATE_LIMITED, _NO_CREDIT = 429, 402
_FAILED = 500
"""The first of the statuses that say: not the request's fault."""
_SPENT = b"insufficient_quota"
"""OpenAI's word, beside a 429 that waiting does not cure."""
_LONGEST_WAIT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """What came back: `value` is JSON of any kind, None beside an error that is none."""

    status: int
    value: Any  # a stranger's JSON: looked at piece by piece
    retry_after_s: float | None = None
    is_spent: bool = False
    """True when the account has nothing left."""

    @property
    def is_later(self) -> bool:
        """True when the same call may succeed after a while."""
        return not self.is_spent and (self.status in _LATER or self.status >= _FAILED)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file with some fields beside it, as HTML forms send them (RFC 7578)."""

    name: str
    mime: str
    data: bytes
    fields: Mapping[str, str | list[str]]


class JsonServer:
    """A server at `base`. `name` is what errors call it, like "The embedding server"; `code` is how their codes begin; `section` is the
    start of the names of its settings."""

    def __init__(self, base: str, headers: Mapping[str, str], *, name: str, code: str, setting: str) -> None:
        self._base = base.rstrip("/")
        self._headers = {**headers, "accept": "application/json", "accept-encoding": "identity"}
        self._what = f"{name} at {host_of(base)}"
        self._code, self._setting = code, setting
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def call(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        limit_bytes: int,
        params: Sequence[tuple[str, str]] = (),
        body: Any = None,  # anything that JSON can say, or an Upload
    ) -> JsonAnswer:
        """The answer, whatever its status. Raises UnavailableError when none came in time, and when a good one is no JSON, is larger than
        `limit_bytes` or nested too deep; then nobody knows whether the call had its effect."""
        import httpx  # noqa: PLC0415  tenths of a second: only who calls pays

        try:
            async with asyncio.timeout(timeout_s):
                client = await self._connected()
                sent = _form(body) if isinstance(body, Upload) else {"json": body}
                request = client.build_request(method, self._base + path, params=list(params), headers=self._headers, **sent)
                answer = await client.send(request, stream=True)
                try:
                    data = await self._read(answer, limit_bytes)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise UnavailableError(f"{self._code}_timeout", f"{self._what} did not answer in time.") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError, ValueError) as error:
            log.info("json_server_unreached", code=self._code, error=type(error).__name__)
            raise UnavailableError(f"{self._code}_unreachable", f"{self._what} cannot be reached.") from error
        parse = asyncio.to_thread(_parsed, data) if len(data) > _THREAD_BYTES else None
        value = _parsed(data) if parse is None else await parse
        if value is None and answer.is_success:
            raise self._unreadable()
        return JsonAnswer(answer.status_code, value, _wait_s(answer.headers), is_spent=_SPENT in data and not answer.is_success)

    def refusal(self, answer: JsonAnswer) -> SecondmeError:
        """What an answer other than the wanted one means."""
        words = f"{self._what} refused the request ({answer.status})."
        if answer.status == _NO_CREDIT or answer.is_spent:
            fix = "Add credit to the account."
            return CredentialsError(f"{self._code}_no_credit", f"{self._what} says that the account has no credit.", fix)
        if answer.status in _NO_KEY:
            fix = f"secondme config set {self._setting}"
            return CredentialsError(f"{self._code}_key_refused", f"{self._what} refused the key ({answer.status}).", fix)
        if answer.is_later:
            code = "rate_limited" if answer.status == _RATE_LIMITED else "failed"
            words = f"{self._what} failed ({answer.status})."
            return UnavailableError(f"{self._code}_{code}", words, retry_after_s=answer.retry_after_s)
        return ConfigError(f"{self._code}_request_refused", words, "Check the memory settings: secondme config show memory")

    async def close(self) -> None:
        """Its connections are closed; a later call opens new ones. Repeatable."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _unreadable(self) -> UnavailableError:
        return UnavailableError(f"{self._code}_unreadable", f"{self._what} does not answer properly.")

    async def _connected(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:
                for name in _QUIET:
                    logging.getLogger(name).setLevel(logging.WARNING)
                self._client = await open_client(self._base, timeout=None)  # bounded in `call`
        return self._client

    async def _read(self, answer: httpx.Response, limit_bytes: int) -> bytes:
        """The body as it came, counted: packed, it could be a thousand times as long."""
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise self._unreadable()
        data = bytearray()
        async for chunk in answer.aiter_raw():
            data += chunk
            if len(data) > limit_bytes:
                raise self._unreadable()
        return bytes(data)


def _form(upload: Upload) -> dict[str, Any]:  # httpx's arguments
    return {"data": dict(upload.fields), "files": {"file": (upload.name, upload.data, upload.mime)}}


def _parsed(data: bytes) -> Any:  # see JsonAnswer
    """The JSON in there; None for what is none, and for what is nested too deep."""
    try:
        return None if is_too_deep(data, _DEPTH) else json.loads(data)
    except (ValueError, RecursionError):
        return None


def _wait_s(headers: Mapping[str, str]) -> float | None:
    wanted = retry_after(headers)
    return None if wanted is None else min(wanted, _LONGEST_WAIT_S)
