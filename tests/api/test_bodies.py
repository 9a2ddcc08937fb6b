"""What a caller may send and leave out: bodies by their description, their kind, and answers that say of a change what reading says of it."""

import json
import re
from typing import Any

import pytest
from api.serving import Served
from api.test_document import DOCUMENT, OPERATIONS

from secondme.core.api.problems import is_json

WITH_BODY = [(method, path, each["requestBody"]) for method, path, each in OPERATIONS if "requestBody" in each]
NAMES = {
    "{contact}": "local:anna",
    "{draft}": "beef",
    "{channel}": "local",
    "{name}": "clock",
    "{job}": "3f2a9c01",
    "{fact}": "3f2a91c0",
}
KINDS = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/json",
    "application/xml",
    "application/jsonp",
    "",
]


def called(path: str) -> str:
    return re.sub(r"\{\w+\}", lambda name: NAMES[name[0]], path)


@pytest.mark.parametrize(("method", "path", "body"), WITH_BODY, ids=lambda value: value if isinstance(value, str) else "")
def test_a_body_is_described_as_what_it_is_when_it_is_there(method: str, path: str, body: dict[str, Any]) -> None:
    (kind, content), *others = body["content"].items()
    assert (kind, others) == ("application/json", [])
    schema = content["schema"]
    assert {"type": "null"} not in schema.get("anyOf", [])
    assert ("$ref" in schema) != (path == "/api/hooks/{job}"), method
    assert body.get("required") in {None, True}
    if "$ref" in schema and body.get("required") is None:
        shape = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert shape.get("required", []) == []


def test_only_routes_that_take_a_body_refuse_its_kind() -> None:
    assert {(method, path) for method, path, each in OPERATIONS if "415" in each["responses"]} == {
        (method, path) for method, path, _ in WITH_BODY
    }
    assert len(WITH_BODY) > 15


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_is_not_said_to_be_json_is_refused_by_every_route_that_takes_one(town_hall: Served, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    bodies = [b'{"minutes":5}', b"minutes=5", b"[" * 200]
    async with town_hall.local() as client:
        answers = {
            (method, path, (await client.request(method, called(path), content=body, headers=headers)).text)
            for method, path, _ in WITH_BODY
            for body in bodies
        }
        pauses = (await client.get("/api/pause")).json()
    assert len(answers) == len(WITH_BODY)
    for _, _, text in answers:
        assert json.loads(text)["error"] == {
            "code": "unsupported_media_type",
            "message": "The body is not said to be JSON.",
            "fix": "Send it with the header Content-Type: application/json.",
        }
    assert "everybody" not in pauses


async def test_who_may_not_call_a_route_is_not_told_how(town_hall: Served) -> None:
    async with town_hall.remote("wrong") as client:
        answer = await client.post("/api/pause", content=b"minutes=5", headers={"content-type": "text/plain"})
    assert answer.status_code == 401


async def test_nothing_is_no_body_whatever_kind_it_is_said_to_be(town_hall: Served) -> None:
    async with town_hall.local() as client:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post("/api/pause", headers=headers)).status_code == 200
        assert (await client.post("/api/kill", content=b"x", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (b"application/json", True),
        (b"Application/JSON ; charset=utf-8", True),
        (b"application/problem+json", True),
        (b"application/a/b+json", False),
        (b"text/json", False),
        (b"", False),
    ],
)
def test_what_is_said_to_be_json(kind: bytes, *, expected: bool) -> None:
    assert is_json(kind) is expected


async def test_a_change_is_answered_as_reading_it_is(town_hall: Served) -> None:
    """Every key that reading says of a thing, the answer to a change of it says too, and the same."""
    contact = "local:anna"
    changes = [
        ("POST", "/api/kill", None, "/api/kill"),
        ("DELETE", "/api/kill", None, "/api/kill"),
        ("POST", "/api/pause", {"minutes": 5}, "/api/pause"),
        ("DELETE", "/api/pause", None, "/api/pause"),
        ("POST", f"/api/pause/{contact}", {"minutes": 5}, f"/api/pause/{contact}"),
        ("DELETE", f"/api/pause/{contact}", None, f"/api/pause/{contact}"),
        ("PATCH", f"/api/pairing/approved/{contact}", {"notes": "sister"}, "/api/pairing/approved"),
    ]
    async with town_hall.local() as client:
        for method, path, body, reading in changes:
            said = (await client.request(method, path, json=body)).json()
            read = (await client.get(reading)).json()
            of_it = {name: value for name, value in read.items() if name not in {"contacts", "errors", "stats"}}
            if "approved" in reading:
                (anna,) = read["contacts"]
                of_it = {name: anna[name] for name in ("contactId", "displayName", "tier", "notes")}
            assert {name: said.get(name) for name in of_it} == of_it, (method, path)
        made = (await client.post("/api/jobs", json={"name": "tea", "say": "Tea!", "cron": "0 16 * * *"})).json()
        job = f"/api/jobs/{made['id']}"
        assert made == (await client.get(job)).json()
        for verb in ("pause", "resume"):
            assert (await client.post(f"{job}/{verb}")).json() == (await client.get(job)).json()
        assert (await client.patch(job, json={"name": "coffee"})).json() == (await client.get(job)).json()
        invite = (await client.post("/api/pairing/invites")).json()
        assert [invite] == (await client.get("/api/pairing/invites")).json()["invites"]
        grant = (await client.post("/api/grants", json={"contact": contact, "category": "greet"})).json()
        assert [grant] == (await client.get("/api/grants")).json()["grants"]


async def test_a_channel_is_called_connected_only_by_its_state(town_hall: Served) -> None:
    async with town_hall.local() as client:
        assert (await client.post("/api/channels/local/connect")).json() == {"id": "local", "outcome": "starting"}
        refused = await client.post("/api/channels/telegram/connect")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_linked")
        assert (await client.post("/api/channels/local/disconnect")).json()["outcome"] == "disconnected"
        (local,) = [each for each in (await client.get("/api/channels")).json()["channels"] if each["id"] == "local"]
        assert local["disconnected"]
