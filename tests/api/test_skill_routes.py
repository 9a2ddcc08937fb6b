"""Skills and proposals over the API: what the command line can do, but that code is approved on the machine only."""

import json
from pathlib import Path

import pytest
from api.serving import Served
from flows.test_proposals import CODE, TOOLS
from skills.folders import lay, skill_files

from secondme.core.clock import SystemClock, from_ms
from secondme.core.config.files import read_env_file
from secondme.core.enums import Tier
from secondme.core.messages import Origin, ToolCall, ToolTurn
from secondme.services import Services

CONFIG = {"key": {"type": "secret", "label": "Key"}, "city": {"type": "string"}, "days": {"type": "integer", "default": 3}}


def put(served: Served, name: str = "list", **more: object) -> Path:
    files = skill_files(name, code=CODE, permissions=["storage"], tools=TOOLS, **more)
    return lay(served.setup.places.skills / name, files)


async def test_a_skill_is_listed_shown_switched_on_and_off(served: Served) -> None:
    async with served.local() as client:
        listed = (await client.get("/api/skills")).json()["skills"]
        assert [(each["name"], each["state"], each["enabled"]) for each in listed if each["name"] == "clock"] == [
            ("clock", "disabled", False)
        ]
        on = (await client.post("/api/skills/clock")).json()
        assert (on["state"], on["enabled"], on["tools"], on["audience"]) == ("enabled", True, ["clock_there"], "standard")
        shown = (await client.get("/api/skills/clock")).json()
        assert shown["sheet"]["tools"][0]["access"] == "read"
        assert (await client.delete("/api/skills/clock")).json()["enabled"] is False
        assert (await client.get("/api/skills/nobody")).status_code == 404
        assert (await client.post("/api/skills/Bad_Name")).status_code == 422


async def test_what_was_never_approved_cannot_be_switched_on(served: Served) -> None:
    put(served)
    async with served.local() as client:
        answer = await client.post("/api/skills/list")
        assert answer.status_code == 409
        assert answer.json()["error"]["fix"] == "secondme skills approve list"
        digest = (await client.get("/api/skills/list")).json()["sheet"]["digest"]
        wrong = await client.post("/api/skills/list/approve", json={"digest": f"sha256:{'0' * 64}"})
        assert wrong.status_code == 409
        right = await client.post("/api/skills/list/approve", json={"digest": digest})
        assert (right.status_code, right.json()["enabled"]) == (200, True)


async def test_code_is_not_approved_by_who_has_only_the_token(served: Served) -> None:
    put(served)
    async with served.remote() as client:
        digest = (await client.get("/api/skills/list")).json()["sheet"]["digest"]
        answer = await client.post("/api/skills/list/approve", json={"digest": digest})
        assert answer.status_code == 404
        assert (await client.get("/api/skills/list")).json()["state"] == "new"
        assert (await client.post("/api/skills/clock")).status_code == 200


async def test_settings_are_all_taken_or_none_and_a_secret_is_never_told(served: Served) -> None:
    put(served, config=CONFIG)
    async with served.local() as client:
        digest = (await client.get("/api/skills/list")).json()["sheet"]["digest"]
        await client.post("/api/skills/list/approve", json={"digest": digest})
        refused = await client.put("/api/skills/list", json={"config": {"city": "Rome", "days": "many"}})
        assert refused.status_code in {400, 422}
        assert (await client.put("/api/skills/list", json={"config": {"town": "Rome"}})).status_code == 404
        answer = await client.put("/api/skills/list", json={"config": {"city": "Rome", "days": 5, "key": "sk-canary"}})
        rows = {row["name"]: (row["value"], row["set"]) for row in answer.json()["config"]}
        assert rows == {"key": (None, True), "city": ("Rome", True), "days": (5, True)}
        assert "canary" not in (await client.get("/api/skills/list")).text + (await client.get("/api/skills")).text
        assert read_env_file(served.setup.places.env_file)["SECONDME_SKILL_SECRETS__LIST__KEY"] == "sk-canary"
        keys = [key async for key in served.store.client.scan_iter("SKILLS:*")]
        values = [await served.store.client.hgetall(key) for key in keys if b"config" in key]
        assert "canary" not in str(values)
        gone = await client.put("/api/skills/list", json={"config": {"city": None, "key": None}})
        assert {row["name"]: row["set"] for row in gone.json()["config"]} == {"key": False, "city": False, "days": True}


@pytest.fixture
async def proposing(town_hall: Served) -> Served:
    """Anna's message made the model propose something."""
    put(town_hall)
    services = Services(town_hall.setup, town_hall.store)
    await services.skill_catalog.approve("list")
    await services.pairing.edit("local:anna", tier=Tier.TRUSTED)
    turn = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:anna", "local", "m7")
    for title in ("milk", "bread\x1b[2J"):
        assert (await services.toolbox.call(turn, ToolCall("t", "list_add", {"title": title}))).code == ""
    await services.close()
    return town_hall


async def test_a_proposal_is_listed_done_once_or_dropped(proposing: Served) -> None:
    async with proposing.local() as client:
        answer = await client.get("/api/proposals")
        waiting = answer.json()["proposals"]
        assert [(each["contactId"], each["skill"], each["tool"], each["input"]["title"]) for each in waiting] == [
            ("local:anna", "list", "add", "milk"),
            ("local:anna", "list", "add", "bread[2J"),
        ]
        assert from_ms(SystemClock().now_ms()).year >= 2026
        milk, bread = (each["id"] for each in waiting)
        done = await client.post(f"/api/proposals/{milk[:6]}/approve")
        assert done.json() == {"id": milk, "contactId": "local:anna", "outcome": "done"}
        assert (await client.post(f"/api/proposals/{milk}/approve")).status_code == 404
        assert (await client.delete(f"/api/proposals/{bread}")).json()["outcome"] == "dropped"
        assert (await client.get("/api/proposals")).json() == {"proposals": []}
        calls = (await client.get("/api/skills/list/calls")).json()["calls"]
        assert [(call["tool"], call["code"], call["contactId"]) for call in calls] == [("add", "ok", None)]
        assert "milk" not in json.dumps(calls)
