"""The routes of jobs, and of who may be written to unasked. Whole ids only; what a job writes for a contact is a draft unless a grant says otherwise."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal, Self

from fastapi import APIRouter, Body, Depends, Header, Path, Request
from pydantic import Field

from secondme.core.api import schemas
from secondme.core.api.auth import caller_of
from secondme.core.api.dependencies import ApiOperations, Can, Named, answers
from secondme.core.errors import DataError, NotFoundError
from secondme.core.ids import ContactId
from secondme.core.jobs.desk import JobWish, ProgramDesk, coming
from secondme.core.jobs.records import SELF, JobKind, JobRun, JobView
from secondme.core.jobs.schedule import Schedule
from secondme.core.records import CamelModel

if TYPE_CHECKING:
    from secondme.core.records import ApprovedContact

jobs = APIRouter(prefix="/api/jobs", tags=["jobs"])
grants = APIRouter(prefix="/api/grants", tags=["grants"])

_LONGEST_S = 366 * 86_400
_LINE = Field(min_length=1, max_length=200)
_WORDS = Field(min_length=1, max_length=4_000)
_Job = Annotated[str, Path(alias="job", min_length=1, max_length=32, pattern="^[0-9a-z]+$", examples=["3f2a9c01"])]
_Category = Literal["greet", "followup"]
_MANY_TIMES = "Send one of cron, everySeconds, at, when and onCall."


class NewJob(schemas.RequestBody):
    """A job: when it comes (exactly one of `cron`, `everySeconds`, `at`, `when`, `onCall`), and what it does (one of `say`, `ask`, `write`)."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    cron: Annotated[str, _LINE] | None = None
    """Five fields: minute, hour, day, month, weekday."""
    every_seconds: Annotated[int, Field(strict=True, ge=1, le=_LONGEST_S)] | None = None
    at: Annotated[str, _LINE] | None = None
    """Once: RFC 3339, or as people say it (`tomorrow 9:00`)."""
    when: Annotated[str, _LINE] | None = None
    """When something is so: `owed 6h`, `budget 80`."""
    on_call: bool = False
    """Only when it is run."""
    zone: Annotated[str, Field(max_length=64, examples=["Europe/Berlin"])] = ""
    """Yours when it is left out."""
    say: Annotated[str, _WORDS] | None = None
    """Tells you these words."""
    ask: Annotated[str, _WORDS] | None = None
    """Asks the clone, and tells you its answer."""
    write: Annotated[str, _WORDS] | None = None
    """Has it write to the contact in `to`."""
    to: Annotated[str, Field(max_length=128, examples=["self", "491512345678@c.us"])] = SELF
    until: Annotated[str, _LINE] | None = None
    loud: bool = False
    """Tells you at night too."""

    def wish(self) -> JobWish:
        """As the desk takes it; `to` is looked at elsewhere. Raises DataError for one that says too much or too little."""
        said: dict[JobKind, str | None] = {"say": self.say, "ask": self.ask, "write": self.write}
        texts = [(kind, text) for kind, text in said.items() if text is not None]
        if len(texts) != 1:
            raise DataError("no_words", "It does not say what the job does.", "Send one of say, ask and write.")
        if sum(each is not None for each in (self.cron, self.every_seconds, self.at, self.when)) + self.on_call != 1:
            raise DataError("no_schedule", "It does not say when the job comes.", _MANY_TIMES)
        (kind, text), every = texts[0], self.every_seconds
        if (kind == "write") != (self.to != SELF):
            raise DataError(
                "wrong_target", "That is not for this target.", "write goes with a contact's id in to; say and ask are for you."
            )
        return JobWish(
            self.name,
            kind,
            cron=self.cron or "",
            every=None if every is None else timedelta(seconds=every),
            at=self.at or "",
            when=self.when or "",
            on_call=self.on_call,
            zone=self.zone,
            target=self.to,
            text=text,
            loud=self.loud,
            until=self.until or "",
        )


class JobChange(schemas.RequestBody):
    """What changes about a job; what is left out stays. For whom it is never changes."""

    name: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    text: Annotated[str, _WORDS] | None = None
    cron: Annotated[str, _LINE] | None = None
    every_seconds: Annotated[int, Field(strict=True, ge=1, le=_LONGEST_S)] | None = None
    at: Annotated[str, _LINE] | None = None
    zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class ReadyChoice(schemas.RequestBody):
    """Another time than its usual one."""

    cron: Annotated[str, _LINE] | None = None
    zone: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class JobRunShape(CamelModel):
    """What became of one occurrence. No words are kept of it."""

    occurrence: schemas.Moment
    at: schemas.Moment
    outcome: str
    """`sent`, `queued`, `draft`, `nothing`, `failed`, `missed`, ... as `secondme jobs runs --json`."""
    why: str
    skipped: int
    """How many were due before it and are not made up for."""
    ms: int
    rows: list[str]
    drafts: list[str]
    sent_at: schemas.Moment | None
    platform_ids: list[str]
    """Of what reached its platform, as that said."""

    @classmethod
    def of(cls, run: JobRun) -> Self:
        """The shape of a run."""
        return cls.model_validate(run, from_attributes=True)


class JobShape(CamelModel):
    """A job: what is wanted, how it stands, when it comes next, and what became of it last."""

    id: str
    name: schemas.Shown
    kind: JobKind
    to: str
    """`self`, or a contact's id."""
    schedule: Schedule
    text: schemas.Shown
    loud: bool
    until: schemas.Moment | None
    origin: str
    """Where it was made: `cli`, `tui`, `owner-chat`, `ready`, `api`, or `api:` and a token's name."""
    created_at: schemas.Moment
    edited_at: schemas.Moment
    enabled: bool
    why: str
    """Why it is not: `paused`, `done`, `failed` or `broken`."""
    running: bool
    next: schemas.Moment | None
    coming: list[schemas.Moment]
    """Its next five times."""
    last: JobRunShape | None

    @classmethod
    def of(cls, view: JobView) -> Self:
        """The shape of a job."""
        job, state = view.job, view.state
        return cls(
            id=job.id,
            name=job.name,
            kind=job.kind,
            to=job.target,
            schedule=job.schedule,
            text=job.text,
            loud=job.loud,
            until=job.until,
            origin=job.origin,
            created_at=job.created_at,
            edited_at=job.edited_at,
            enabled=state.enabled,
            why=state.why,
            running=state.is_open,
            next=view.next_at,
            coming=coming(view),
            last=JobRunShape.of(view.last) if view.last else None,
        )


class JobList(CamelModel):
    """Every job, the oldest first. `off`: none runs by itself."""

    off: bool
    jobs: list[JobShape]


class JobRuns(CamelModel):
    """What became of a job, the newest first."""

    runs: list[JobRunShape]


class ReadyShape(CamelModel):
    """A job that only has to be switched on."""

    id: str
    title: str
    cron: str
    """Its usual time."""
    says_nothing_when: str
    on: bool


class ReadyList(CamelModel):
    """Every ready-made job."""

    jobs: list[ReadyShape]


class JobSettled(CamelModel):
    """What became of a job: `called`, a process that works runs it soon; `already_called`, with this key; or `removed`."""

    id: str
    outcome: Literal["called", "already_called", "removed"]


async def _desk(can: Can, request: Request) -> ProgramDesk:
    """The desk of who calls."""
    return can.jobs(caller_of(request).name)


_Desk = Annotated[ProgramDesk, Depends(_desk)]


@jobs.get("", responses=answers())
async def list_jobs(desk: _Desk) -> JobList:
    """Every job: when it comes next, and what became of it last."""
    return JobList(off=await desk.is_off(), jobs=[JobShape.of(view) for view in await desk.all()])


@jobs.post("", status_code=201, responses=answers(404, 409))
async def make_job(can: Can, desk: _Desk, new: NewJob) -> JobShape:
    """A job runs from now on. 404 for a contact that was not approved, 409 when there are a hundred jobs."""
    wish = new.wish()
    if wish.target != SELF:
        await _approved(can, wish.target)
    return JobShape.of(await desk.find((await desk.add(wish)).id))


@jobs.get("/ready", responses=answers())
async def list_ready_jobs(desk: _Desk) -> ReadyList:
    """Ready-made jobs: each is off until it is switched on."""
    return ReadyList(
        jobs=[
            ReadyShape(id=each.id, title=each.title, cron=each.cron, says_nothing_when=each.says_nothing_when, on=is_on)
            for each, is_on in await desk.ready()
        ]
    )


@jobs.post("/ready/{job}", responses=answers(404, 409))
async def choose_ready_job(desk: _Desk, job: _Job, how: Annotated[ReadyChoice | None, Body()] = None) -> JobShape:
    """A ready-made job is on, at its usual time or at another."""
    wanted = how or ReadyChoice()
    chosen = await desk.choose(job, cron_line=wanted.cron or "", zone=wanted.zone or "")
    return JobShape.of(await desk.find(chosen.id))


@jobs.get("/{job}", responses=answers(404))
async def show_job(desk: _Desk, job: _Job) -> JobShape:
    """One job, by its whole id."""
    return JobShape.of(await desk.find(job))


@jobs.patch("/{job}", responses=answers(404, 409))
async def edit_job(desk: _Desk, job: _Job, change: JobChange) -> JobShape:
    """A job comes at another time, says something else or is called otherwise; a run that is under way comes to nothing."""
    times = [each for each in (change.cron, change.every_seconds, change.at) if each is not None]
    if len(times) > 1 or (change.zone and not times):
        raise DataError(
            "no_schedule", "It does not say when the job comes.", "Send one of cron, everySeconds and at; zone goes with it."
        )
    every = change.every_seconds
    await desk.edit(
        job,
        cron_line=change.cron or "",
        gap=None if every is None else timedelta(seconds=every),
        at=change.at or "",
        zone=change.zone or "",
        text=change.text,
        name=change.name,
    )
    return JobShape.of(await desk.find(job))


@jobs.delete("/{job}", responses=answers(404))
async def remove_job(desk: _Desk, job: _Job) -> JobSettled:
    """A job is no more."""
    return JobSettled(id=(await desk.remove(job)).id, outcome="removed")


@jobs.post("/{job}/run", status_code=202, responses=answers(404, 409))
async def run_job(
    can: Can,
    request: Request,
    job: _Job,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=128, description="The same call again does nothing, for eight days.")
    ] = None,
) -> JobSettled:
    """A job is run soon, whatever its schedule says, the same way as by itself. What came of it: GET /api/jobs/{job}/runs."""
    key = f"{caller_of(request).name}:{idempotency_key}" if idempotency_key else ""
    return JobSettled(id=job, outcome="called" if await can.call_job(job, key=key) else "already_called")


@jobs.post("/{job}/pause", responses=answers(404, 409))
async def pause_job(desk: _Desk, job: _Job) -> JobShape:
    """A job does not run until it is resumed."""
    return JobShape.of(await desk.pause(job))


@jobs.post("/{job}/resume", responses=answers(404, 409))
async def resume_job(desk: _Desk, job: _Job) -> JobShape:
    """A job runs again, from its next time on."""
    return JobShape.of(await desk.resume(job))


@jobs.get("/{job}/runs", responses=answers(404))
async def list_job_runs(desk: _Desk, job: _Job) -> JobRuns:
    """What became of a job's runs, the newest hundred."""
    return JobRuns(runs=[JobRunShape.of(run) for run in await desk.runs(job)])


class NewGrant(schemas.RequestBody):
    """Jobs may write to a contact without asking."""

    contact: schemas.Reference
    category: _Category
    days: Annotated[int, Field(strict=True, ge=1, le=365)] = 90


class GrantShape(CamelModel):
    """That jobs may write to somebody without asking, and until when."""

    contact_id: str
    category: str
    until: schemas.Moment


class GrantList(CamelModel):
    """Everything that was allowed and has not ended."""

    grants: list[GrantShape]


class GrantTaken(CamelModel):
    """Jobs ask before they write to the contact."""

    contact_id: str
    category: str


@grants.get("", responses=answers())
async def list_grants(can: Can, desk: _Desk) -> GrantList:
    """Whom jobs may write to without asking, and until when."""
    found = await desk.allowed(await can.people.everybody_approved())
    return GrantList(grants=[GrantShape.model_validate(each, from_attributes=True) for each in found])


@grants.post("", status_code=201, responses=answers(404))
async def give_grant(can: Can, desk: _Desk, new: NewGrant) -> GrantShape:
    """Jobs may write to a contact without asking, where `jobs.reach` is `allowed`. Takes a token for everything."""
    contact = await _approved(can, new.contact)
    until = await desk.allow(contact, new.category, timedelta(days=new.days))
    return GrantShape(contact_id=contact.contact_id, category=new.category, until=until)


@grants.delete("/{contact}/{category}", responses=answers(404))
async def take_grant(can: Can, desk: _Desk, contact: Named, category: _Category) -> GrantTaken:
    """Jobs ask before they write to the contact. Repeatable."""
    found = await _approved(can, contact)
    await desk.disallow(found, category)
    return GrantTaken(contact_id=found.contact_id, category=category)


async def _approved(can: ApiOperations, contact: str) -> "ApprovedContact":
    """The contact of this whole id. Raises NotFoundError for one that was not approved."""
    found = await can.people.approved(ContactId(contact))
    if found is None:
        raise NotFoundError("unknown_contact", "There is no such contact.")
    return found
