"""Limits on what callers may ask of the API. Each number has its reason; tests hand in smaller ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one listener. They hold on the unix socket too: a script that runs away is a stranger's best friend."""

    connections: int = 64
    """At once. One more closes the one whose request makes the least progress, so that slow callers cannot keep others out."""
    per_peer: int = 16
    """Of those, from one address (IPv6: one network of 64 bits). This machine itself has no such bound: a proxy brings everybody."""
    body_bytes: int = 3 * 1024 * 1024
    """Counted while reading; what a header announces is only believed when it is too much."""
    json_depth: int = 32
    head_s: float = 10.0
    """From the first byte a connection may send to the end of a request's header."""
    request_s: float = 10.0
    """From the header to the end of the answer, the body included. The event stream is exempt."""
    stall_s: float = 10.0
    """A caller that takes nothing of a waiting answer for this long is cut off."""
    linger_s: float = 1.0
    """After a refusal, the rest of a body is thrown away for this long: closing at once would take the answer back from the caller."""
    goodbye_s: float = 2.0
    """When the gateway stops, answers under way may take this long."""
    streams: int = 32
    """Event streams at once, so that half of the connections are left for requests."""
    heartbeat_s: float = 15.0
    """A comment in a silent event stream: proxies and callers notice a dead connection."""
    wrong_tokens: int = 20
    """A minute. Further ones are told to wait; the right token always passes."""
