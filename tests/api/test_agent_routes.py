"""The clone asked by a program: the answer, the owner's own chat, or a draft; once for a key, and nothing to a contact by itself."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from api.serving import Serve, Served, populate
from api.test_tokens import token_of
from fakes.messages_api import Fail, MessagesApi, Say, Silence, messages_api

from secondme.core.api import agent_routes
from secondme.core.errors import UnavailableError
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.tokens import TokenScope

ANNA, BEN = "local:anna", "local:ben"


@pytest.fixture
async def model() -> AsyncIterator[MessagesApi]:
    async with messages_api() as server:
        server.script = lambda _: Say("Buy milk.")
        yield server


def settings_of(model: MessagesApi) -> dict[str, object]:
    return {
        "model.api_key": "sk-test",
        "model.base_url": model.url,
        "persona.name": "Sam",
        "telegram.token": "123456:" + "a" * 35,
        "telegram.owner_id": 7,
        "sleep.enabled": False,
    }


@pytest.fixture
async def asked(serve: Serve, model: MessagesApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """An API whose clone has a model, with Telegram's owner known and no gateway of it running. However busy the machine, it answers at once."""
    monkeypatch.setattr(agent_routes, "_WAIT_S", 60.0)
    async with serve(settings=settings_of(model)) as running:
        await populate(running.setup, running.store)
        yield running


async def post(client: httpx.AsyncClient, key: str = "", **body: object) -> httpx.Response:
    return await client.post(
        "/api/agent", json={"message": "what is on my list?", **body}, headers={"Idempotency-Key": key} if key else {}
    )


async def test_the_answer_comes_back_and_nothing_is_sent(asked: Served) -> None:
    async with asked.local() as client:
        answer = await post(client)
    assert (answer.status_code, answer.json()["state"]) == (200, "done")
    assert (answer.json()["result"]["outcome"], answer.json()["result"]["text"]) == ("answered", "Buy milk.")
    assert [key async for key in asked.store.client.scan_iter("HELD:*")] == []
    assert [key async for key in asked.store.client.scan_iter("OUTBOX:*")] == []


async def test_words_for_a_contact_are_a_draft_and_a_key_makes_one(asked: Served, model: MessagesApi) -> None:
    async with asked.local() as client:
        first, again = [(await post(client, "birthday", to=ANNA, validHours=14)).json() for _ in range(2)]
        assert first == again
        assert (first["result"]["outcome"], first["result"]["text"]) == ("draft", "Buy milk.")
        (draft,) = (await client.get("/api/drafts")).json()["drafts"]
        assert (draft["id"], draft["contactId"]) == (first["result"]["draftId"], ANNA)
        assert len(model.requests) == 1
        other = await post(client, "birthday", to=ANNA, message="something else")
        assert (other.status_code, other.json()["error"]["code"]) == (409, "key_reused")


async def test_a_key_lasts_over_a_restart_of_the_gateway(serve: Serve, model: MessagesApi, store: Store) -> None:
    outcomes = []
    for _ in (1, 2):
        async with serve(settings=settings_of(model)) as running, running.local() as client:
            outcomes.append((await post(client, "digest", to="self")).json()["result"]["outcome"])
    assert (outcomes, len(model.requests)) == (["waiting", "already_done"], 1)
    assert await store.client.llen(keys.outbox("telegram:7")) == 1


async def test_to_the_owner_it_waits_for_their_own_chat(asked: Served) -> None:
    async with asked.local() as client:
        answer = (await post(client, to="self")).json()["result"]
    assert (answer["outcome"], answer["channelId"], len(answer["rowIds"])) == ("waiting", "telegram", 1)
    (row,) = await asked.store.client.lrange(keys.outbox("telegram:7"), 0, -1)
    assert (json.loads(row)["text"], json.loads(row)["scheduled"]) == ("Buy milk.", True)


@pytest.mark.parametrize("to", [BEN, "local:cara", "local:nobody", "anna", "ALL", "*", "local:*"])
async def test_nobody_who_was_not_let_in_is_written_to(asked: Served, model: MessagesApi, to: str) -> None:
    async with asked.local() as client:
        answer = await post(client, to=to)
    assert (answer.status_code, model.requests) == (404, [])


async def test_an_answer_that_takes_long_is_fetched(asked: Served, model: MessagesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_routes, "_WAIT_S", 0.05)
    model.gate.clear()
    mine = token_of(asked, TokenScope.AGENT_ASK, name="mine")
    theirs = token_of(asked, TokenScope.AGENT_ASK, name="theirs")
    async with asked.remote(mine) as client, asked.remote(theirs) as stranger:
        begun = await post(client, "slow")
        assert (begun.status_code, begun.json()["state"]) == (202, "running")
        where = f"/api/agent/runs/{begun.json()['id']}"
        assert (await stranger.get(where)).status_code == 404
        for _ in range(3):
            await post(client)
        full = await post(client)
        assert (full.status_code, full.json()["error"]["code"]) == (409, "too_many_runs")
        model.gate.set()
        async with asyncio.timeout(30):
            while (shown := (await client.get(where)).json())["state"] == "running":
                pass
    assert shown["result"]["text"] == "Buy milk."


async def test_what_goes_wrong_is_said_without_the_models_words(asked: Served, model: MessagesApi) -> None:
    model.script = lambda _: Fail(400, "invalid_request_error", message="Your credit balance is too low to access the API.")
    async with asked.local() as client:
        answer = await post(client, "again")
        assert answer.status_code == 503
        assert "credit" in answer.json()["error"]["message"]
        model.script = lambda _: Say("Better.")
        assert (await post(client, "again")).json()["result"]["text"] == "Better."
        wrong = await post(client, to=ANNA, persona="work")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "bad_request")
        assert (await post(client, message="")).status_code == 422


@pytest.mark.parametrize(
    ("scope", "to", "status"),
    [
        (TokenScope.AGENT_ASK, "none", 200),
        (TokenScope.AGENT_ASK, "self", 200),
        (TokenScope.AGENT_ASK, ANNA, 403),
        (TokenScope.AGENT_DRAFT, ANNA, 200),
        (TokenScope.AGENT_DRAFT, "none", 403),
        (TokenScope.AGENT_DRAFT, "self", 403),
        (TokenScope.DRAFTS_DECIDE, ANNA, 403),
        (TokenScope.ALL, ANNA, 200),
    ],
)
async def test_asking_and_drafting_are_two_rights(
    asked: Served, model: MessagesApi, scope: TokenScope, to: str, status: int
) -> None:
    async with asked.remote(token_of(asked, scope)) as client:
        answer = await post(client, to=to)
    assert (answer.status_code, len(model.requests)) == (status, int(status == 200))


async def test_a_gateway_that_stops_ends_what_is_under_way(
    serve: Serve, model: MessagesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_routes, "_WAIT_S", 0.05)
    model.script = lambda _: Silence()
    async with serve(settings=settings_of(model)) as running, running.local() as client:
        assert (await post(client)).status_code == 202
    assert running.api.server is not None
    runs = running.api.server.runs
    assert runs._runs
    assert all(run.task.done() for run in runs._runs.values())
    with pytest.raises(UnavailableError):
        runs.take("", "", "", asyncio.Event().wait)  # type: ignore[arg-type]
