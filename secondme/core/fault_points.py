"""Fault points: named steps at which a test can stop the world. They do nothing unless a test put a hook in.

A hook is set by a test's own launcher, in code; no environment variable or flag of the product can reach it. After Readyset's
named failure points.
"""

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def point(name: str) -> None:
    """Pass the step `name`. Costs one comparison when no test listens."""
    if _hook is not None:
        _hook(name)


def listen(hook: Callable[[str], None]) -> None:
    """Call `hook` with the name of every step from now on. For tests."""
    global _hook  # noqa: PLW0603  one process, one hook: that is the point
    _hook = hook
