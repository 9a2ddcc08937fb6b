"""What goes over the wire about how things stand: pauses, the kill switch, processes, health?"""

from typing import Literal, Self

from pydantic import Field

from secondme.core.api.shapes import Moment, Shape
from secondme.core.records import Pause


class Stopped(Shape):
    """Nobody is answered since `since`. `killed`: by the kill switch, which only DELETE /api/kill lifts."""

    since: Moment
    until: Moment | None = None
    killed: bool


class ContactPause(Shape):
    """Whether one contact is paused, and why."""

    contact_id: str
    paused: bool
    paused_at: Moment | None = None
    reason: Literal["manual", "fromMe", "rate_limit", "legacy"] | None = None
    until: Moment | None = None

    @classmethod
    def of(cls, contact: str, pause: Pause | None) -> Self:
        """The shape of a pause; None: there is none."""
        if pause is None:
            return cls(contact_id=contact, paused=False)
        return cls(contact_id=contact, paused=True, paused_at=pause.paused_at, reason=pause.reason, until=pause.until)


class AllPauses(Shape):
    """Who is not answered: everybody, and single contacts."""

    everybody: Stopped | None = None
    contacts: list[ContactPause]


class Steered(Shape):
    """What a pause or its end came to. `contact` is `ALL` for everybody."""

    contact: str
    outcome: Literal["paused", "resumed", "not_paused"]


class KillSwitch(Shape):
    """Whether the kill switch is on, and since when."""

    killed: bool
    since: Moment | None = None


class ProcessShape(Shape):
    """A process of the clone that is alive."""

    part: str
    pid: int
    version: str
    started_at: str
    channels: dict[str, str]
    routing: dict[str, int] = Field(default_factory=dict)
    """What its router decided since it started."""


class ChannelShape(Shape):
    """A channel, as its gateway last said. `code` says why, when the state needs a reason; counters are since the gateway's start."""

    id: str
    title: str
    icon: str
    state: str
    code: str
    paused: bool
    received: int
    sent: int
    failed: int
    since: str | None
    last_received_at: str | None
    last_alive_at: str | None
    has_owner_chat: bool


class ChannelList(Shape):
    """Every channel there is, linked or not."""

    channels: list[ChannelShape]


class ChannelSteered(Shape):
    """What became of one channel."""

    id: str
    outcome: Literal["paused", "resumed", "not_paused", "connected", "disconnected"]


class StoreShape(Shape):
    """Which store it is."""

    kind: Literal["embedded", "redis_url"]


class Stats(Shape):
    """How many contacts are in each state."""

    pending: int
    approved: int
    denied: int


class PausedShape(Shape):
    """Nobody is answered."""

    since: str
    until: str | None = None
    killed: bool


class QueueShape(Shape):
    """What waits, as counts; `waiting`: reason -> contacts."""

    contacts: int
    messages: int
    waiting: dict[str, int]
    oldest: str | None = None
    unsent: int
    held: int
    dead: int


class LastShape(Shape):
    """When the last message came and the last reply left, over all channels."""

    last_received_at: str | None
    last_sent_at: str | None


class PauseShape(Shape):
    """A contact that is not answered."""

    contact_id: str
    until: str | None


class CostShape(Shape):
    """What models cost today (UTC), and may."""

    today_usd: float
    cap_usd: float


class Status(Shape):
    """How things stand: the data of `secondme status --json`."""

    processes: list[ProcessShape]
    channels: list[ChannelShape]
    store: StoreShape
    pairing: Stats
    paused: PausedShape | None
    queue: QueueShape
    messages: LastShape
    pauses: list[PauseShape]
    cost: CostShape


class Health(Shape):
    """Whether the gateway can work. No secrets, no names. `degraded`: it works, but a channel does not."""

    status: Literal["ok", "degraded", "unavailable"]
    store: Literal["ok", "down"]
    gateway: Literal["ready", "stopping"]
    channels: dict[str, str]
