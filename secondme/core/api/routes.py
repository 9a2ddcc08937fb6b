"""The routes: pairing, channels, pauses and the kill switch, status, health and events."""

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Query, Request
from starlette.responses import Response

from secondme.core.admit.pairing import Decision
from secondme.core.admit.pairing_store import PairingStore, Person
from secondme.core.api import schemas
from secondme.core.api.auth import lasting
from secondme.core.api.dependencies import ApiOperations, Ascii, Can, Named, answers
from secondme.core.api.events import EventStream
from secondme.core.api.middleware import EVENTS_PATH
from secondme.core.api.problems import Refusal, RouteRefusedError, refusal_of
from secondme.core.clock import from_ms
from secondme.core.enums import State, Tier
from secondme.core.errors import BusyError, ConfigError, DataError, NotFoundError, SecondmeError
from secondme.core.gateway.channel_supervisor import ChannelSupervisor
from secondme.core.gateway.lifecycle import Lifecycle
from secondme.core.gateway.status import StatusReport
from secondme.core.ids import contact_id

pairing = APIRouter(prefix="/api/pairing", tags=["pairing"])


_Limit = Annotated[int | None, Query(ge=1, le=500, description="At most so many; everybody without it.")]
_After = Annotated[str, Query(max_length=160, description="`following` of the page before.")]


@pairing.get("", responses=answers(), response_model=schemas.PendingList)
async def list_pending(can: Can, limit: _Limit = None, after: _After = "") -> Response:
    """Who waits, with the codes they were shown."""
    return await _listed(can.people, State.PENDING, schemas.Pending, lambda _: True, limit, after)


@pairing.get("/approved", responses=answers(), response_model=schemas.ApprovedList)
async def list_approved(  # the query
    can: Can,
    search: Annotated[str, Query(max_length=128, description="Only who has this in name, number or id.")] = "",
    tier: Annotated[Tier | None, Query(description="Only who has this tier.")] = None,
    limit: _Limit = None,
    after: _After = "",
) -> Response:
    """Who was approved."""
    needle = search.casefold()

    def is_wanted(each: Person) -> bool:
        words = (each.display_name or "", each.phone_number, each.contact_id) if needle else ("",)
        return tier in {None, getattr(each, "tier", None)} and any(needle in word.casefold() for word in words)

    return await _listed(can.people, State.APPROVED, schemas.Approved, is_wanted, limit, after)


@pairing.patch("/approved/{contact}", responses=answers(404), response_model_exclude_none=True)
async def edit_approved(can: Can, contact: Named, change: schemas.Edit) -> schemas.Decided:
    """An approved contact gets another tier or other notes."""
    decided = schemas.Decided.of(await can.pairing.edit(contact, tier=change.tier, notes=change.notes))
    now = await can.people.approved(contact_id(contact))
    return decided if now is None else decided.model_copy(update={"notes": now.notes or None})


@pairing.delete("/approved/{contact}", responses=answers(404), response_model_exclude_none=True)
async def revoke(can: Can, contact: Named) -> schemas.Decided:
    """An approved contact is not approved any more. What was kept for it is erased."""
    return schemas.Decided.of(await can.pairing.revoke(contact))


@pairing.get("/denied", responses=answers(), response_model=schemas.DeniedList)
async def list_denied(can: Can, limit: _Limit = None, after: _After = "") -> Response:
    """Who was denied."""
    return await _listed(can.people, State.DENIED, schemas.Denied, lambda _: True, limit, after)


@pairing.delete("/denied/{contact}", responses=answers(404), response_model_exclude_none=True)
async def unblock(can: Can, contact: Named) -> schemas.Decided:
    """A denied contact is unblocked before its cooldown ends."""
    return schemas.Decided.of(await can.pairing.unblock(contact))


@pairing.post("/bulk", responses=answers(), response_model_exclude_none=True)
async def decide_many(can: Can, bulk: schemas.Bulk) -> schemas.Results:
    """One decision about many contacts. One that fails does not keep the others from being decided; when the store fails, the rest is
    not tried."""
    results: list[schemas.Result] = []
    down: SecondmeError | None = None
    for reference in bulk.contact_ids:
        if down is None:
            try:
                decision = await _decide(can, bulk, reference)
                results.append(schemas.Result(contact_id=decision.contact_id, outcome=decision.outcome))
                continue
            except (BusyError, DataError, NotFoundError) as error:
                results.append(_failed(reference, error))
                continue
            except SecondmeError as error:
                down = error
        results.append(_failed(reference, down))
    return schemas.Results(results=results)


_Invite = Annotated[str, Path(alias="invite", min_length=6, max_length=6, pattern="^[0-9]{6}$", examples=["123456"])]


@pairing.get("/invites", responses=answers(), response_model_exclude_none=True)
async def list_invites(can: Can) -> schemas.InviteList:
    """Every invite that nobody used, the one that ends first first, with its code and the links that hand it over."""
    invites, corrupt = await can.pairing.invites()
    state = await can.status() if invites else None
    links = {each.code: state.invite_links(each.code) for each in invites} if state is not None else {}
    return schemas.InviteList(
        invites=[schemas.Invited.of(each, links[each.code]) for each in invites],
        errors=[schemas.Trouble.of(error) for error in corrupt],
    )


@pairing.post("/invites", status_code=201, responses=answers(409), response_model_exclude_none=True)
async def invite(can: Can, wanted: Annotated[schemas.NewInvite | None, Body()] = None) -> schemas.Invited:
    """A single-use code to hand over yourself, or the link that types it."""
    new = wanted or schemas.NewInvite()
    made = await can.pairing.invite(new.name, new.tier, timedelta(minutes=new.ttl_minutes))
    return schemas.Invited.of(made, (await can.status()).invite_links(made.code))


@pairing.delete("/invites/{invite}", responses=answers(404))
async def cancel_invite(can: Can, invite: _Invite) -> schemas.InviteCancelled:
    """An unused invite opens nothing any more."""
    await can.pairing.cancel_invite(invite)
    return schemas.InviteCancelled(code=invite)


@pairing.post("/{contact}", responses=answers(404, 409), response_model_exclude_none=True)
async def approve(can: Can, contact: Named, how: Annotated[schemas.Approval | None, Body()] = None) -> schemas.Decided:
    """Who waits under this id or code is approved, and told so. By the whole id also who never asked, and is told nothing."""
    wanted = how or schemas.Approval()
    return schemas.Decided.of(await can.pairing.approve(contact, wanted.tier, wanted.notes, can.look_up))


@pairing.delete("/{contact}", responses=answers(404, 409), response_model_exclude_none=True)
async def deny(can: Can, contact: Named, why: Annotated[schemas.Denial | None, Body()] = None) -> schemas.Decided:
    """Who waits under this id or code, or was approved, is denied for the cooldown. What was kept for it is erased."""
    return schemas.Decided.of(await can.pairing.deny(contact, why.reason if why else ""))


async def _listed(
    people: PairingStore,
    state: State,
    shape: type[schemas.Person],
    is_wanted: Callable[[Person], bool],
    limit: int | None,
    after: str,
) -> Response:
    """The answer of a list, put together piece by piece: ten thousand people in one piece would keep everybody else waiting."""
    totals, corrupt, following = await people.totals(), [], ""
    pieces: list[bytes] = []
    if limit is None:
        async for found in people.slices(state, after):
            corrupt += found.corrupt
            pieces.append(_shaped(shape, [person for _, person in found.entries if is_wanted(person)]))
    else:
        page = await people.page(state, is_wanted, limit=limit, after=after)
        corrupt, following = page.corrupt, page.following
        pieces.append(_shaped(shape, page.people))
    beside: dict[str, object] = {
        "errors": [schemas.Trouble.of(error).model_dump(by_alias=True) for error in corrupt],
        "stats": totals,
    }
    if following:
        beside["following"] = following
    body = b'{"contacts":[' + b",".join(piece for piece in pieces if piece) + b"]," + Ascii(beside).body[1:]
    return Response(body, media_type=Ascii.media_type)


def _shaped(shape: type[schemas.Person], people: Sequence[Person]) -> bytes:
    """These people as JSON, with commas between them."""
    return bytes(Ascii([shape.of(each).model_dump(mode="json", by_alias=True, exclude_none=True) for each in people]).body[1:-1])


async def _decide(can: ApiOperations, bulk: schemas.Bulk, reference: str) -> Decision:
    match bulk.action:
        case "approve":
            return await can.pairing.approve(reference, bulk.tier, bulk.notes, can.look_up)
        case "deny":
            return await can.pairing.deny(reference, bulk.reason)


def _failed(reference: str, error: SecondmeError) -> schemas.Result:
    said = refusal_of(error)
    return schemas.Result(contact_id=reference, error=schemas.Trouble(code=said.code, message=said.message, fix=said.fix))


channels = APIRouter(prefix="/api/channels", tags=["channels"])

_Channel = Annotated[str, Path(alias="channel", min_length=2, max_length=32, pattern="^[a-z][a-z0-9_]+$", examples=["telegram"])]


@channels.get("", responses=answers())
async def list_channels(can: Can) -> schemas.ChannelList:
    """Every channel there is, with its state and what passed through it since its gateway started."""
    return schemas.ChannelList(channels=[facts.report() for facts in (await can.status()).channels])


@channels.post("/{channel}/pause", responses=answers(404))
async def pause_channel(can: Can, channel: _Channel) -> schemas.ChannelSteered:
    """Nobody on this channel is answered until resumed; what they write is kept."""
    await _known(can, channel)
    await can.pauses.pause_channel(channel)
    return schemas.ChannelSteered(id=channel, outcome="paused")


@channels.post("/{channel}/resume", responses=answers(404))
async def resume_channel(can: Can, channel: _Channel) -> schemas.ChannelSteered:
    """This channel's contacts are answered again."""
    await _known(can, channel)
    return schemas.ChannelSteered(id=channel, outcome=await can.pauses.resume_channel(channel))


@channels.post("/{channel}/connect", responses=answers(404, 409))
async def connect_channel(can: Can, channel: _Channel) -> schemas.ChannelSteered:
    """The channel is started; one that runs is started anew, and one that is not linked is refused. Linking itself needs the terminal."""
    await _known(can, channel)
    if not await asyncio.to_thread(can.is_linked, channel):
        raise BusyError("not_linked", "The channel is not linked.", f"secondme channels connect {channel}")
    await can.pauses.connect_channel(channel, on=True)
    return schemas.ChannelSteered(id=channel, outcome="starting")


@channels.post("/{channel}/disconnect", responses=answers(404))
async def disconnect_channel(can: Can, channel: _Channel) -> schemas.ChannelSteered:
    """The channel does not run until connected again."""
    await _known(can, channel)
    await can.pauses.connect_channel(channel, on=False)
    return schemas.ChannelSteered(id=channel, outcome="disconnected")


@channels.get("/{channel}/contacts", responses=answers(404, 409))
async def read_address_book(can: Can, channel: _Channel) -> schemas.AddressBook:
    """The owner's address book on this channel, read now; empty where the platform has none. 409 while it is not connected."""
    book = await _book_of(can, channel).contacts()
    return schemas.AddressBook(contacts=[schemas.AddressBookEntry.model_validate(each, from_attributes=True) for each in book])


@channels.get("/{channel}/contacts/{contact}", responses=answers(404, 409))
async def read_address_book_entry(can: Can, channel: _Channel, contact: Named) -> schemas.AddressBookEntry:
    """What the platform says of one contact, in the address book or not. 409 while the channel is not connected."""
    found = await _book_of(can, channel).contact(contact_id(contact))
    if found is None:
        raise NotFoundError("unknown_contact", "The platform knows nobody of this id.")
    return schemas.AddressBookEntry.model_validate(found, from_attributes=True)


def _book_of(can: Can, channel: str) -> ChannelSupervisor:
    supervisor = can.address_book(channel)
    if supervisor is None:
        raise NotFoundError("unknown_channel", "There is no channel called that.", "secondme channels list")
    if not supervisor.is_open:
        raise BusyError("not_connected", f"{supervisor.manifest.title} is not connected.", "secondme channels list")
    return supervisor


async def _known(can: Can, channel: str) -> None:
    if channel not in {facts.id for facts in (await can.status()).channels}:
        raise NotFoundError("unknown_channel", "There is no channel called that.", "secondme channels list")


control = APIRouter()

_How = Annotated[schemas.HowLong | None, Body()]


@control.get("/api/pause", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def list_pauses(can: Can) -> schemas.AllPauses:
    """Who is not answered."""
    pauses = await can.pauses.pauses()
    return schemas.AllPauses(
        everybody=schemas.Stopped.of(pauses.everybody),
        contacts=[schemas.ContactPause.of(contact, pause) for contact, pause in pauses.contacts.items()],
    )


@control.post("/api/pause", tags=["control"], responses=answers(409), response_model_exclude_none=True)
async def pause_everybody(can: Can, how: _How = None) -> schemas.EverybodySteered:
    """Nobody is answered, for some minutes or until resumed. Waiting replies become drafts."""
    await can.pauses.pause(None, _length(how))
    return schemas.EverybodySteered(outcome="paused", everybody=schemas.Stopped.of(await can.everybody()))


@control.delete("/api/pause", tags=["control"], responses=answers(409), response_model_exclude_none=True)
async def resume_everybody(can: Can) -> schemas.EverybodySteered:
    """Everybody is answered again. The kill switch stays."""
    outcome = await can.pauses.resume(None)
    return schemas.EverybodySteered(outcome=outcome, everybody=schemas.Stopped.of(await can.everybody()))


@control.get("/api/pause/{contact}", tags=["control"], responses=answers(404), response_model_exclude_none=True)
async def show_pause(can: Can, contact: Named) -> schemas.ContactPause:
    """Whether an approved contact is paused, and why."""
    return schemas.ContactPause.of(contact, await can.pauses.contact_pause(contact))


@control.post("/api/pause/{contact}", tags=["control"], responses=answers(404), response_model_exclude_none=True)
async def pause_contact(can: Can, contact: Named, how: _How = None) -> schemas.ContactSteered:
    """An approved contact is not answered, for some minutes or until resumed."""
    await can.pauses.pause(contact, _length(how))
    now = schemas.ContactPause.of(contact, await can.pauses.contact_pause(contact))
    return schemas.ContactSteered(**dict(now), contact=contact, outcome="paused")


@control.delete("/api/pause/{contact}", tags=["control"], responses=answers(404), response_model_exclude_none=True)
async def resume_contact(can: Can, contact: Named) -> schemas.ContactSteered:
    """A contact is answered again."""
    outcome = await can.pauses.resume(contact)
    return schemas.ContactSteered(contact_id=contact, paused=False, contact=contact, outcome=outcome)


@control.get("/api/kill", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def show_kill_switch(can: Can) -> schemas.KillSwitch:
    """Whether the kill switch is on."""
    stopped = await can.everybody()
    if stopped is None or not stopped.killed:
        return schemas.KillSwitch(killed=False)
    return schemas.KillSwitch(killed=True, since=from_ms(stopped.since_ms))


@control.post("/api/kill", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def kill(can: Can) -> schemas.KillSwitch:
    """Nothing is sent to anybody until DELETE /api/kill."""
    await can.pauses.kill()
    return await show_kill_switch(can)


@control.delete("/api/kill", tags=["control"], responses=answers(), response_model_exclude_none=True)
async def unkill(can: Can) -> schemas.KillSwitch:
    """The kill switch is off, and so is a pause of everybody."""
    await can.pauses.unkill()
    return await show_kill_switch(can)


@control.get("/api/status", tags=["state"], responses=answers())
async def status(can: Can) -> StatusReport:
    """How things stand: what `secondme status --json` has in `data`."""
    return (await can.status()).report()


@control.post("/api/reload", tags=["state"], responses=answers(409))
async def reload_settings(can: Can) -> schemas.SettingsReloaded:
    """This gateway takes over what it can of settings that were changed. 409 while they cannot be read; then nothing changes."""
    try:
        found = await _lifecycle(can).reload()
    except ConfigError as error:
        raise RouteRefusedError(_in_the_way(error)) from error
    return schemas.SettingsReloaded(taken=list(found.taken), waiting=list(found.waiting))


@control.post("/api/restart", tags=["state"], status_code=202, responses=answers(409))
async def restart_gateway(can: Can) -> schemas.GatewayRestarted:
    """This gateway ends in order and starts anew, with the settings as they are now. 409 for settings it could not start with; then it goes
    on as before."""
    try:
        return schemas.GatewayRestarted(outcome=await _lifecycle(can).restart(), pid=os.getpid())
    except ConfigError as error:
        raise RouteRefusedError(_in_the_way(error)) from error


def _lifecycle(can: ApiOperations) -> Lifecycle:
    if can.lifecycle is None:
        raise BusyError("not_steered", "This process cannot be asked that.", "secondme restart")
    return can.lifecycle


def _in_the_way(error: ConfigError) -> Refusal:
    """What the owner wrote is in the way, and no bug of ours."""
    return Refusal(409, error.code, error.message, error.fix)


@control.get(
    "/health",
    tags=["state"],
    response_model=schemas.Health,
    responses={**answers(), 503: {"model": schemas.Health, "description": "The store does not answer, or the gateway stops."}},
)
async def health(can: Can) -> Response:
    """Whether the gateway can work. The only route that needs no token."""
    store, stopping = await can.pulse.beats(), can.is_stopping()
    is_well = store and not stopping
    channels = dict(can.channels())
    works = "ok" if all(state == "connected" for state in channels.values()) else "degraded"
    said = schemas.Health(
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
    return EventStream(state.hub, state.seats, state.limits, last_event_id, lasting(request))


def _length(how: schemas.HowLong | None) -> timedelta | None:
    return timedelta(minutes=how.minutes) if how is not None and how.minutes is not None else None
