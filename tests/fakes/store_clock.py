"""The store's own time, moved by a test: whoever asks for it, a script or the command TIME, is told a number beside the data. Server, scripts and
processes are real."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.asyncio
from redis import Redis

from secondme.core.store import scripts

_KEY = "TEST:now"
_ASKED = "local t = redis.call('TIME')\n  return t[1] * 1000 + math.floor(t[2] / 1000)"
_TIME = f"local ms = tonumber(redis.call('GET', '{_KEY}')) return {{math.floor(ms / 1000), ms % 1000 * 1000}}"


def _time(client: redis.asyncio.Redis, **_: Any) -> Any:
    """As `time` of a client or of a pipeline: seconds, and microseconds."""
    return client.execute_command("EVAL", _TIME, 0)


@contextmanager
def moved() -> Iterator[None]:
    """Scripts and connections of this process take the time that was set."""
    real, text = scripts._text, f"return tonumber(redis.call('GET', '{_KEY}'))"  # the only place that asks the server
    asked = vars(redis.asyncio.Redis).get("time")

    def told(name: str) -> str:
        body = real(name)
        assert "redis.call('TIME')" not in body or _ASKED in body
        return body.replace(_ASKED, text)

    scripts._text, redis.asyncio.Redis.time = told, _time  # type: ignore[method-assign]
    scripts.script.cache_clear()
    try:
        yield
    finally:
        scripts._text = real
        if asked is None:  # it has the one of the class above
            del redis.asyncio.Redis.time  # type: ignore[misc]
        else:
            redis.asyncio.Redis.time = asked  # type: ignore[method-assign]
        scripts.script.cache_clear()


class StoreClock:
    """The time of one server, Unix ms."""

    def __init__(self, redis_url: str, start_ms: int) -> None:
        self._client = Redis.from_url(redis_url)
        self.set(start_ms)

    def set(self, now_ms: int) -> None:
        self._client.set(_KEY, now_ms)

    @property
    def ms(self) -> int:
        return int(self._client.get(_KEY) or 0)  # type: ignore[arg-type]
