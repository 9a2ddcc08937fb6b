"""`/metrics`: how things stand, as Prometheus reads it. Numbers only; labels come from closed sets and never name a contact.

The text format 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from secondme import __version__
from secondme.core.api.dependencies import Can, answers
from secondme.core.gateway.status import Overview
from secondme.core.messages import ChannelState

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
    return Response(exposition(await can.overview()), headers={"content-type": CONTENT_TYPE})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all of its samples: labels and value. Without a sample it is left out."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    samples: list[tuple[dict[str, str], float]]


def exposition(overview: Overview) -> str:
    """`overview` in the text format 0.0.4."""
    lines = []
    for family in _families(overview):
        if family.samples:
            lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
            lines += [f"{family.name}{_labels(labels)} {_number(value)}" for labels, value in family.samples]
    return "\n".join(lines) + "\n"


def _families(overview: Overview) -> Iterator[Family]:
    yield Family("secondme_build_info", "gauge", "The version of this gateway.", [({"version": __version__}, 1)])
    yield _one("secondme_gateway_up", "Whether a gateway runs.", overview.runs)
    parts = [process.part for process in overview.processes]
    counts: list[tuple[dict[str, str], float]] = [({"part": part}, parts.count(part)) for part in _PARTS]
    yield Family("secondme_processes", "gauge", "Processes that are alive.", counts)
    started = [process.started_ms for process in overview.processes if process.is_gateway]
    yield _one("secondme_gateway_start_time_seconds", "When the gateway started, Unix time.", _seconds(max(started, default=None)))
    yield from _channels(overview)
    yield from _people(overview)
    yield from _queue(overview)
    glance = overview.glance
    heard, said = _seconds(glance.last_received_ms), _seconds(glance.last_sent_ms)
    yield _one("secondme_last_received_timestamp_seconds", "When a contact last wrote, Unix time.", heard)
    yield _one("secondme_last_sent_timestamp_seconds", "When a reply last left, Unix time.", said)
    yield _one("secondme_paused_contacts", "Contacts that are paused one by one.", len(glance.paused))
    yield _one("secondme_cost_today_dollars", "What the models cost today (UTC).", glance.today_micros / 1_000_000)
    yield _one("secondme_cost_cap_dollars", "What the models may cost a day.", overview.cap_usd)


def _channels(overview: Overview) -> Iterator[Family]:
    def each(values: list[float | None]) -> list[tuple[dict[str, str], float]]:
        return [({"channel": facts.id}, value) for facts, value in zip(overview.channels, values, strict=True) if value is not None]

    found = overview.channels
    yield Family(
        "secondme_channel_connected", "gauge", "Whether messages pass.", each([facts.state == "connected" for facts in found])
    )
    states: list[tuple[dict[str, str], float]] = [
        ({"channel": facts.id, "state": state}, facts.state == state) for facts in found for state in _STATES
    ]
    yield Family("secondme_channel_state", "gauge", "1 for the state that a channel is in.", states)
    yield Family("secondme_channel_paused", "gauge", "Whether the owner paused it.", each([facts.paused for facts in found]))
    ages = [None if facts.last_alive_ms is None else max(0, overview.at_ms - facts.last_alive_ms) / 1000 for facts in found]
    yield Family("secondme_channel_alive_age_seconds", "gauge", "How long ago the platform last gave a sign of life.", each(ages))
    heard = [_seconds(facts.last_received_ms) for facts in found]
    yield Family(
        "secondme_channel_last_received_timestamp_seconds", "gauge", "When it last brought a message, Unix time.", each(heard)
    )
    for name, values in (
        ("received", [facts.received for facts in found]),
        ("sent", [facts.sent for facts in found]),
        ("failed", [facts.failed for facts in found]),
    ):
        text = f"Messages {name} since the gateway started."
        yield Family(f"secondme_messages_{name}_total", "counter", text, each([float(value) for value in values]))


def _people(overview: Overview) -> Iterator[Family]:
    stats, everybody = overview.pairing, overview.everybody
    counts = (("pending", stats.pending), ("approved", stats.approved), ("denied", stats.denied))
    yield Family("secondme_pairing_contacts", "gauge", "Contacts by state.", [({"state": state}, count) for state, count in counts])
    yield _one("secondme_paused", "Whether nobody is answered.", everybody is not None)
    yield _one("secondme_killed", "Whether the kill switch is on.", everybody is not None and everybody.killed)


def _queue(overview: Overview) -> Iterator[Family]:
    backlog = overview.backlog
    yield _one("secondme_queue_messages", "Messages that wait for an answer.", backlog.queued)
    yield _one("secondme_queue_contacts", "Contacts that wait for an answer.", backlog.contacts)
    oldest = None if backlog.oldest_ms is None else max(0, overview.at_ms - backlog.oldest_ms) / 1000
    yield _one("secondme_queue_oldest_age_seconds", "How long ago the oldest of them was sent; 0: none waits.", oldest or 0)
    reasons: dict[str, int] = {}
    for reason, count in backlog.waiting.items():
        known = reason if _REASON.fullmatch(reason) else "other"
        reasons[known] = reasons.get(known, 0) + count
    waiting: list[tuple[dict[str, str], float]] = [({"reason": reason}, count) for reason, count in sorted(reasons.items())]
    yield Family("secondme_queue_waiting_contacts", "gauge", "Contacts that were put off, by reason.", waiting)
    yield _one("secondme_outbox_contacts", "Contacts with a reply on the way.", backlog.unsent)
    yield _one("secondme_drafts", "Replies that wait for the owner.", backlog.held)
    yield _one("secondme_dead_letters", "Messages that could not be worked on.", backlog.dead)


def _one(name: str, text: str, value: float | None) -> Family:
    return Family(name, "gauge", text, [] if value is None else [({}, value)])


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000


def _labels(labels: dict[str, str]) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
