"""The clone asked by a program: the answer, a message to the owner's own chat, or a draft for a contact. Nothing of it is sent to a contact."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import Field

from secondme.core.api import schemas
from secondme.core.api.auth import caller_of
from secondme.core.api.dependencies import Can, answers
from secondme.core.api.problems import RouteRefusedError, out_of_scope, refusal_of
from secondme.core.enums import Thinking
from secondme.core.errors import BusyError, NotFoundError, SecondmeError, UnavailableError
from secondme.core.ids import new_id
from secondme.core.log import get_logger
from secondme.core.records import CamelModel
from secondme.core.tokens import OWNER, TokenScope

log = get_logger(__name__)

agent = APIRouter(prefix="/api/agent", tags=["agent"])

_WAIT_S = 8.0
"""How long a call waits for its answer: less than the ten seconds of a request."""
_LONGEST_S = 180.0
_MOST_RUNNING, _MOST_KEPT = 4, 100


class AgentRequest(schemas.RequestBody):
    """What is asked, and for whom the answer is."""

    message: Annotated[str, Field(min_length=1, max_length=16_000)]
    to: Annotated[str, Field(max_length=128, examples=["none", "self", "491512345678@c.us"])] = "none"
    """`none`: the answer alone. `self`: it is told in your own chat. A contact's id: it becomes a draft for them."""
    thinking: Thinking | None = None
    persona: Annotated[str | None, Field(max_length=64)] = None
    """Not for a contact: theirs is chosen for them."""
    valid_hours: Annotated[float | None, Field(ge=0.1, le=720)] = None
    """A draft for a contact is dropped when nobody sent it by then."""


class AgentResult(CamelModel):
    """What became of it."""

    outcome: Literal["answered", "sent", "waiting", "draft", "already_done"]
    """`already_done`: it was done before for this key, and nobody was asked."""
    to: str | None
    text: schemas.Shown | None = None
    fault: str | None = None
    """What the checks found in a draft: it leaves only in your own words."""
    draft_id: str | None = None
    channel_id: str | None = None
    row_ids: list[str] | None = None


class AgentRun(CamelModel):
    """One call, which may still be under way."""

    id: str
    state: Literal["running", "done", "failed"]
    result: AgentResult | None = None
    error: schemas.Trouble | None = None


class AgentOperations(Protocol):
    """Who is asked; built above, where the model is known."""

    async def ask(self, wanted: AgentRequest, once: str) -> AgentResult:
        """Ask, once for `once` within a week if it is not empty. Raises SecondmeError."""


@dataclass(slots=True)
class _Run:
    """A call that was taken."""

    id: str
    caller: str
    digest: str
    task: asyncio.Task[AgentResult] = field(repr=False)

    @property
    def has_failed(self) -> bool:
        """True when it has ended without a result: the same call again is a new attempt."""
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)

    def shown(self) -> AgentRun:
        """How it stands."""
        if not self.task.done():
            return AgentRun(id=self.id, state="running")
        error = asyncio.CancelledError() if self.task.cancelled() else self.task.exception()
        if error is None:
            return AgentRun(id=self.id, state="done", result=self.task.result())
        return AgentRun(id=self.id, state="failed", error=_trouble(error))


class AgentRuns:
    """The calls of this gateway, the newest hundred. What they did lasts; what they answered is gone when the gateway ends."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], _Run] = OrderedDict()
        self._is_closed = False

    def take(self, caller: str, key: str, digest: str, work: Callable[[], Awaitable[AgentResult]]) -> _Run:
        """The run of this caller and `key`, begun now when there was none or it failed; an empty `key` is never the same.

        Raises BusyError when the key was used for something else, or enough runs are under way; UnavailableError once closed.
        """
        if self._is_closed:
            raise UnavailableError("stopped", "The gateway stops.", "Try again with the same key.")
        found = self._runs.get((caller, key)) if key else None
        if found is not None:
            if found.digest != digest:
                raise BusyError("key_reused", "This Idempotency-Key was used for another request.", "Use a key for one request.")
            if not found.has_failed:
                return found
        if sum(not run.task.done() for run in self._runs.values()) >= _MOST_RUNNING:
            raise BusyError("too_many_runs", f"{_MOST_RUNNING} questions are being answered already.", "Try again in a moment.")
        run = _Run(new_id(), caller, digest, asyncio.ensure_future(_bounded(work)))
        run.task.add_done_callback(_looked_at)
        self._runs[caller, key or run.id] = run
        for old in [name for name, each in self._runs.items() if each.task.done()][: max(0, len(self._runs) - _MOST_KEPT)]:
            del self._runs[old]
        return run

    def find(self, caller: str, run: str) -> _Run:
        """A run of this caller, and for the owner anybody's. Raises NotFoundError."""
        for each in self._runs.values():
            if each.id == run and caller in {each.caller, OWNER.name}:
                return each
        raise NotFoundError("unknown_run", "There is no such run.")

    async def close(self) -> None:
        """Nothing is under way any more, and nothing is begun. Repeatable."""
        self._is_closed = True
        tasks = [run.task for run in self._runs.values() if not run.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _looked_at(task: asyncio.Task[AgentResult]) -> None:
    """Why it failed is known, also when nobody asks for it: else the event loop would write it down, words and all."""
    if not task.cancelled():
        task.exception()


async def _bounded(work: Callable[[], Awaitable[AgentResult]]) -> AgentResult:
    try:
        async with asyncio.timeout(_LONGEST_S):
            return await work()
    except TimeoutError:
        raise UnavailableError("took_too_long", "The model took too long.", "Look, then try again.") from None


def _trouble(error: BaseException) -> schemas.Trouble:
    if not isinstance(error, SecondmeError):
        if isinstance(error, asyncio.CancelledError):
            error = UnavailableError("stopped", "The gateway stopped meanwhile.", "Try again with the same key.")
        else:
            log.error("api_ask_failed", error)
            error = SecondmeError("internal_error", "This is a bug.", "Please report it with the log line of this time.")
    said = refusal_of(error)
    return schemas.Trouble(code=said.code, message=said.message, fix=said.fix)


@agent.post("", responses=answers(404, 409) | {202: {"model": AgentRun, "description": "It takes longer: ask for the run."}})
async def ask(
    can: Can,
    request: Request,
    response: Response,
    wanted: AgentRequest,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=128, description="The same call again does nothing, for a week.")
    ] = None,
) -> AgentRun:
    """Your clone is asked. An answer that takes longer than eight seconds is fetched from its run (202)."""
    caller = caller_of(request)
    scope = TokenScope.AGENT_ASK if wanted.to in {"none", "self"} else TokenScope.AGENT_DRAFT
    if not caller.covers(scope):
        raise RouteRefusedError(out_of_scope(scope))
    key = idempotency_key or ""
    once = f"api:{caller.name}:{key}" if key and wanted.to != "none" else ""
    digest = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
    run = request.app.state.runs.take(caller.name, key, digest, lambda: can.agent.ask(wanted, once))
    await asyncio.wait({run.task}, timeout=_WAIT_S)
    shown: AgentRun = run.shown()
    if shown.state == "running":
        response.status_code = 202
    elif shown.state == "failed" and isinstance(error := run.task.exception(), SecondmeError):
        raise error
    return shown


@agent.get("/runs/{run}", responses=answers(404))
async def show_run(request: Request, run: Annotated[str, Path(min_length=32, max_length=32, pattern="^[0-9a-f]+$")]) -> AgentRun:
    """How a call stands. Known to who made it, until the gateway ends."""
    shown: AgentRun = request.app.state.runs.find(caller_of(request).name, run).shown()
    return shown
