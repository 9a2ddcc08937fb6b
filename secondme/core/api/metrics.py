"""`/metrics`: how things stand, as Prometheus reads it. Numbers only; labels come from closed sets and never name a contact.

The text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from secondme import __version__
from secondme.core.api.dependencies import Can, answers
from secondme.core.gateway.status import SystemStatus
from secondme.core.jobs.records import JobsStanding
from secondme.core.messages import ChannelState
from secondme.core.webhooks.records import WebhookCounts

if TYPE_CHECKING:
    from prometheus_client.core import Metric

metrics = APIRouter()

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REASON = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PARTS = ("all", "gateway", "worker")
_STATES = tuple(ChannelState)


@metrics.get(
    "/metrics",
    tags=["state"],
    response_class=Response,
    responses={
        **answers(),
        200: {
            "description": "How things stand, in Prometheus' text format 0.0.4.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
    },
)
async def read_metrics(can: Can) -> Response:
    """How things stand, for a monitoring system."""
    found = await can.status(), await can.webhooks.counts()
    text = await asyncio.to_thread(exposition, *found)  # the first one imports the library
    return Response(text, headers={"content-type": CONTENT_TYPE})


def exposition(overview: SystemStatus, webhooks: WebhookCounts = WebhookCounts(0, 0)) -> str:  # noqa: B008  it is frozen
    """`overview` and `webhooks` in the text format 0.0.4: every family that has a sample."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415  3 MB: only a gateway that is scraped pays for it
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Overview(Collector):
        def collect(self) -> Iterator["Metric"]:
            return (family for family in (*_families(overview), *_webhooks(webhooks)) if family.samples)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Overview())
    return generate_latest(registry).decode()


def _families(overview: SystemStatus) -> Iterator["Metric"]:
    yield _metric("secondme_build_info", "The version of this gateway.", [({"version": __version__}, 1)])
    yield _one("secondme_gateway_up", "Whether a gateway runs.", overview.runs)
    parts = [process.part for process in overview.processes]
    counts = [({"part": part}, parts.count(part)) for part in _PARTS]
    yield _metric("secondme_processes", "Processes that are alive.", counts)
    started = [process.started_ms for process in overview.processes if process.is_gateway]
    yield _one("secondme_gateway_start_time_seconds", "When the gateway started, Unix time.", _seconds(max(started, default=None)))
    yield from _channels(overview)
    yield from _people(overview)
    yield from _queue(overview)
    yield from _jobs(overview.jobs)
    glance = overview.glance
    heard, said = _seconds(glance.last_received_ms), _seconds(glance.last_sent_ms)
    yield _one("secondme_last_received_timestamp_seconds", "When a contact last wrote, Unix time.", heard)
    yield _one("secondme_last_sent_timestamp_seconds", "When a reply last left, Unix time.", said)
    yield _one("secondme_paused_contacts", "Contacts that are paused one by one.", len(glance.paused))
    yield _one("secondme_cost_today_dollars", "What the models cost today (UTC).", glance.today_micros / 1_000_000)
    yield _one("secondme_cost_cap_dollars", "What the models may cost a day.", overview.cap_usd)
    cap = overview.media.cap_minutes
    heard = None if cap is None else glance.today_seconds
    spoken = glance.today_characters if overview.media.speaks else None
    yield _one("secondme_heard_today_seconds", "Seconds of recordings that were listened to today (UTC).", heard)
    yield _one("secondme_heard_cap_seconds", "How many seconds may be listened to a day.", None if cap is None else cap * 60)
    yield _one("secondme_spoken_today_characters", "Characters that were spoken today (UTC).", spoken)


def _channels(overview: SystemStatus) -> Iterator["Metric"]:
    def each(values: Iterable[float | None]) -> Iterator[tuple[dict[str, str], float | None]]:
        return (({"channel": facts.id}, value) for facts, value in zip(overview.channels, values, strict=True))

    found = overview.channels
    yield _metric("secondme_channel_connected", "Whether messages pass.", each([facts.state == "connected" for facts in found]))
    states = [({"channel": facts.id, "state": state}, facts.state == state) for facts in found for state in _STATES]
    yield _metric("secondme_channel_state", "1 for the state that a channel is in.", states)
    yield _metric("secondme_channel_paused", "Whether the owner paused it.", each([facts.paused for facts in found]))
    ages = [None if facts.last_alive_ms is None else max(0, overview.at_ms - facts.last_alive_ms) / 1000 for facts in found]
    yield _metric("secondme_channel_alive_age_seconds", "How long ago the platform last gave a sign of life.", each(ages))
    heard = [_seconds(facts.last_received_ms) for facts in found]
    yield _metric("secondme_channel_last_received_timestamp_seconds", "When it last brought a message, Unix time.", each(heard))
    for name, values in (
        ("received", [facts.received for facts in found]),
        ("sent", [facts.sent for facts in found]),
        ("failed", [facts.failed for facts in found]),
    ):
        text = f"Messages {name} since the gateway started."
        yield _metric(f"secondme_messages_{name}", text, each(values), kind="counter")


def _people(overview: SystemStatus) -> Iterator["Metric"]:
    stats, everybody = overview.pairing, overview.everybody
    counts = (("pending", stats.pending), ("approved", stats.approved), ("denied", stats.denied))
    yield _metric("secondme_pairing_contacts", "Contacts by state.", [({"state": state}, count) for state, count in counts])
    yield _one("secondme_paused", "Whether nobody is answered.", everybody is not None)
    yield _one("secondme_killed", "Whether the kill switch is on.", everybody is not None and everybody.killed)


def _queue(overview: SystemStatus) -> Iterator["Metric"]:
    backlog = overview.backlog
    yield _one("secondme_queue_messages", "Messages that wait for an answer.", backlog.queued)
    yield _one("secondme_queue_contacts", "Contacts that wait for an answer.", backlog.contacts)
    oldest = None if backlog.oldest_ms is None else max(0, overview.at_ms - backlog.oldest_ms) / 1000
    yield _one("secondme_queue_oldest_age_seconds", "How long ago the oldest of them was sent; 0: none waits.", oldest or 0)
    reasons: dict[str, int] = {}
    for reason, count in backlog.waiting.items():
        known = reason if _REASON.fullmatch(reason) else "other"
        reasons[known] = reasons.get(known, 0) + count
    waiting = [({"reason": reason}, count) for reason, count in sorted(reasons.items())]
    yield _metric("secondme_queue_waiting_contacts", "Contacts that were put off, by reason.", waiting)
    yield _one("secondme_outbox_contacts", "Contacts with a reply on the way.", backlog.unsent)
    yield _one("secondme_drafts", "Replies that wait for the owner.", backlog.held)
    yield _one("secondme_dead_letters", "Messages that could not be worked on.", backlog.dead)


def _jobs(jobs: JobsStanding) -> Iterator["Metric"]:
    yield _one("secondme_jobs", "Jobs that have a time to come.", jobs.on if jobs.total else None)
    yield _one("secondme_jobs_late", "Jobs that are due for five minutes and were not run.", jobs.late if jobs.total else None)
    outcomes = [({"outcome": name}, count) for name, count in sorted(jobs.outcomes.items()) if _REASON.fullmatch(name)]
    yield _metric("secondme_job_runs", "What runs of jobs came to.", outcomes, kind="counter")


def _webhooks(counts: WebhookCounts) -> Iterator["Metric"]:
    yield _metric("secondme_webhook_sent", "Deliveries to webhooks that arrived.", [({}, counts.sent)], kind="counter")
    yield _metric("secondme_webhook_dead", "Deliveries to webhooks that never did.", [({}, counts.dead)], kind="counter")


def _metric(name: str, text: str, samples: Iterable[tuple[dict[str, str], float | None]], *, kind: str = "gauge") -> "Metric":
    """A metric with the samples that have a value."""
    from prometheus_client.core import Metric  # noqa: PLC0415  as above

    metric = Metric(name, text, kind)
    for labels, value in samples:
        if value is not None:
            metric.add_sample(f"{name}_total" if kind == "counter" else name, labels, value)
    return metric


def _one(name: str, text: str, value: float | None) -> "Metric":
    return _metric(name, text, [({}, value)])


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
