"""Memory over the API: the owner sees, searches and forgets what is remembered of an approved contact, and of nobody else."""

from datetime import UTC, datetime

import pytest
from api.serving import Served

from secondme.core.clock import rfc3339
from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.memory.facts import Spoken, facts_in
from secondme.core.memory.messages import MemoryMessage
from secondme.core.messages import Speaker
from secondme.services import Services

ANNA = ContactId("telegram:4711")
SAID = datetime(2026, 3, 4, 12, tzinfo=UTC)
AT_MS = int(SAID.timestamp() * 1000)
TEXTS = ["my dog is called Bartholomew", "\x1b[31mthe ferry leaves at noon", "see you"]


@pytest.fixture
async def services(served: Served) -> Services:
    services = Services(served.setup, served.store)
    await services.pairing.approve(ANNA, Tier.STANDARD)
    messages = [MemoryMessage(f"m{n}", AT_MS + n * 1000, "contact", text) for n, text in enumerate(TEXTS)]
    services.memories.append(ANNA, messages)
    facts = facts_in(Spoken("m0", AT_MS, Speaker.CONTACT, TEXTS[0]))
    services.memories.read(ANNA, lambda index: index.add_facts(facts), otherwise=0)
    return services


@pytest.mark.usefixtures("services")
async def test_what_is_remembered_is_shown_and_found(served: Served) -> None:
    async with served.local() as client:
        status = (await client.get("/api/memory")).json()
        assert (status["enabled"], status["contacts"], status["recipients"]) == (True, 1, [])
        (shown,) = (await client.get(f"/api/memory/{ANNA}")).json()["contacts"]
        assert (shown["messages"], shown["byContact"], shown["firstAt"]) == (3, 3, rfc3339(SAID))
        (fact,) = shown["facts"]
        assert (fact["kind"], fact["value"], fact["saidBy"], fact["messages"]) == ("kin_dog", "Bartholomew", "contact", ["m0"])
        hits = (await client.get(f"/api/memory/{ANNA}/search", params={"q": "when does the ferry leave?"})).json()["hits"]
        assert (hits[0]["messageId"], hits[0]["text"]) == ("m1", "[31mthe ferry leaves at noon")


async def test_a_message_a_fact_a_time_and_everything_is_forgotten(served: Served, services: Services) -> None:
    async with served.local() as client:
        (fact,) = (await client.get(f"/api/memory/{ANNA}")).json()["contacts"][0]["facts"]
        path = f"/api/memory/{ANNA}/facts/{fact['id'][:8]}"
        assert (await client.put(path, json={"value": "Rex"})).json() == {"corrected": 1}
        assert (await client.put(path, json={"value": "Rex"})).status_code == 404
        (fact,) = (await client.get(f"/api/memory/{ANNA}")).json()["contacts"][0]["facts"]
        assert (fact["value"], fact["saidBy"], fact["messages"]) == ("Rex", "owner", ["m0"])
        path = f"/api/memory/{ANNA}/facts/{fact['id'][:8]}"
        assert (await client.delete(path)).json() == {"forgotten": 1}
        assert (await client.delete(path)).status_code == 404
        forget = f"/api/memory/{ANNA}/forget"
        done = await client.post(forget, json={"messages": ["m0", "nothing"]})
        assert done.json() == {"messages": 1, "facts": 0, "left": 0}
        assert services.memories.left_of(["Bartholomew"]) == []
        span = {"since": rfc3339(SAID), "until": "2026-03-04T12:00:02Z"}
        assert (await client.post(forget, json=span)).json()["messages"] == 1
        assert (await client.post(forget, json={})).json()["messages"] == 1
        assert services.memories.all_files() == []


async def test_what_cannot_be_meant_is_refused(served: Served, services: Services) -> None:
    async with served.local() as client:
        assert (await client.get("/api/memory/local:ben")).status_code == 404
        assert (await client.get("/api/memory/local:ben/search", params={"q": "dog"})).status_code == 404
        forget = f"/api/memory/{ANNA}/forget"
        for body in ({"messages": ["m0"], "since": rfc3339(SAID)}, {"since": "2026-03-04T12:00:00"}, {"all": True}):
            assert (await client.post(forget, json=body)).status_code == 422
        assert services.memories.count(ANNA) == 3
