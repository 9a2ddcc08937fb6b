"""The store's own time, moved by a test: what every script asks for is a number beside the data. Server, scripts and processes are real."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from secondme.core.store import scripts

_KEY = "TEST:now"
_ASKED = "local t = redis.call('TIME')\n  return t[1] * 1000 + math.floor(t[2] / 1000)"


@contextmanager
def moved() -> Iterator[None]:
    """Scripts of this process take the time that was set."""
    real, text = scripts._text, f"return tonumber(redis.call('GET', '{_KEY}'))"  # the only place that asks the server

    def told(name: str) -> str:
        body = real(name)
        assert "redis.call('TIME')" not in body or _ASKED in body
        return body.replace(_ASKED, text)

    scripts._text = told
    scripts.script.cache_clear()
    try:
        yield
    finally:
        scripts._text = real
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
