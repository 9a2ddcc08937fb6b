"""`/api/pause`, `/api/kill`: what stops the clone. `/api/status`, `/health`, `/api/events`: how it is."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request
from starlette.responses import Response

from secondme.core.api.front import EVENTS_PATH
from secondme.core.api.routing import Ascii, Can, Named, answers
from secondme.core.api.shapes import HowLong
from secondme.core.api.states import AllPauses, ContactPause, Health, KillSwitch, Status, Steered, Stopped
from secondme.core.api.stream import EventStream
from secondme.core.clock import from_ms

control = APIRouter()

_How = Annotated[HowLong | None, Body()]


@control.get("/api/pause", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def list_pauses(can: Can) -> AllPauses:
    """Who is not answered."""
    pauses = await can.steering.pauses()
    stopped = pauses.everybody
    return AllPauses(
        everybody=None
        if stopped is None
        else Stopped(
            since=from_ms(stopped.since_ms), until=from_ms(stopped.until_ms) if stopped.until_ms else None, killed=stopped.killed
        ),
        contacts=[ContactPause.of(contact, pause) for contact, pause in pauses.contacts.items()],
    )


@control.post("/api/pause", tags=["control"], responses=answers(409), response_model_exclude_none=True)
async def pause_everybody(can: Can, how: _How = None) -> Steered:
    """Nobody is answered, for some minutes or until resumed. Waiting replies become drafts."""
    await can.steering.pause(None, _length(how))
    return Steered(contact="ALL", outcome="paused")


@control.delete("/api/pause", tags=["control"], responses=answers(409), response_model_exclude_none=True)
async def resume_everybody(can: Can) -> Steered:
    """Everybody is answered again. The kill switch stays."""
    return Steered(contact="ALL", outcome=await can.steering.resume(None))


@control.get("/api/pause/{contact}", tags=["control"], responses=answers(404), response_model_exclude_none=True)
async def show_pause(can: Can, contact: Named) -> ContactPause:
    """Whether an approved contact is paused, and why."""
    return ContactPause.of(contact, await can.steering.contact_pause(contact))


@control.post("/api/pause/{contact}", tags=["control"], responses=answers(404), response_model_exclude_none=True)
async def pause_contact(can: Can, contact: Named, how: _How = None) -> Steered:
    """An approved contact is not answered, for some minutes or until resumed."""
    await can.steering.pause(contact, _length(how))
    return Steered(contact=contact, outcome="paused")


@control.delete("/api/pause/{contact}", tags=["control"], responses=answers(404), response_model_exclude_none=True)
async def resume_contact(can: Can, contact: Named) -> Steered:
    """A contact is answered again."""
    return Steered(contact=contact, outcome=await can.steering.resume(contact))


@control.get("/api/kill", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def show_kill_switch(can: Can) -> KillSwitch:
    """Whether the kill switch is on."""
    stopped = await can.everybody()
    if stopped is None or not stopped.killed:
        return KillSwitch(killed=False)
    return KillSwitch(killed=True, since=from_ms(stopped.since_ms))


@control.post("/api/kill", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def kill(can: Can) -> KillSwitch:
    """Nothing is sent to anybody until DELETE /api/kill."""
    await can.steering.kill()
    return KillSwitch(killed=True)


@control.delete("/api/kill", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def unkill(can: Can) -> KillSwitch:
    """The kill switch is off, and so is a pause of everybody."""
    await can.steering.unkill()
    return KillSwitch(killed=False)


@control.get("/api/status", tags=["state"], responses=answers(), response_model=Status)
async def status(can: Can) -> Any:  # JSON values, described by Status
    """How things stand: what `secondme status --json` has in `data`."""
    return (await can.overview()).to_dict()


@control.get(
    "/health",
    tags=["state"],
    response_model=Health,
    responses={**answers(), 503: {"model": Health, "description": "The store does not answer, or the gateway stops."}},
)
async def health(can: Can) -> Response:
    """Whether the gateway can work. The only route that needs no token."""
    store, stopping = await can.pulse.beats(), can.is_stopping()
    is_well = store and not stopping
    channels = dict(can.channels())
    works = "ok" if all(state == "connected" for state in channels.values()) else "degraded"
    said = Health(
        status=works if is_well else "unavailable",
        store="ok" if store else "down",
        gateway="stopping" if stopping else "ready",
        channels=channels,
    )
    return Ascii(said.model_dump(), status_code=200 if is_well else 503)


@control.get(
    EVENTS_PATH,
    tags=["state"],
    response_class=Response,
    responses={
        **answers(),
        200: {
            "description": "Server-sent events of pairing, pause, queue, security and status. `reset`: something may have been missed, "
            "read the lists again.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
)
async def events(
    request: Request,
    last_event_id: Annotated[
        str | None, Header(max_length=128, description="The id of the last event you have: go on after it.")
    ] = None,
) -> Response:
    """What happens, as it happens. Codes are masked."""
    state = request.app.state
    return EventStream(state.hub, state.seats, state.limits, last_event_id)


def _length(how: HowLong | None) -> timedelta | None:
    return timedelta(minutes=how.minutes) if how is not None and how.minutes is not None else None
