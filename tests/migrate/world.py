"""What a test of a migration puts into a store, and how it looks at one afterwards."""

import json
from typing import Any

from fakes.process import Cli
from redis import Redis
from typer.testing import Result

_FILL = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local key = 'HISTORY:49151' .. string.format('%08d', i) .. '@c.us'
  redis.call('ZADD', key, 1, '{"id":"m","role":"user","content":"hi","timestamp":1,"type":"incoming"}')
  redis.call('SADD', key .. ':ids', 'm')
end
"""


def phone(number: int) -> str:
    """A WhatsApp contact."""
    return f"49151{number:08d}@c.us"


def talk(client: Redis, *contacts: str) -> None:
    """Each of `contacts` has a history and the set of ids beside it."""
    for contact in contacts:
        client.zadd(f"HISTORY:{contact}", {turn(f"m-{contact}", 1_790_000_000_000): 1_790_000_000_000})
        client.sadd(f"HISTORY:{contact}:ids", f"m-{contact}")


def turn(identity: str, at: int, kind: str = "incoming", content: str = "hi") -> str:
    """One message in the predecessor's form."""
    role = "user" if kind == "incoming" else "assistant"
    record = {"id": identity, "role": role, "content": content, "timestamp": at, "type": kind}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def fill(client: Redis, count: int) -> None:
    """`count` contacts with a history and its twin. In pieces, so that the filling itself keeps nobody waiting for long."""
    for start in range(0, count, 1000):
        client.eval(_FILL, 0, start, min(count, start + 1000) - 1)


def everything(client: Redis) -> dict[str, tuple[str, bool]]:
    """Every key as the server would dump it, and whether it ends by itself."""
    names = list(client.scan_iter(count=1000))
    return {name: (repr(_value(client, name)), client.ttl(name) >= 0) for name in names}


def _value(client: Redis, name: str) -> Any:
    match client.type(name):
        case "string":
            return client.get(name)
        case "list":
            return client.lrange(name, 0, -1)
        case "set":
            return sorted(client.smembers(name))
        case "zset":
            return client.zrange(name, 0, -1, withscores=True)
        case "hash":
            return sorted(client.hgetall(name).items())
        case _:
            return client.xrange(name)


def data(result: Result) -> dict[str, Any]:
    """The `data` of a command's envelope."""
    return json.loads(result.stdout)["data"]  # type: ignore[no-any-return]


def both(cli: Cli, *words: str) -> tuple[dict[str, Any], Result]:
    """The report of `migrate WORDS`, after it was shown that the dry run says the same as the execution, and the execution."""
    dry, done = cli("migrate", *words, "--json"), cli("migrate", *words, "--json", "--execute")
    planned, did = data(dry), data(done)
    assert (planned.pop("executed"), did.pop("executed")) == (False, True)
    assert planned == did
    assert dry.exit_code == done.exit_code
    return did, done


class Silent:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = []

    def item(self, name: str, verdict: str) -> None:
        self.items.append((name, verdict))

    def progress(self, tally: object) -> None:
        pass
