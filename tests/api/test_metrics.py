"""Can a monitoring system read how things stand, and does it learn of nobody?"""

import asyncio
import json
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field

import httpx
import pytest
from api.serving import Served
from fakes.channel import FakeChannel
from fakes.process import eventually
from fakes.town import Town
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from secondme import __version__
from secondme.core.api.metrics import exposition
from secondme.core.messages import ChannelState
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.services import Services

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')


@dataclass
class Family:
    help: str = ""
    type: str = ""
    samples: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)


def parse(text: str) -> dict[str, Family]:
    """The text format 0.0.4, strictly: HELP, TYPE, then every sample of the family together; nothing twice, nothing unknown."""
    assert text.endswith("\n")
    families: dict[str, Family] = defaultdict(Family)
    order: list[str] = []
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            kind, name, rest = line[2:].split(" ", 2)
            assert NAME.fullmatch(name)
            assert getattr(families[name], kind.lower()) == ""
            setattr(families[name], kind.lower(), rest)
            assert (kind == "HELP") == (name not in order)
            order += [name] * (kind == "HELP")
            continue
        match = SAMPLE.fullmatch(line)
        assert match is not None, line
        assert match[1] == order[-1]
        labels = tuple(LABEL.findall(match[2] or ""))
        assert "".join(f'{name}="{value}",' for name, value in labels).rstrip(",") == (match[2] or "")
        assert labels not in families[match[1]].samples
        families[match[1]].samples[labels] = float(match[3])
    assert all(family.help and family.type in {"gauge", "counter"} and family.samples for family in families.values())
    return dict(families)


def value(families: dict[str, Family], name: str, **labels: str) -> float:
    return families[f"secondme_{name}"].samples[tuple(labels.items())]


async def scrape(client: httpx.AsyncClient) -> dict[str, Family]:
    """What one look at the metrics tells."""
    answer = await client.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE_PLAIN_0_0_4)
    return parse(answer.text)


async def test_the_socket_is_open_to_the_owner_and_tcp_wants_the_token(town_hall: Served) -> None:
    async with town_hall.local() as here, town_hall.remote() as there, town_hall.remote("wrong") as stranger:
        assert set(await scrape(here)) == set(await scrape(there))
        refused = await stranger.get("/metrics")
    assert (refused.status_code, "secondme_" in refused.text) == (401, False)


async def test_it_tells_what_status_tells(town_hall: Served) -> None:
    async with town_hall.local() as client:
        found = await scrape(client)
    assert value(found, "build_info", version=__version__) == 1
    assert (value(found, "gateway_up"), value(found, "processes", part="worker")) == (0, 0)
    states = ("pending", "approved", "denied")
    assert [value(found, "pairing_contacts", state=state) for state in states] == [1, 1, 1]
    assert (value(found, "dead_letters"), value(found, "drafts"), value(found, "queue_oldest_age_seconds")) == (0, 0, 0)
    assert [value(found, "channel_state", channel="telegram", state=state) for state in ChannelState] == [1, 0, 0, 0, 0, 0, 0]


async def test_a_gateway_that_runs_is_up_and_its_channels_are_counted(town: Town, store: Store) -> None:
    channel = FakeChannel()
    town.rooms.channels[:] = [channel.factory()]  # type: ignore[index]
    await town.let_in("anna")
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.ensure_future(town.gateway.run(stop, ready))
    await ready.wait()

    async def connected() -> dict[str, Family] | None:
        found = parse(exposition(await Services(town.setup, store).status()))
        return found if value(found, "channel_connected", channel="local") else None

    found = await eventually(connected)
    stop.set()
    await running
    assert (value(found, "gateway_up"), value(found, "processes", part="all")) == (1, 1)
    assert value(found, "gateway_start_time_seconds") > 1.7e9
    assert 0 <= value(found, "channel_alive_age_seconds", channel="local") < 60
    assert found["secondme_messages_sent_total"].type == "counter"


async def test_what_waits_and_what_it_cost_are_numbers_in_base_units(town: Town, store: Store) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    await store.client.hset(keys.mailbox("local:anna"), "waiting", "asleep")
    await store.client.rpush(keys.dead("local:anna"), "x")
    await store.client.zadd(keys.DEAD_INDEX, {"local:anna": 1})
    found = parse(exposition(await Services(town.setup, store).status()))
    assert (value(found, "queue_messages"), value(found, "queue_contacts"), value(found, "dead_letters")) == (1, 1, 1)
    assert value(found, "queue_waiting_contacts", reason="asleep") == 1
    assert 0 <= value(found, "queue_oldest_age_seconds") < 60
    assert (value(found, "cost_today_dollars"), value(found, "cost_cap_dollars")) == (0, 5)
    assert math.isclose(value(found, "last_received_timestamp_seconds"), await town.control.now_ms() / 1000, abs_tol=60)


async def test_no_label_comes_from_a_stranger(town: Town, store: Store) -> None:
    await town.let_in("anna")
    await town.writes("anna", "hi")
    await store.client.hset(keys.mailbox("local:anna"), "waiting", 'x"} 1\nevil 1')
    sign = {"part": 'a"b', "pid": 1, "host": "elsewhere", "at": await town.control.now_ms(), "channels": {'x"\n': {"state": "y\n"}}}
    await store.client.hset(keys.GATEWAYS, "i", json.dumps(sign))
    text = exposition(await Services(town.setup, store).status())
    found = parse(text)
    assert value(found, "queue_waiting_contacts", reason="other") == 1
    assert {name for family in found.values() for labels in family.samples for name, _ in labels} == {
        "channel",
        "part",
        "reason",
        "state",
        "version",
    }
    assert "anna" not in text
    assert "evil" not in text


async def test_the_checker_is_strict() -> None:
    for wrong in (
        "secondme_x 1",
        "secondme_x 1\n",
        "# HELP a b\n# TYPE a gauge\na 1\na 1\n",
        '# HELP a b\n# TYPE a gauge\na{x="\n"} 1\n',
        "# HELP a b\n# TYPE a gauge\n",
        "# HELP a b\n# TYPE a gauge\na one\n",
    ):
        with pytest.raises((AssertionError, ValueError, IndexError)):
            parse(wrong)
