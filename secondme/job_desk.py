"""What jobs are made of in a home: the desk where the owner steers them, and the worker that carries them out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.ids import ContactId, new_id
from secondme.core.jobs.desk import JobDesk, ProgramDesk, ready_job
from secondme.core.jobs.facts import Household
from secondme.core.jobs.records import JobRecord
from secondme.core.jobs.runner import JobPowers, JobWorker
from secondme.core.jobs.schedule import CallSchedule
from secondme.core.jobs.timekeeper import Timekeeper
from secondme.core.reply.store import JOBS
from secondme.core.send.pacing import SleepSchedule
from secondme.core.tools.reminders import ReminderSource
from secondme.stores import time_zone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from secondme.core.clock import SystemClock
    from secondme.core.gateway.status import SystemStatus
    from secondme.core.jobs.schedule import TriggerSchedule
    from secondme.core.messages import OwnerAddress
    from secondme.core.ports import Model
    from secondme.core.records import ApprovedContact
    from secondme.core.reply.owner_turn import OwnerAnswer, OwnerTurn
    from secondme.services import Services

_NEAR_CAP = 0.8
_DEAF_S = 900
_MOST_QUIET = 100
_CHATS_S = 5.0


def job_desk(services: Services) -> JobDesk:
    """Where the owner steers jobs."""
    zone = str(time_zone(services.settings))
    return JobDesk(services.jobs, services.security, zone, services.by)


def timekeeper(services: Services, name: str, asking: Callable[[], AbstractAsyncContextManager[OwnerTurn]]) -> Timekeeper:
    """What runs jobs in time; `asking` opens the clone for one question."""
    return Timekeeper(services.jobs, job_worker(services, asking), services.security, name, services.clock)


def asking(services: Services, model: Model) -> Callable[[], AbstractAsyncContextManager[OwnerTurn]]:
    """The clone as jobs ask it: without tools, once, and with a purse of its own inside the day's."""
    from secondme.core.reply.budget import Budget  # noqa: PLC0415  who only steers jobs asks nobody

    settings = services.settings
    budget = Budget(model, services.spending, settings.budget, settings.model, services.clock, settings.jobs)

    @asynccontextmanager
    async def ask() -> AsyncIterator[OwnerTurn]:
        turn = services.owner_turn(model)
        turn.ask_once(budget, JOBS)
        yield turn

    return ask


def job_worker(services: Services, asking: Callable[[], AbstractAsyncContextManager[OwnerTurn]]) -> JobWorker:
    """What carries jobs out."""
    settings = services.settings
    night = SleepSchedule(settings.sleep)

    async def answer(job: JobRecord) -> OwnerAnswer:
        async with asking() as clone:
            return await clone.answer(job.text, thinking=job.thinking, persona=job.persona)

    async def write_to(contact: ApprovedContact, job: JobRecord) -> OwnerAnswer:
        async with asking() as clone:
            return await clone.write_to(contact, job.text, thinking=job.thinking)

    powers = JobPowers(
        chats=_remembered(services.own_chats, services.clock),
        contacts=lambda: _approved(services),
        household=lambda days: _household(services, days),
        drafts=lambda: _drafts(services),
        birthdays=services.occasions.birthdays,
        promises=services.occasions.promises,
        causes=lambda trigger: _causes(services, trigger, night),
        findings=lambda: _findings(services),
        last_written=lambda contacts: _last_written(services, contacts),
        answer=answer,
        write_to=write_to,
        until_awake_s=services.until_awake_s,
        awake_for=night.awake_for,
    )
    return JobWorker(services.jobs, services.history, powers, settings.jobs, time_zone(settings), services.security)


def _remembered(
    chats: Callable[[], Awaitable[Sequence[OwnerAddress]]], clock: SystemClock
) -> Callable[[], Awaitable[Sequence[OwnerAddress]]]:
    """The owner's chats, looked up once for all jobs that are due together: it is a look at everything. That there is none is not remembered."""
    known: Sequence[OwnerAddress] = ()
    until = 0.0

    async def look() -> Sequence[OwnerAddress]:
        nonlocal known, until
        if not known or clock.monotonic() >= until:
            known = await chats()
            until = clock.monotonic() + _CHATS_S
        return known

    return look


async def _approved(services: Services) -> Sequence[ApprovedContact]:
    return (await services.listing()).approved


async def _last_written(services: Services, contacts: Sequence[ContactId]) -> dict[ContactId, datetime]:
    found = {contact: await services.style.own(contact) for contact in contacts[:_MOST_QUIET]}
    return {contact: max(message.at for message in own) for contact, own in found.items() if own}


async def _drafts(services: Services) -> dict[str, int]:
    counts: dict[str, int] = {}
    for draft in (await services.drafts.waiting())[0]:
        counts[draft.contact_id] = counts.get(draft.contact_id, 0) + 1
    return counts


async def _household(services: Services, days: int) -> Household:
    status = await services.status()
    spent = await services.spending.account(status.at_ms, days, [])
    return Household(
        drafts=sum((await _drafts(services)).values()),
        waiting=status.pairing.pending,
        dead=status.backlog.dead,
        micros=sum(day.micros for day in spent.days.values()),
        channels=_deaf(status),
    )


def _deaf(status: SystemStatus) -> list[str]:
    """Sentences about channels that hear nobody for a while."""
    told = []
    for channel in status.channels:
        away_ms = status.at_ms - (channel.since_ms or status.at_ms)
        if not channel.is_well and (channel.state == "needs_owner" or away_ms > _DEAF_S * 1000):
            told.append(
                f"{channel.title or channel.id} hears nobody: {channel.state.replace('_', ' ')}. secondme channels status {channel.id}"
            )
    return told


async def _findings(services: Services) -> list[str]:
    """What is not well and only the owner can mend."""
    status = await services.status()
    found = _deaf(status)
    if not status.can_write:
        found.append("The store takes nothing new: is the disk full? secondme doctor")
    if status.unreadable:
        found.append("Some records cannot be read. secondme doctor")
    if status.cap_usd and status.glance.today_micros >= _NEAR_CAP * status.cap_usd * 1_000_000:
        found.append(f"More than {_NEAR_CAP:.0%} of today's budget is spent. secondme usage")
    outages, _ = await services.outages.look()
    found += [f"{outage.message} {outage.fix}".strip() for outage in outages.values()]
    return found


async def _causes(services: Services, trigger: TriggerSchedule, night: SleepSchedule) -> set[str]:
    """Everything that the trigger waits for and that is so now."""
    now = from_ms(await services.jobs.now_ms())
    since = now - timedelta(hours=trigger.amount)
    match trigger.name:
        case "draft_waiting":
            return {draft.id for draft in (await services.drafts.waiting())[0] if draft.held_at < since}
        case "pairing_waiting":
            return {
                f"{each.contact_id}@{int(each.requested_at.timestamp())}"
                for each in (await services.listing()).pending
                if each.requested_at < since
            }
        case "budget":
            status = await services.status()
            is_near = status.cap_usd and status.glance.today_micros >= trigger.amount / 100 * status.cap_usd * 1_000_000
            return {f"budget@{now:%Y-%m-%d}"} if is_near else set()
        case "channel_deaf":
            status = await services.status()
            away = [each for each in status.channels if not each.is_well and each.since_ms and from_ms(each.since_ms) < since]
            return {f"{each.id}@{each.since_ms}" for each in away}
        case "owed" | "unanswered":
            return await _silences(services, trigger, night, now)


async def _silences(services: Services, trigger: TriggerSchedule, night: SleepSchedule, now: datetime) -> set[str]:
    """Messages that nobody answered: the contacts' by the owner, or the owner's by a contact."""
    wanted = "incoming" if trigger.name == "owed" else "fromMe"
    contacts = [ContactId(each.contact_id) for each in await _approved(services)]
    least, found = timedelta(hours=trigger.amount), set()
    for turns in (await services.history.since(contacts, now - timedelta(days=7))).values():
        newest = turns[-1] if turns else None
        if newest is not None and newest.type == wanted:
            waited = night.awake_for(newest.timestamp, now) if wanted == "incoming" else now - newest.timestamp
            if waited >= least:
                found.add(newest.id.replace(" ", "_"))
    return found


async def preview(services: Services, job: str) -> str:
    """What a ready-made job would tell now, whether it is on or not; empty for nothing. No model is asked."""
    ready = ready_job(job)
    now = from_ms(await services.jobs.now_ms())
    wanted = JobRecord(
        id=ready.id,
        name=ready.title,
        kind=ready.kind,
        schedule=CallSchedule(zone="UTC"),
        grace_s=0,
        origin="ready",
        created_at=now,
        edited_at=now,
    )
    return (await job_worker(services, _nobody).report(wanted, now)).text


async def run_now(services: Services, job: str) -> str:
    """What came of running it at once, as `Timekeeper.run_now`; the clone is asked with a connection of its own."""
    from secondme.core.providers.claude import Claude  # noqa: PLC0415  as above

    claude = Claude(services.settings.model)
    try:
        keeper = timekeeper(services, new_id()[:8], asking(services, claude))
        return await keeper.run_now(await services.jobs.read(job))
    finally:
        await claude.close()


def _nobody() -> AbstractAsyncContextManager[OwnerTurn]:
    raise AssertionError("A report is made without a model.")


def reminder_source(services: Services) -> ReminderSource:
    """What skills may do about reminders."""
    desk = JobDesk(services.jobs, services.security, str(time_zone(services.settings)), "skill")

    async def remind(when: str, text: str) -> str:
        moment = await desk.moment(when)
        await desk.remind_at(moment, text)
        return moment.in_words(from_ms(await services.jobs.now_ms()))

    async def coming() -> list[tuple[str, str]]:
        zone = time_zone(services.settings)
        views = [view for view in await desk.all() if view.job.kind == "say" and view.next_at]
        ordered = sorted(views, key=lambda view: view.next_at or from_ms(0))
        return [(f"{view.next_at.astimezone(zone):%Y-%m-%d %H:%M}", view.job.text[:200]) for view in ordered if view.next_at]

    return ReminderSource(remind, coming)


def program_desk(services: Services, by: str) -> ProgramDesk:
    """Where programs steer jobs."""
    return ProgramDesk(services.jobs, services.security, str(time_zone(services.settings)), by)
