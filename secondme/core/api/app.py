"""The API's application: its routes, served on every listener and described by one OpenAPI document.

Importing this takes a third of a second and 20 MB: `listeners.py` does so when somebody calls for the first time.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from secondme import __version__
from secondme.core.api.agent_routes import AgentRuns, agent
from secondme.core.api.auth import Alarms, Guard, Keys, ScopeRefusals, caller_of, permitted
from secondme.core.api.conversation_routes import conversations
from secondme.core.api.dependencies import SCHEMA, UNSUPPORTED, ApiOperations, Ascii, answers
from secondme.core.api.draft_routes import drafts
from secondme.core.api.events import EventHub, StreamSlots
from secondme.core.api.hook_routes import hooks
from secondme.core.api.job_routes import grants, jobs
from secondme.core.api.memory_routes import memory
from secondme.core.api.metrics import metrics
from secondme.core.api.middleware import Bounded, RequestLimiter
from secondme.core.api.problems import (
    BAD_REQUEST,
    BUG,
    NOT_ALLOWED,
    NOT_FOUND,
    OUT_OF_SCOPE,
    Refusal,
    RouteRefusedError,
    refusal_of,
)
from secondme.core.api.routes import channels, control, pairing
from secondme.core.api.schemas import Problem
from secondme.core.api.scopes import needed
from secondme.core.api.server import Listener, configured, silence
from secondme.core.api.skill_routes import proposals, skills
from secondme.core.api.webhook_routes import webhooks
from secondme.core.errors import SecondmeError
from secondme.core.retry import AttemptLimit
from secondme.core.tokens import NamedTokens
from secondme.core.validation import complaint

if TYPE_CHECKING:
    import socket

    from starlette.requests import Request
    from starlette.responses import Response

    from secondme.core.api.limits import Limits
    from secondme.core.api.listeners import Entrance
    from secondme.core.ports import Clock
    from secondme.core.store.events import EventLog, Follow

_DESCRIPTION = (
    "The control plane of your clone. On its unix socket the file's mode says who may call; on TCP, a bearer token does: "
    "`secondme api token`."
)
_MOST_COMPLAINTS = 3


class WebServer:
    """What answers on the API's sockets: one application, behind a guard for each of them."""

    def __init__(
        self, powers: ApiOperations, clock: Clock, *, follow: Follow, events: EventLog, alarms: Alarms, limits: Limits
    ) -> None:
        """`follow` as `Services.follow`. Takes a tenth of a second: call it in a thread."""
        silence()
        self._clock = clock
        self._alarms = alarms
        self._limits = limits
        self._hub = EventHub(follow, events)
        app = build_app(powers, self._hub, limits, ScopeRefusals(alarms.out_of_scope, clock))
        self.runs: AgentRuns = app.state.runs
        self._app = Bounded(app, limits)

    async def run(self) -> None:
        """Hear what happens, until cancelled."""
        await self._hub.run()

    async def close(self) -> None:
        """What goes on and on has ended: streams, and runs of the clone."""
        self._hub.close()
        await self.runs.close()

    async def serve(self, bound: socket.socket, stop: asyncio.Event, entrance: Entrance) -> None:
        """Answer on this socket until `stop` is set, then end what is under way within two seconds."""
        keys = None
        if entrance.tokens is not None:
            keys = Keys(entrance.tokens.whole, NamedTokens(entrance.tokens.named), self._clock)
        guard = Guard(
            self._app,
            limits=self._limits,
            hosts=entrance.hosts,
            address=entrance.address,
            tokens=keys,
            attempts=AttemptLimit(self._limits.wrong_tokens, self._clock),
            alarm=self._alarms.refused,
        )
        await Listener(configured(RequestLimiter(guard, self._limits), self._limits), stop).serve(sockets=[bound])


def build_app(powers: ApiOperations, hub: EventHub, limits: Limits, refusals: ScopeRefusals) -> FastAPI:
    """The application, for callers that were let through."""
    app = _described()
    app.state.powers = powers
    app.state.hub = hub
    app.state.limits = limits
    app.state.refusals = refusals
    app.state.seats = StreamSlots()
    app.state.runs = AgentRuns()
    return app


def document() -> dict[str, Any]:  # JSON has no closer type
    """The OpenAPI document, without anything that runs."""
    return _document_of(_described())


def _document_of(app: FastAPI) -> dict[str, Any]:  # as above
    found = app.openapi()  # built once, and the same object from then on
    found["components"]["schemas"] |= models_json_schema([(Problem, "serialization")], ref_template=SCHEMA)[1]["$defs"]
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "description": "On TCP only."}}
    found["security"] = [{"token": []}]
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _plain_body(operation)
            scopes = needed(method.upper(), path, operation["tags"])
            operation["security"] = [{"token": [scope.value]} for scope in scopes]
    found["paths"]["/health"]["get"]["security"] = []
    return found


def _plain_body(operation: dict[str, Any]) -> None:
    """A body that may be left out is described as what it is when it is there: clients that are made from the document would send the null of an
    `anyOf` with one, or fail on it. What is no JSON is refused by every route that takes a body."""
    if (wanted := operation.get("requestBody")) is None:
        return
    operation["responses"] = dict(sorted({**operation["responses"], "415": UNSUPPORTED}.items()))
    content = wanted["content"]["application/json"]
    forms = [each for each in content["schema"].get("anyOf", ()) if each != {"type": "null"}]
    if forms:
        kept = {name: value for name, value in content["schema"].items() if name not in {"anyOf", "title"}}
        content["schema"] = forms[0] if len(forms) == 1 else {**kept, "anyOf": forms}


def _described() -> FastAPI:
    app = FastAPI(
        title="secondme",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=None,  # ours is an ordinary route, so that it is described too
        docs_url=None,  # these pages load scripts from another site
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header
        default_response_class=Ascii,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(permitted)],
        exception_handlers={
            SecondmeError: _known,
            RouteRefusedError: _refused,
            RequestValidationError: _unfit,
            HTTPException: _unrouted,
            Exception: _unknown,
        },
    )
    app.include_router(agent)
    app.include_router(pairing)
    app.include_router(control)
    app.include_router(channels)
    app.include_router(conversations)
    app.include_router(drafts)
    app.include_router(skills)
    app.include_router(proposals)
    app.include_router(memory)
    app.include_router(hooks)
    app.include_router(webhooks)
    app.include_router(jobs)
    app.include_router(grants)
    app.include_router(metrics)

    @app.get("/openapi.json", tags=["state"], responses=answers())
    async def openapi() -> dict[str, Any]:  # JSON has no closer type
        """This document."""
        return await asyncio.to_thread(_document_of, app)

    return app


async def _known(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, SecondmeError)
    return _said(refusal_of(error))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RouteRefusedError)
    if error.refusal.code == OUT_OF_SCOPE:
        await request.app.state.refusals.note(caller_of(request), request.scope["route"].path)
    return _said(error.refusal)


async def _unfit(request: Request, error: Exception) -> Response:
    """Says what does not fit and where, and never what was sent: a log of the caller's would keep it."""
    del request
    assert isinstance(error, RequestValidationError)
    complaints = [complaint(_place(each["loc"]), each) for each in error.errors() if each["type"] in _PLAIN]
    message = "; ".join(complaints[:_MOST_COMPLAINTS]) or "The request does not fit its description"
    return _said(Refusal(BAD_REQUEST.status, "invalid_request", f"{message}.", BAD_REQUEST.fix))


async def _unrouted(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            return _said(NOT_FOUND)
        case 405:
            return _said(replace(NOT_ALLOWED, headers=dict(error.headers or {})))
        case _:
            return _said(BAD_REQUEST)


async def _unknown(request: Request, error: Exception) -> Response:
    del request, error  # raised again by the framework, and written down by Front
    return _said(BUG)


def _said(refusal: Refusal) -> Response:
    return Ascii(refusal.to_dict(), status_code=refusal.status, headers=dict(refusal.headers))


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if isinstance(part, int) or part.isidentifier())


_PLAIN = frozenset(
    {
        "bool_type",
        "enum",
        "finite_number",
        "float_type",
        "greater_than_equal",
        "less_than_equal",
        "list_type",
        "literal_error",
        "missing",
        "model_attributes_type",
        "string_too_long",
        "string_type",
        "too_long",
        "too_short",
    }
)
"""Kinds of misfit whose sentence is made of our own words and numbers."""
