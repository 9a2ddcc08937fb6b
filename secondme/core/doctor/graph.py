"""Does FalkorDB answer? A look at an optional server of the owner's, on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError, ResponseError

from secondme.core.doctor.store import where_of
from secondme.core.errors import ConfigError, CredentialsError, UnavailableError

_MODULE = "graph"


async def look_at_graph(url: str, timeout_s: float) -> str:
    """The version of the graph module behind `url`, empty when it does not say.

    Raises UnavailableError when nothing answers, CredentialsError when we are refused, ConfigError when there is no graph module.
    """
    where = where_of(url)
    try:
        client = Redis.from_url(url, socket_connect_timeout=timeout_s, socket_timeout=None, retry=Retry(NoBackoff(), 0))
    except ValueError:  # its text quotes the address, and so the password
        raise ConfigError("graph_bad_url", "memory.graph_url cannot be used.") from None
    try:
        async with asyncio.timeout(timeout_s):
            return await _version(client)
    except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
        raise CredentialsError("graph_refused", f"{where} refuses us.") from error
    except ResponseError as error:
        raise ConfigError("graph_no_module", f"{where} is a plain Redis.") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise UnavailableError("graph_unreachable", f"{where} does not answer.") from error
    finally:
        with contextlib.suppress(RedisError, OSError):
            await client.aclose(close_connection_pool=True)


async def _version(client: Redis) -> str:
    """Raises ResponseError when the server has no graph module."""
    execute: Any = client.execute_command  # untyped in the library
    try:
        modules = await execute("MODULE LIST")
    except NoPermissionError:
        await execute("GRAPH.LIST")  # who may not list modules may list graphs
        return ""
    for module in modules:
        fields = module if isinstance(module, dict) else dict(zip(module[::2], module[1::2], strict=False))
        facts = {_text(key): value for key, value in fields.items()}
        if _text(facts.get("name", "")) == _MODULE:
            return _dotted(facts.get("ver"))
    raise ResponseError("no graph module")


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _dotted(number: object) -> str:
    """FalkorDB counts 4.16.3 as 41603."""
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}" if isinstance(number, int) and number > 0 else ""
