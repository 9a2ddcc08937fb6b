"""The status of a home: processes, channels, who waits, what waits and why. One answer for `status`, the HTTP API and the screen."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import Field

from secondme.core.admit.pairing_store import Stats
from secondme.core.admit.witness import Loss
from secondme.core.clock import from_ms, rfc3339
from secondme.core.errors import SecondmeError, UnavailableError
from secondme.core.gateway.store import Activity
from secondme.core.jobs.records import JobsStanding
from secondme.core.processes import is_alive
from secondme.core.records import CamelModel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from secondme.core.admit.control_store import Backlog, ControlStore, DesiredState, EverybodyPaused
    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.channel_manifest import Manifest
    from secondme.core.gateway.store import ActivityStore

_T = TypeVar("_T")

_BROKEN = frozenset({"record_unusable", "store_index_broken"})
_NOT_WRITABLE = frozenset({"store_disk_full", "store_out_of_memory", "store_read_only"})


class ProcessReport(CamelModel):
    """A process of the clone that is alive."""

    part: str
    pid: int
    version: str
    started_at: str
    channels: dict[str, str]
    routing: dict[str, int] = Field(default_factory=dict)
    """What its router decided since it started."""


class ChannelReport(CamelModel):
    """A channel, as its gateway last said. `code` says why, when the state needs a reason; counters are since the gateway's start."""

    id: str
    title: str
    icon: str
    state: str
    code: str
    paused: bool
    disconnected: bool
    """True from the moment at which you disconnected it until you connect it again."""
    received: int
    sent: int
    failed: int
    since: str | None
    last_received_at: str | None
    last_alive_at: str | None
    has_owner_chat: bool


class StoreReport(CamelModel):
    """Which store it is, and whether it takes anything new: not on a full disk."""

    kind: Literal["embedded", "redis_url"]
    can_write: bool


class PairingReport(CamelModel):
    """How many contacts are in each state."""

    pending: int
    approved: int
    denied: int


class PausedReport(CamelModel):
    """Nobody is answered."""

    since: str
    until: str | None = None
    killed: bool


class QueueReport(CamelModel):
    """What waits, as counts; `waiting`: reason -> contacts."""

    contacts: int
    messages: int
    waiting: dict[str, int]
    oldest: str | None = None
    unsent: int
    held: int
    dead: int


class LastReport(CamelModel):
    """When the last message came and the last reply left, over all channels."""

    last_received_at: str | None
    last_sent_at: str | None


class LossReport(CamelModel):
    """The store lost people who were approved, and nothing is received until the owner decides."""

    was: int
    has: int
    at: str | None


class PauseReport(CamelModel):
    """A contact that is not answered."""

    contact_id: str
    until: str | None


class CostReport(CamelModel):
    """What models cost today (UTC), and may."""

    today_usd: float
    cap_usd: float


class HeardReport(CamelModel):
    """Minutes of recordings that were listened to today (UTC), and may be."""

    today_minutes: float
    cap_minutes: float


class SpokenReport(CamelModel):
    """Characters that were spoken today (UTC)."""

    today_characters: int


class MediaRecipientsReport(CamelModel):
    """Who is sent recordings, the words of spoken replies, and pictures."""

    recordings: list[str] = Field(default_factory=list)
    spoken: list[str] = Field(default_factory=list)
    pictures: list[str] = Field(default_factory=list)


class JobsReport(CamelModel):
    """How many jobs there are, have a time to come, and are late; `off`: none runs by itself."""

    total: int
    on: int
    late: int
    off: bool


class StatusReport(CamelModel):
    """How things stand: the data of `secondme status --json`."""

    processes: list[ProcessReport]
    channels: list[ChannelReport]
    store: StoreReport
    pairing: PairingReport
    paused: PausedReport | None
    queue: QueueReport
    messages: LastReport
    pauses: list[PauseReport]
    cost: CostReport
    unreadable: list[str] = Field(default_factory=list)
    """What could not be read, as keys of the store or parts of this report; the rest is right without it."""
    loss: LossReport | None = None
    recipients: list[str] = Field(default_factory=list)
    """Who is sent what people write so that memory finds it again; nobody by default."""
    media_recipients: MediaRecipientsReport = Field(default_factory=MediaRecipientsReport)
    heard: HeardReport | None = None
    """None when nothing is listened to."""
    spoken: SpokenReport | None = None
    """None when nothing is spoken."""
    jobs: JobsReport | None = None
    """None when there are none."""


@dataclass(frozen=True, slots=True)
class MediaUse:
    """What is heard, seen and spoken, as the settings have it."""

    cap_minutes: float | None = None
    """How many minutes are listened to a day; None: none at all."""
    speaks: bool = False
    recordings_to: tuple[str, ...] = ()
    """Who is sent recordings."""
    spoken_to: tuple[str, ...] = ()
    """Who is sent the words of spoken replies."""
    pictures_to: tuple[str, ...] = ()
    """Who is sent pictures."""


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """How one channel stands, as its gateway last signed it; `off` when no gateway runs it. Times are Unix ms."""

    id: str
    title: str = ""
    icon: str = ""
    state: str = "off"
    code: str = ""
    """Why, in snake_case, when the state needs a reason."""
    paused: bool = False
    disconnected: bool = False
    """The owner wants it not to run."""
    received: int = 0
    sent: int = 0
    failed: int = 0
    """Counters since its gateway started."""
    since_ms: int | None = None
    last_received_ms: int | None = None
    last_alive_ms: int | None = None
    owner_chat: str = ""
    """The owner's own chat there, when the channel knows it."""
    invite_link: str = ""
    """What opens a chat there when a code is put behind it; empty where nothing does."""

    @property
    def is_well(self) -> bool:
        """True when nobody has to look after it."""
        return self.state in {"connected", "off"}

    def report(self) -> ChannelReport:
        """As scripts and the API are told."""
        return ChannelReport(
            id=self.id,
            title=self.title,
            icon=self.icon,
            state=self.state,
            code=self.code,
            paused=self.paused,
            disconnected=self.disconnected,
            received=self.received,
            sent=self.sent,
            failed=self.failed,
            since=_rfc3339(self.since_ms),
            last_received_at=_rfc3339(self.last_received_ms),
            last_alive_at=_rfc3339(self.last_alive_ms),
            has_owner_chat=bool(self.owner_chat),
        )


@dataclass(frozen=True, slots=True)
class Process:
    """A gateway or worker that gave a sign of life within 15 s and is not known to be gone."""

    part: str
    pid: int
    version: str
    started_ms: int
    channels: Mapping[str, ChannelFacts]
    host: str = ""
    """The machine it runs on, as that calls itself."""
    settings_ms: int = 0
    """When its settings were those of the files."""
    routing: Mapping[str, int] = field(default_factory=dict)
    """How often its router decided what since it started: routed, smallTalk, byRules, byModel, inDoubt, and meanMs of asking."""

    loss: Loss | None = None
    """What its store has lost; it receives nothing then."""

    @property
    def is_gateway(self) -> bool:
        """True when it runs the channels."""
        return self.part in {"all", "gateway"}


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """The state of everything at one moment."""

    processes: list[Process]
    pairing: Stats
    everybody: EverybodyPaused | None
    backlog: Backlog
    channels: list[ChannelFacts]
    """Every channel there is, in the order of the registry."""
    store_kind: Literal["embedded", "redis_url"]
    glance: Activity
    """What was last heard and said, who is paused, and today's cost."""
    cap_usd: float
    """What models may cost a day."""
    at_ms: int
    """The store's time when this was so, Unix."""
    can_write: bool = True
    """False while the store takes nothing new, as on a full disk: no gateway can give a sign of life then."""
    unreadable: tuple[str, ...] = ()
    """What could not be read: records are broken."""
    recipients: tuple[str, ...] = ()
    """Who is sent what people write so that memory finds it again."""
    media: MediaUse = MediaUse()
    jobs: JobsStanding = field(default_factory=JobsStanding)

    def invite_links(self, code: str) -> dict[str, str]:
        """Channel -> the link that opens a chat there with this code typed, for every one whose gateway knows such a link."""
        return {channel.id: f"{channel.invite_link}{code}" for channel in self.channels if channel.invite_link}

    @property
    def runs(self) -> bool:
        """True when a gateway runs."""
        return any(process.is_gateway for process in self.processes)

    @property
    def runs_here(self) -> bool:
        """True when a process of any part runs on this machine (in a container: in this container)."""
        return any(process.host == socket.gethostname() for process in self.processes)

    def report(self) -> StatusReport:
        """As scripts and the API are told: the data of `secondme.status/1`."""
        everybody, backlog, glance, media = self.everybody, self.backlog, self.glance, self.media
        return StatusReport(
            processes=[
                ProcessReport(
                    part=process.part,
                    pid=process.pid,
                    version=process.version,
                    started_at=rfc3339(from_ms(process.started_ms)),
                    channels={name: facts.state for name, facts in process.channels.items()},
                    routing=dict(process.routing),
                )
                for process in self.processes
            ],
            channels=[facts.report() for facts in self.channels],
            store=StoreReport(kind=self.store_kind, can_write=self.can_write),
            pairing=PairingReport(pending=self.pairing.pending, approved=self.pairing.approved, denied=self.pairing.denied),
            paused=None
            if everybody is None
            else PausedReport(
                since=rfc3339(from_ms(everybody.since_ms)), until=_rfc3339(everybody.until_ms), killed=everybody.killed
            ),
            queue=QueueReport(
                contacts=backlog.contacts,
                messages=backlog.queued,
                waiting=dict(backlog.waiting),
                oldest=_rfc3339(backlog.oldest_ms),
                unsent=backlog.unsent,
                held=backlog.held,
                dead=backlog.dead,
            ),
            messages=LastReport(last_received_at=_rfc3339(glance.last_received_ms), last_sent_at=_rfc3339(glance.last_sent_ms)),
            pauses=[PauseReport(contact_id=each.contact_id, until=_rfc3339(each.until_ms)) for each in glance.paused],
            cost=CostReport(today_usd=glance.today_micros / 1_000_000, cap_usd=self.cap_usd),
            loss=next(
                (LossReport(was=loss.was, has=loss.has, at=_rfc3339(loss.at_ms)) for each in self.processes if (loss := each.loss)),
                None,
            ),
            unreadable=[*self.unreadable, *backlog.unreadable],
            recipients=list(self.recipients),
            jobs=JobsReport(total=self.jobs.total, on=self.jobs.on, late=self.jobs.late, off=self.jobs.is_off)
            if self.jobs.total
            else None,
            media_recipients=MediaRecipientsReport(
                recordings=list(media.recordings_to), spoken=list(media.spoken_to), pictures=list(media.pictures_to)
            ),
            heard=None
            if media.cap_minutes is None
            else HeardReport(today_minutes=glance.today_seconds / 60, cap_minutes=media.cap_minutes),
            spoken=SpokenReport(today_characters=glance.today_characters) if media.speaks else None,
        )

    def to_dict(self) -> dict[str, Any]:  # JSON has no closer type
        """The report as JSON values."""
        return self.report().model_dump(by_alias=True)


def _rfc3339(ms: int | None) -> str | None:
    return rfc3339(from_ms(ms)) if ms else None


async def overview(
    control: ControlStore,
    pairing: PairingStore,
    channels: Sequence[Manifest],
    *,
    embedded: bool,
    glance: ActivityStore,
    cap_usd: float,
) -> SystemStatus:
    """How things stand now, without who is sent what. A handful of round trips, bounded work. What is broken is named and left out.

    Raises UnavailableError when the store does not answer."""
    unreadable: list[str] = []

    async def part(name: str, reading: Awaitable[_T], otherwise: _T) -> _T:
        try:
            return await reading
        except SecondmeError as error:
            if error.code not in _BROKEN:
                raise
            unreadable.append(name)
            return otherwise

    async def counts() -> tuple[Stats, bool]:
        try:
            return await pairing.stats(), True
        except UnavailableError as error:
            if error.code not in _NOT_WRITABLE:
                raise
            return await pairing.counts(), False

    signs = [sign for sign in await part("gateways", control.alive(), []) if not _was_killed(sign)]
    processes = [_process(sign) for sign in signs]
    names = tuple(manifest.id for manifest in channels)
    paused, desired = await control.paused_channels(names), await part("channels", control.desired_states(), {})
    signed: dict[str, ChannelFacts] = {}
    for process in processes:
        for name, facts in process.channels.items() if process.is_gateway else ():
            if facts.code != "channel_in_use" or name not in signed:  # by the gateway that serves it, if there is one
                signed[name] = facts
    stats, can_write = await part("pairing", counts(), (Stats(0, 0, 0), True))
    return SystemStatus(
        processes=processes,
        pairing=stats,
        everybody=await part("pauses", control.everybody(), None),
        backlog=await control.backlog(names),
        channels=[_standing(each, signed.get(each.id), desired.get(each.id), is_paused=each.id in paused) for each in channels],
        store_kind="embedded" if embedded else "redis_url",
        glance=await part("messages", glance.look(), Activity(None, None, (), 0)),
        cap_usd=cap_usd,
        at_ms=await control.now_ms(),
        can_write=can_write,
        unreadable=tuple(unreadable),
    )


def _standing(channel: Manifest, signed: ChannelFacts | None, desired: DesiredState | None, *, is_paused: bool) -> ChannelFacts:
    """How a channel stands: what its gateway signed, and what the owner wants of it."""
    return replace(
        signed or ChannelFacts(channel.id),
        title=channel.title,
        icon=channel.icon,
        paused=is_paused,
        disconnected=desired is not None and not desired.on,
    )


def _process(sign: dict[str, Any]) -> Process:  # written by a process of any version
    channels, routing = sign.get("channels"), sign.get("routing")
    return Process(
        part=str(sign.get("part", "")),
        pid=int(sign.get("pid") or 0),
        version=str(sign.get("version", "")),
        started_ms=int(sign.get("startedAt") or 0),
        host=str(sign.get("host", "")),
        settings_ms=int(sign.get("settingsAt") or sign.get("startedAt") or 0),
        loss=_loss(sign.get("loss")),
        channels={str(name): _facts(str(name), facts) for name, facts in channels.items()} if isinstance(channels, dict) else {},
        routing={str(name): int(count) for name, count in routing.items() if isinstance(count, int)}
        if isinstance(routing, dict)
        else {},
    )


def _loss(signed: Any) -> Loss | None:  # as above
    try:
        return Loss(int(signed["was"]), int(signed["has"]), int(signed["at"]))
    except (KeyError, TypeError, ValueError):
        return None


def _facts(name: str, signed: Any) -> ChannelFacts:  # as above
    if not isinstance(signed, dict):
        return ChannelFacts(name, state=str(signed))

    def number(key: str) -> int:
        value = signed.get(key)
        return value if isinstance(value, int) else 0

    return ChannelFacts(
        name,
        state=str(signed.get("state", "off")),
        code=str(signed.get("code", "")),
        received=number("received"),
        sent=number("sent"),
        failed=number("failed"),
        since_ms=number("since") or None,
        last_received_ms=number("lastReceivedAt") or None,
        last_alive_ms=number("lastAliveAt") or None,
        owner_chat=str(signed.get("ownerChat", "")),
        invite_link=str(signed.get("inviteLink", "")),
    )


def _was_killed(sign: dict[str, Any]) -> bool:
    """True when the process of a recent sign of life was on this machine and is gone: it had no time to say farewell."""
    return sign.get("host") == socket.gethostname() and not is_alive(int(sign.get("pid", 0)))
