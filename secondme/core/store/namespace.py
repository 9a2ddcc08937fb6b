"""A home's place in a server that many homes share: the beginning of each of its keys and channels.

Everything above says keys as `keys` makes them. The beginning is put in front where a command is packed, which every command passes, and
taken off where names come back. A command that is not known here is not sent: nothing can leave without its beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_AT_1 = frozenset(
    [
        "APPEND",
        "BITCOUNT",
        "DECR",
        "DECRBY",
        "DUMP",
        "EXPIRE",
        "EXPIREAT",
        "EXPIRETIME",
        "GET",
        "GETBIT",
        "GETDEL",
        "GETEX",
        "GETRANGE",
        "GETSET",
        "HDEL",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HINCRBY",
        "HINCRBYFLOAT",
        "HKEYS",
        "HLEN",
        "HMGET",
        "HMSET",
        "HRANDFIELD",
        "HSCAN",
        "HSET",
        "HSETNX",
        "HSTRLEN",
        "HVALS",
        "INCR",
        "INCRBY",
        "INCRBYFLOAT",
        "LINDEX",
        "LINSERT",
        "LLEN",
        "LPOP",
        "LPOS",
        "LPUSH",
        "LPUSHX",
        "LRANGE",
        "LREM",
        "LSET",
        "LTRIM",
        "PERSIST",
        "PEXPIRE",
        "PEXPIREAT",
        "PEXPIRETIME",
        "PSETEX",
        "PTTL",
        "PUBLISH",
        "RESTORE",
        "RPOP",
        "RPUSH",
        "RPUSHX",
        "SADD",
        "SCARD",
        "SET",
        "SETBIT",
        "SETEX",
        "SETNX",
        "SETRANGE",
        "SISMEMBER",
        "SMEMBERS",
        "SMISMEMBER",
        "SORT",
        "SPOP",
        "SPUBLISH",
        "SRANDMEMBER",
        "SREM",
        "SSCAN",
        "STRLEN",
        "TTL",
        "TYPE",
        "XACK",
        "XADD",
        "XAUTOCLAIM",
        "XCLAIM",
        "XDEL",
        "XLEN",
        "XPENDING",
        "XRANGE",
        "XREVRANGE",
        "XSETID",
        "XTRIM",
        "ZADD",
        "ZCARD",
        "ZCOUNT",
        "ZINCRBY",
        "ZLEXCOUNT",
        "ZMSCORE",
        "ZPOPMAX",
        "ZPOPMIN",
        "ZRANDMEMBER",
        "ZRANGE",
        "ZRANGEBYLEX",
        "ZRANGEBYSCORE",
        "ZRANK",
        "ZREM",
        "ZREMRANGEBYLEX",
        "ZREMRANGEBYRANK",
        "ZREMRANGEBYSCORE",
        "ZREVRANGE",
        "ZREVRANGEBYSCORE",
        "ZREVRANK",
        "ZSCAN",
        "ZSCORE",
    ]
)
_AT_2 = frozenset({"MEMORY", "OBJECT", "XGROUP", "XINFO"})
"""A word more stands before the key."""
_TWO = frozenset({"COPY", "LMOVE", "RENAME", "RENAMENX", "RPOPLPUSH", "SMOVE"})
_ALL = frozenset(
    [
        "DEL",
        "EXISTS",
        "MGET",
        "PSUBSCRIBE",
        "PUNSUBSCRIBE",
        "SSUBSCRIBE",
        "SUBSCRIBE",
        "SUNSUBSCRIBE",
        "TOUCH",
        "UNLINK",
        "UNSUBSCRIBE",
        "WATCH",
    ]
)
_COUNTED = frozenset({"EVAL", "EVALSHA", "EVALSHA_RO", "EVAL_RO", "FCALL", "FCALL_RO"})
"""How many keys there are stands before the first."""
_STREAMS = frozenset({"XREAD", "XREADGROUP"})
_NONE = frozenset(
    [
        "ACL",
        "AUTH",
        "CLIENT",
        "CLUSTER",
        "COMMAND",
        "CONFIG",
        "DBSIZE",
        "DISCARD",
        "EXEC",
        "HELLO",
        "INFO",
        "LATENCY",
        "MODULE",
        "MULTI",
        "PING",
        "QUIT",
        "REPLCONF",
        "ROLE",
        "SCRIPT",
        "SELECT",
        "SYNC",
        "TIME",
        "UNWATCH",
        "WAIT",
        "WAITAOF",
    ]
)

Word = Any
"""Text, bytes or a number, as the library packs it."""


class Namespace:
    """The beginning of a home's names: `{name}:`, so that a Redis Cluster keeps the whole home in one place; none for the empty name."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.beginning = f"{{{name}}}:" if name else ""
        self._raw = self.beginning.encode()

    def __bool__(self) -> bool:
        return bool(self.name)

    def full(self, name: Word) -> Word:
        """`name` as the server has it."""
        return self._raw + name if isinstance(name, bytes) else f"{self.beginning}{name}"

    def bare(self, names: Sequence[bytes]) -> list[bytes]:
        """What the server calls `names`, as `keys` says them; without those of other homes."""
        return [name[len(self._raw) :] for name in names if name.startswith(self._raw)]

    def bare_one(self, name: bytes) -> bytes:
        """As `bare`, of a name that is known to be this home's."""
        return name.removeprefix(self._raw)

    def placed(self, words: Sequence[Word]) -> list[Word]:
        """The words of a command, its keys and channels with their beginning. Raises LookupError for a command that is not known here."""
        found = list(words)
        command = _text(found[0]).upper()
        for at in _positions(command, found):
            found[at] = self.full(found[at])
        return self._matching_ours(found) if command == "SCAN" else found

    def _matching_ours(self, words: list[Word]) -> list[Word]:
        for at, word in enumerate(words[:-1]):
            if at > 1 and _text(word).upper() == "MATCH":
                words[at + 1] = self.full(words[at + 1])
                return words
        return [*words, "MATCH", f"{self.beginning}*"]


def _positions(command: str, words: Sequence[Word]) -> range:
    if command in _AT_1:
        return range(1, 2)
    if command in _COUNTED:
        return range(3, 3 + int(words[2]))
    if command in _ALL:
        return range(1, len(words))
    if command in _STREAMS:
        first = [_text(word).upper() for word in words].index("STREAMS") + 1
        return range(first, first + (len(words) - first) // 2)
    if command in _AT_2:
        return range(2, 3)
    if command in _TWO:
        return range(1, 3)
    if command in _NONE or command == "SCAN":
        return range(0)
    raise LookupError(f"It is not known which words of {command} are keys.")


def _text(word: Word) -> str:
    return word.decode("ascii", "replace") if isinstance(word, bytes) else str(word)
