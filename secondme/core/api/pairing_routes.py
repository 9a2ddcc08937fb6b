"""`/api/pairing`: who waits at the door, who was let in, and the owner's decisions."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Query

from secondme.core.admit.pairing import Decision
from secondme.core.api.powers import Powers
from secondme.core.api.refusals import refusal_of
from secondme.core.api.routing import Can, Named, answers
from secondme.core.api.shapes import (
    Approval,
    Bulk,
    Decided,
    Denial,
    Edit,
    Invited,
    LetIn,
    LetInList,
    NewInvite,
    People,
    Result,
    Results,
    Trouble,
    TurnedAway,
    TurnedAwayList,
    Waiting,
    WaitingList,
)
from secondme.core.enums import Tier
from secondme.core.errors import BusyError, DataError, NotFoundError, SecondmeError
from secondme.core.records import ApprovedContact

pairing = APIRouter(prefix="/api/pairing", tags=["pairing"])


@pairing.get("", responses=answers(), response_model_exclude_none=True)
async def list_waiting(can: Can) -> WaitingList:
    """Who waits at the door, with the codes they were shown."""
    listing = await can.listing()
    return WaitingList(contacts=[Waiting.of(each) for each in listing.pending], **People.beside(listing))


@pairing.get("/approved", responses=answers(), response_model_exclude_none=True)
async def list_approved(
    can: Can,
    search: Annotated[str, Query(max_length=128, description="Only who has this in name, number or id.")] = "",
    tier: Annotated[Tier | None, Query(description="Only who has this tier.")] = None,
) -> LetInList:
    """Who was let in."""
    listing = await can.listing()
    needle = search.casefold()

    def is_wanted(each: ApprovedContact) -> bool:
        words = (each.display_name or "", each.phone_number, each.contact_id) if needle else ("",)
        return tier in {None, each.tier} and any(needle in word.casefold() for word in words)

    wanted = [LetIn.of(each) for each in listing.approved if is_wanted(each)]
    return LetInList(contacts=wanted, **People.beside(listing))


@pairing.patch("/approved/{contact}", responses=answers(404), response_model_exclude_none=True)
async def edit_approved(can: Can, contact: Named, change: Edit) -> Decided:
    """An approved contact gets another tier or other notes."""
    return Decided.of(await can.owner.edit(contact, tier=change.tier, notes=change.notes))


@pairing.delete("/approved/{contact}", responses=answers(404), response_model_exclude_none=True)
async def revoke(can: Can, contact: Named) -> Decided:
    """An approved contact is not let in any more. What was kept for it is erased."""
    return Decided.of(await can.owner.revoke(contact))


@pairing.get("/denied", responses=answers(), response_model_exclude_none=True)
async def list_denied(can: Can) -> TurnedAwayList:
    """Who was turned away."""
    listing = await can.listing()
    return TurnedAwayList(contacts=[TurnedAway.of(each) for each in listing.denied], **People.beside(listing))


@pairing.delete("/denied/{contact}", responses=answers(404), response_model_exclude_none=True)
async def unblock(can: Can, contact: Named) -> Decided:
    """A denied contact may knock again before its cooldown ends."""
    return Decided.of(await can.owner.unblock(contact))


@pairing.post("/bulk", responses=answers(), response_model_exclude_none=True)
async def decide_many(can: Can, bulk: Bulk) -> Results:
    """One decision about many contacts. One that fails does not keep the others from being decided; when the store fails, the rest is
    not tried."""
    results: list[Result] = []
    down: SecondmeError | None = None
    for reference in bulk.contact_ids:
        if down is None:
            try:
                decision = await _decide(can, bulk, reference)
                results.append(Result(contact_id=decision.contact_id, outcome=decision.outcome))
                continue
            except (BusyError, DataError, NotFoundError) as error:
                results.append(_failed(reference, error))
                continue
            except SecondmeError as error:
                down = error
        results.append(_failed(reference, down))
    return Results(results=results)


@pairing.post("/invites", status_code=201, responses=answers(409), response_model_exclude_none=True)
async def invite(can: Can, wanted: Annotated[NewInvite | None, Body()] = None) -> Invited:
    """A single-use code to hand over yourself."""
    new = wanted or NewInvite()
    return Invited.of(await can.owner.invite(new.name, new.tier, timedelta(minutes=new.ttl_minutes)))


@pairing.post("/{contact}", responses=answers(404, 409), response_model_exclude_none=True)
async def approve(can: Can, contact: Named, how: Annotated[Approval | None, Body()] = None) -> Decided:
    """Who waits under this id or code is let in, and told so."""
    wanted = how or Approval()
    return Decided.of(await can.owner.approve(contact, wanted.tier, wanted.notes))


@pairing.delete("/{contact}", responses=answers(404, 409), response_model_exclude_none=True)
async def deny(can: Can, contact: Named, why: Annotated[Denial | None, Body()] = None) -> Decided:
    """Who waits under this id or code, or was let in, is turned away for the cooldown. What was kept for it is erased."""
    return Decided.of(await can.owner.deny(contact, why.reason if why else ""))


async def _decide(can: Powers, bulk: Bulk, reference: str) -> Decision:
    match bulk.action:
        case "approve":
            return await can.owner.approve(reference, bulk.tier, bulk.notes)
        case "deny":
            return await can.owner.deny(reference, bulk.reason)


def _failed(reference: str, error: SecondmeError) -> Result:
    said = refusal_of(error)
    return Result(contact_id=reference, error=Trouble(code=said.code, message=said.message, fix=said.fix))
