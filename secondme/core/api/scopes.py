"""Which scope of a token each route takes: one rule for its tag and whether it reads or changes, and a few paths of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secondme.core.tokens import TokenScope

if TYPE_CHECKING:
    from collections.abc import Collection

_BY_TAG: dict[str, tuple[TokenScope, TokenScope]] = {
    "state": (TokenScope.READ, TokenScope.ALL),
    "control": (TokenScope.READ, TokenScope.CONTROL),
    "channels": (TokenScope.READ, TokenScope.CONTROL),
    "pairing": (TokenScope.PAIRING, TokenScope.PAIRING),
    "drafts": (TokenScope.DRAFTS_READ, TokenScope.DRAFTS_DECIDE),
    "conversations": (TokenScope.CONVERSATIONS_READ, TokenScope.CONVERSATIONS_WRITE),
    "skills": (TokenScope.SKILLS, TokenScope.SKILLS),
    "proposals": (TokenScope.SKILLS, TokenScope.SKILLS),
    "hooks": (TokenScope.HOOK, TokenScope.HOOK),
    "memory": (TokenScope.MEMORY, TokenScope.MEMORY),
    "webhooks": (TokenScope.ALL, TokenScope.ALL),  # what happens leaves the house, and the address of some is as good as a password
    "jobs": (TokenScope.JOBS_READ, TokenScope.JOBS_WRITE),
    "grants": (TokenScope.JOBS_READ, TokenScope.CONTROL),
}
"""What reading and changing something of this tag takes."""
_BY_PATH: dict[str, tuple[TokenScope, ...]] = {
    "/api/events": (TokenScope.EVENTS_READ,),
    "/api/channels/{channel}/contacts": (TokenScope.PAIRING,),
    "/api/channels/{channel}/contacts/{contact}": (TokenScope.PAIRING,),
    "/api/agent": (TokenScope.AGENT_ASK, TokenScope.AGENT_DRAFT),  # which of them, its body says
    "/api/agent/runs/{run}": (TokenScope.AGENT_ASK, TokenScope.AGENT_DRAFT),
    "/api/jobs/{job}/run": (TokenScope.JOBS_RUN,),
    "POST /api/grants": (TokenScope.ALL,),  # giving is more than stopping: tokens for `control` were made before there were grants
}
"""What paths take, or one method of them."""


def needed(method: str, path: str, tags: Collection[str]) -> tuple[TokenScope, ...]:
    """What a call of this route takes: one of these. `all` for one that nobody thought of."""
    if found := _BY_PATH.get(f"{method} {path}") or _BY_PATH.get(path):
        return found
    (tag,) = tags if len(tags) == 1 else ("",)
    reading, changing = _BY_TAG.get(tag, (TokenScope.ALL, TokenScope.ALL))
    return (reading if method == "GET" else changing,)
