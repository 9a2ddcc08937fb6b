"""Which node of a Redis Cluster has a home. All keys of a home begin with its namespace in braces, so they share a slot, and that has one node."""

from __future__ import annotations

from typing import Any

from redis.crc import key_slot
from redis.exceptions import ClusterDownError

Node = tuple[str, int]
"""Host and port."""

_MOST_NODES = 1000
"""Remembered, for when the one that has the home is gone."""


class Cluster:
    """What is known of a cluster; of a single server, that it is the only node."""

    def __init__(self, name: str, first: Node) -> None:
        """`name`: the home's namespace; `first`: the node that redis_url names."""
        self._slot = key_slot(f"{{{name}}}".encode())
        self._first = first
        self._nodes = [first]
        """The one to try next stands first."""
        self._home: Node | None = None

    def next_node(self) -> Node:
        """Which node is to be connected to."""
        return self._home or self._nodes[0]

    def failed(self, node: Node) -> None:
        """`node` was not reached: another one is next, and it will say who has the home."""
        if node == self._home:
            self._home = None
        if node in self._nodes:
            self._nodes.remove(node)
            self._nodes.append(node)

    def moved(self, node: Node) -> None:
        """A node said that `node` has the home."""
        self._home = node

    def is_home(self, node: Node) -> bool:
        """True when `node` has the home, as far as is known."""
        return node == self._home

    def learn(
        self, slots: Any, asked: Node
    ) -> None:  # the answer to CLUSTER SLOTS: [first slot, last slot, [host, port, ...], ...]
        """Every node is known, and which of them has the home. `asked` is who said so. Raises the library's ClusterDownError when none has."""
        nodes: dict[Node, None] = {}
        home = None
        for first, last, *served in slots:
            found = [(_host(entry[0]) or asked[0], int(entry[1])) for entry in served]  # the primary first
            nodes |= dict.fromkeys(found)
            if first <= self._slot <= last and found:
                home = found[0]
        self._home = home
        if home is None:
            raise ClusterDownError("no node has the home")
        self._nodes = list(dict.fromkeys([home, *nodes, self._first]))[:_MOST_NODES]


def _host(raw: object) -> str:
    """Empty where a node does not know how it is reached: then that is how it was."""
    return raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw or "")
