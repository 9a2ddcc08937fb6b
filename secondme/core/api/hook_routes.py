"""Hooks: a program outside runs one job, which fixes what is done and for whom. What it sends along is data for that job, and nothing else."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Path, Request

from secondme.core.api.auth import caller_of
from secondme.core.api.dependencies import Can, answers
from secondme.core.api.problems import RouteRefusedError, out_of_scope
from secondme.core.errors import DataError
from secondme.core.records import CamelModel
from secondme.core.tokens import TokenScope

hooks = APIRouter(prefix="/api/hooks", tags=["hooks"])

_MOST_BYTES = 64 * 1024


class HookAnswer(CamelModel):
    """What became of the call."""

    outcome: Literal["called", "already_called"]
    """`already_called`: it was called before with this key, and nothing is run again."""


@hooks.post("/{job}", status_code=202, responses=answers(404, 409))
async def call(
    can: Can,
    request: Request,
    job: Annotated[str, Path(pattern="^[a-z0-9]{1,32}$")],
    payload: Annotated[dict[str, Any] | list[Any] | None, Body(description="JSON that goes to the job, at most 64 KB.")] = None,
    webhook_id: Annotated[str | None, Header(min_length=1, max_length=128, description="As Standard Webhooks.")] = None,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=128)] = None,
) -> HookAnswer:
    """The job of this hook runs soon. To whom it speaks and what it does is fixed in the job, whatever is sent along."""
    caller = caller_of(request)
    if caller.job and caller.job != job:
        raise RouteRefusedError(out_of_scope(TokenScope.HOOK))
    text = json.dumps(payload, ensure_ascii=True, separators=(",", ":")) if payload is not None else ""
    if len(text) > _MOST_BYTES:
        raise DataError("payload_too_large", "What is sent along has at most 64 KB.", "Send less of it.")
    key = webhook_id or idempotency_key
    is_new = await can.call_job(job, key=f"{caller.name}:{key}" if key else "", payload=text)
    return HookAnswer(outcome="called" if is_new else "already_called")
