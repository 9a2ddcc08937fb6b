"""Jobs over the API: made, listed, changed, run, paused and removed, by whole ids only; and who may be written to unasked."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from api.serving import Serve, Served
from fakes.job_house import NOON, JobHouse
from fakes.model import ScriptedModel
from fakes.store_clock import StoreClock, moved

from secondme.core.clock import to_ms
from secondme.core.config.loader import load
from secondme.core.store import keys
from secondme.core.tokens import NamedTokens, TokenScope

DAILY = {"name": "tea", "cron": "0 16 * * *", "zone": "Europe/Berlin", "say": "Tea"}
QUIET = {"pacing.enabled": False, "sleep.enabled": False, "sleep.timezone": "Europe/Berlin", "persona.name": "Sam"}


@pytest.fixture
async def house(serve: Serve, redis_url: str, model: ScriptedModel) -> AsyncIterator[tuple[Served, JobHouse]]:
    """An API over a town in which it is noon, with somebody who runs jobs when told to."""
    with moved():
        clock = StoreClock(redis_url, to_ms(NOON))
        async with serve(settings=QUIET) as served:
            house = JobHouse(served.setup, served.store, model, clock)
            await house.begin()
            await house.town.let_in("anna")
            yield served, house


def problem(answer: httpx.Response) -> tuple[int, str, bool]:
    """Its status, its code, and whether it says what to do."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], bool(error["fix"])


async def test_a_job_is_made_listed_and_shown(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    async with served.local() as client:
        answer = await client.post("/api/jobs", json=DAILY)
        made = answer.json()
        assert (answer.status_code, made["name"], made["kind"], made["to"], made["origin"]) == (201, "tea", "say", "self", "api")
        assert (made["next"], len(made["coming"])) == ("2026-11-30T15:00:00Z", 5)
        assert made["schedule"] == {"kind": "cron", "expr": "0 16 * * *", "zone": "Europe/Berlin"}
        assert (await client.get("/api/jobs")).json() == {"off": False, "jobs": [made]}
        assert (await client.get(f"/api/jobs/{made['id']}")).json() == made


@pytest.mark.parametrize(
    ("when", "schedule"),
    [
        ({"everySeconds": 7200}, {"kind": "every", "everyS": 7200}),
        ({"at": "tomorrow 9:00"}, {"kind": "at", "said": "tomorrow 9:00"}),
        ({"at": "2026-12-01T08:00:00Z"}, {"kind": "at", "atMs": 1_796_112_000_000}),
        ({"when": "owed 6h"}, {"kind": "trigger", "name": "owed", "amount": 6.0}),
        ({"onCall": True}, {"kind": "call"}),
    ],
)
async def test_a_job_comes_in_one_of_five_ways(
    house: tuple[Served, JobHouse], when: dict[str, Any], schedule: dict[str, Any]
) -> None:
    served, _ = house
    async with served.local() as client:
        made = (await client.post("/api/jobs", json={"name": "x", "say": "Tea", **when})).json()
        assert made["schedule"] | schedule == made["schedule"]


async def test_a_job_is_changed_paused_resumed_and_removed(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    async with served.local() as client:
        job = f"/api/jobs/{(await client.post('/api/jobs', json=DAILY)).json()['id']}"
        changed = (await client.patch(job, json={"text": "Coffee", "name": "coffee", "cron": "30 13 * * 1-5"})).json()
        assert (changed["text"], changed["name"], changed["next"]) == ("Coffee", "coffee", "2026-11-30T12:30:00Z")
        assert changed["schedule"]["zone"] == "Europe/Berlin"
        paused = (await client.post(f"{job}/pause")).json()
        assert (paused["enabled"], paused["why"], paused["next"], paused["coming"]) == (False, "paused", None, [])
        assert (await client.post(f"{job}/resume")).json()["enabled"] is True
        assert (await client.delete(job)).json()["outcome"] == "removed"
        assert (await client.get(job)).status_code == 404
        assert (await client.delete(job)).status_code == 404


async def test_a_job_that_is_called_is_run_by_the_next_who_looks(house: tuple[Served, JobHouse]) -> None:
    served, jobs = house
    async with served.local() as client:
        job = f"/api/jobs/{(await client.post('/api/jobs', json=DAILY)).json()['id']}"
        answer = await client.post(f"{job}/run")
        assert (answer.status_code, answer.json()["outcome"]) == (202, "called")
        assert jobs.told() == []
        assert await jobs.keeper.step() == 1
        await jobs.town.deliver()
        assert jobs.told() == ["Tea"]
        (run,) = (await client.get(f"{job}/runs")).json()["runs"]
        assert (run["outcome"], len(run["platformIds"]), run["occurrence"]) == ("sent", 1, "2026-11-30T12:00:00Z")
        shown = (await client.get(job)).json()
        assert (shown["last"], shown["next"]) == (run, "2026-11-30T15:00:00Z")


async def test_the_same_call_is_one_run(house: tuple[Served, JobHouse]) -> None:
    served, jobs = house
    async with served.local() as client:
        job = f"/api/jobs/{(await client.post('/api/jobs', json=DAILY)).json()['id']}/run"
        calls = [await client.post(job, headers={"idempotency-key": key}) for key in ("a", "a", "b")]
        assert [(call.status_code, call.json()["outcome"]) for call in calls] == [
            (202, "called"),
            (202, "already_called"),
            (202, "called"),
        ]
        while "limit" not in (answer := await client.post(job)).text and answer.status_code == 202:
            pass
        assert problem(answer) == (409, "too_many_calls", True)
        assert await jobs.keeper.step() >= 1


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"zone": "Europe/Berln"}, (422, "unknown_zone", True)),
        ({"cron": "* * * * *"}, (422, "too_often", True)),
        ({"cron": "0 0 30 2 *"}, (422, "bad_schedule", True)),
        ({"cron": "noon"}, (422, "bad_schedule", True)),
        ({"cron": None, "everySeconds": 60}, (422, "too_often", True)),
        ({"cron": None, "at": "yesterday"}, (422, "bad_time", True)),
        ({"cron": None, "at": "2020-01-01 9:00"}, (422, "past", True)),
        ({"cron": None, "when": "sunshine"}, (422, "unknown_trigger", True)),
        ({"cron": None}, (422, "no_schedule", True)),
        ({"onCall": True}, (422, "no_schedule", True)),
        ({"say": None}, (422, "no_words", True)),
        ({"say": "\u200b"}, (422, "no_words", True)),
        ({"ask": "who?"}, (422, "no_words", True)),
        ({"until": "soon"}, (422, "bad_time", True)),
        ({"to": "local:anna"}, (422, "wrong_target", True)),
        ({"say": None, "write": "hi"}, (422, "wrong_target", True)),
        ({"say": None, "write": "hi", "to": "local:nobody"}, (404, "not_found", True)),
        ({"say": None, "write": "hi", "to": "anna"}, (404, "not_found", True)),
        ({"kind": "digest"}, (422, "invalid_request", True)),
    ],
)
async def test_what_cannot_be_is_refused_and_says_why(
    house: tuple[Served, JobHouse], changes: dict[str, Any], refusal: tuple[int, str, bool]
) -> None:
    served, _ = house
    async with served.local() as client:
        assert problem(await client.post("/api/jobs", json=DAILY | changes)) == refusal
        assert (await client.get("/api/jobs")).json()["jobs"] == []


async def test_only_a_whole_id_finds_a_job(house: tuple[Served, JobHouse]) -> None:
    """One that guesses names would hit another job."""
    served, _ = house
    async with served.local() as client:
        whole = (await client.post("/api/jobs", json=DAILY)).json()["id"]
        for guess in {whole[:4], "tea", whole + "0", whole.upper()} - {whole}:  # some ids have no letter
            for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/run"), ("POST", "/pause"), ("GET", "/runs")):
                assert (await client.request(method, f"/api/jobs/{guess}{path}")).status_code in {404, 422}
            assert (await client.patch(f"/api/jobs/{guess}", json={"name": "x"})).status_code in {404, 422}
        assert [job["name"] for job in (await client.get("/api/jobs")).json()["jobs"]] == ["tea"]


async def test_a_change_says_one_time_at_most(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    async with served.local() as client:
        job = f"/api/jobs/{(await client.post('/api/jobs', json=DAILY)).json()['id']}"
        for wrong in ({"cron": "0 9 * * *", "at": "tomorrow 9:00"}, {"zone": "Europe/Madrid"}):
            assert problem(await client.patch(job, json=wrong)) == (422, "no_schedule", True)
        assert problem(await client.patch(job, json={"cron": "0 9 * * *", "zone": "Nowhere/At_All"})) == (422, "unknown_zone", True)
        assert (await client.patch(job, json={"text": " "})).status_code == 422


async def test_a_reminder_that_is_over_does_not_go_on(house: tuple[Served, JobHouse]) -> None:
    served, jobs = house
    async with served.local() as client:
        job = f"/api/jobs/{(await client.post('/api/jobs', json={'name': 'x', 'say': 'Tea', 'at': 'in 20m'})).json()['id']}"
        await jobs.pass_time(NOON + timedelta(hours=1))
        shown = (await client.get(job)).json()
        assert (shown["enabled"], shown["why"], shown["last"]["outcome"]) == (False, "done", "sent")
        assert problem(await client.post(f"{job}/resume")) == (422, "over", True)


async def test_a_ready_made_job_is_switched_on_and_is_a_job_like_others(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    async with served.local() as client:
        assert {each["id"]: each["on"] for each in (await client.get("/api/jobs/ready")).json()["jobs"]}["digest"] is False
        chosen = await client.post("/api/jobs/ready/digest", json={"cron": "0 8 * * *", "zone": "Europe/Madrid"})
        assert (chosen.status_code, chosen.json()["next"], chosen.json()["origin"]) == (200, "2026-12-01T07:00:00Z", "ready")
        assert (await client.post("/api/jobs/ready/digest")).json()["schedule"]["expr"] == "30 7 * * *"
        assert {each["id"]: each["on"] for each in (await client.get("/api/jobs/ready")).json()["jobs"]}["digest"] is True
        assert (await client.get("/api/jobs/digest")).json()["kind"] == "digest"
        assert (await client.post("/api/jobs/ready/run")).status_code == 404


async def test_jobs_say_which_token_made_them(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    now = datetime.now(UTC)
    secret = NamedTokens(served.setup.places.api_tokens).make("zapier", [TokenScope.JOBS_WRITE], now, now + timedelta(days=1))[1]
    async with served.remote(secret) as client:
        assert (await client.post("/api/jobs", json=DAILY)).json()["origin"] == "api:zapier"
        assert (await client.get("/api/jobs")).status_code == 403


async def test_a_token_that_may_only_run_jobs_makes_and_reads_none(house: tuple[Served, JobHouse]) -> None:
    served, jobs = house
    now = datetime.now(UTC)
    secret = NamedTokens(served.setup.places.api_tokens).make("button", [TokenScope.JOBS_RUN], now, now + timedelta(days=1))[1]
    async with served.local() as owner, served.remote(secret) as client:
        job = f"/api/jobs/{(await owner.post('/api/jobs', json=DAILY)).json()['id']}"
        assert (await client.post(f"{job}/run")).status_code == 202
        assert await jobs.keeper.step() == 1
        for method, path in (("GET", job), ("PATCH", job), ("DELETE", job), ("POST", f"{job}/pause"), ("POST", "/api/jobs")):
            assert (await client.request(method, path, json={})).json()["error"]["code"] == "out_of_scope"


async def test_a_job_for_a_contact_ends_within_a_year_and_what_it_writes_is_a_draft(
    redis_url: str, house: tuple[Served, JobHouse], model: ScriptedModel
) -> None:
    served, jobs = house
    drafting = load({"redis_url": redis_url, "jobs.reach": "drafts", **QUIET}, {}, home=served.setup.places.config)
    there = JobHouse(drafting, served.store, model, jobs.clock)
    async with served.local() as client:
        made = (await client.post("/api/jobs", json={"name": "hi", "onCall": True, "write": "Ask her.", "to": "local:anna"})).json()
        assert (made["to"], made["until"]) == ("local:anna", "2027-12-01T12:00:00Z")
        await client.post(f"/api/jobs/{made['id']}/run")
        assert await there.keeper.step() == 1
        (draft,) = (await client.get("/api/drafts")).json()["drafts"]
        assert (draft["job"], draft["overtaken"], draft["reason"]) == (made["id"], False, "proactive")
        await there.town.writes("anna", "wait!")
        assert (await client.get(f"/api/drafts/{draft['id']}")).json()["overtaken"] is True
        assert problem(await client.post(f"/api/drafts/{draft['id']}/send")) == (409, "overtaken", True)
        assert (await client.post(f"/api/drafts/{draft['id']}/send?anyway=true")).json()["outcome"] == "sent"


async def test_a_grant_is_given_listed_and_taken_back(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    async with served.local() as client:
        given = await client.post("/api/grants", json={"contact": "local:anna", "category": "greet", "days": 7})
        assert (given.status_code, given.json()["until"]) == (201, "2026-12-07T12:00:00Z")
        assert (await client.get("/api/grants")).json()["grants"] == [given.json()]
        for wrong in ({"category": "write"}, {"days": 0}, {"days": 366}):
            answer = await client.post("/api/grants", json={"contact": "local:anna", "category": "greet"} | wrong)
            assert answer.status_code == 422
        assert (await client.post("/api/grants", json={"contact": "anna", "category": "greet"})).status_code == 404
        assert (await client.delete("/api/grants/local:ben/greet")).status_code == 404
        for _ in range(2):
            taken = await client.delete("/api/grants/local:anna/greet")
            assert taken.json() == {"contactId": "local:anna", "category": "greet"}
        assert (await client.get("/api/grants")).json()["grants"] == []


@pytest.mark.parametrize(
    ("scope", "statuses"),
    [
        (TokenScope.JOBS_READ, (200, 403, 403)),
        (TokenScope.JOBS_WRITE, (403, 403, 403)),
        (TokenScope.CONTROL, (403, 403, 200)),
        (TokenScope.ALL, (200, 201, 200)),
    ],
)
async def test_only_who_may_do_everything_gives_a_grant(
    house: tuple[Served, JobHouse], scope: TokenScope, statuses: tuple[int, int, int]
) -> None:
    served, _ = house
    now = datetime.now(UTC)
    secret = NamedTokens(served.setup.places.api_tokens).make("program", [scope], now, now + timedelta(days=1))[1]
    async with served.remote(secret) as client:
        asked = (
            await client.get("/api/grants"),
            await client.post("/api/grants", json={"contact": "local:anna", "category": "greet"}),
            await client.delete("/api/grants/local:anna/greet"),
        )
        assert tuple(answer.status_code for answer in asked) == statuses


async def test_a_job_that_cannot_be_read_is_said_and_hides_no_other(house: tuple[Served, JobHouse]) -> None:
    served, _ = house
    async with served.local() as client:
        made = (await client.post("/api/jobs", json=DAILY)).json()
        await served.store.client.set(keys.job_definition("broken01"), json.dumps({"id": "broken01"}))
        await served.store.client.zadd(keys.JOBS_INDEX, {"broken01": 1})
        assert [job["id"] for job in (await client.get("/api/jobs")).json()["jobs"]] == [made["id"]]
        assert problem(await client.get("/api/jobs/broken01")) == (500, "corrupt_record", True)
