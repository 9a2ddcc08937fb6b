"""The requests we send, byte for byte: recorded conversations, the real rooms, the real SDK, a server that speaks the Messages API.

A change of a prompt shows in the snapshots beside this file; `UPDATE_SNAPSHOTS=1` writes them anew.
"""

import json
import os
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.messages_api import MessagesApi, Say, messages_api
from fakes.model import ScriptedModel
from fakes.town import Town

from secondme.core.admit.store import ContactChoices
from secondme.core.clock import from_ms
from secondme.core.config.loader import Setup, load
from secondme.core.enums import Relationship
from secondme.core.ids import ContactId
from secondme.core.providers.claude import Claude
from secondme.core.records import Burst, OwnMessage, Turn
from secondme.core.remember.store import RelationshipStore, StyleStore
from secondme.core.reply.agent import NoReply, Reply
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.services import Services

NOW = datetime(2026, 11, 20, 14, 5, tzinfo=UTC)
HERE = Path(__file__).parent
CONVERSATIONS = sorted((HERE / "conversations").glob("*.toml"))
SNAPSHOTS = HERE / "__snapshots__"


@dataclass
class Scene:
    """The store and the vendor's server."""

    setup: Setup
    store: Store
    town: Town
    api: MessagesApi

    async def stage(self, told: dict[str, Any]) -> Burst:
        """Everything the recorded conversation says has happened; what answers its burst at `NOW`."""
        contact = ContactId(f"local:{told['contact']}")
        personas = self.setup.places.personas
        personas.mkdir(parents=True, exist_ok=True)
        for name, persona in told.get("persona", {}).items():
            (personas / f"{name}.md").write_text(persona["text"])
        await self.town.writes(told["contact"], "hi", display_name=told["name"])
        await self.town.owner.approve(contact, notes=told.get("notes", ""))
        if told.get("relationship"):
            await RelationshipStore(self.store).set_by_owner(contact, Relationship(told["relationship"]))
        if told.get("chosen"):
            await ContactChoices(self.store).set_persona(contact, told["chosen"])
        await StyleStore(self.store).add(contact, own_messages(told))
        for number, line in enumerate(told.get("history", [])):
            await self.remember(contact, number, line)
        for number, text in enumerate(told["burst"]):
            await self.town.writes(told["contact"], text, sent_at=NOW - timedelta(seconds=30 - number), message_id=f"b{number}")
        (token,) = await self.town.tokens()
        burst = await self.town.inbox.begin(token, "w")
        assert isinstance(burst, Burst)
        return replace(burst, now_ms=int(NOW.timestamp() * 1000))

    async def remember(self, contact: ContactId, number: int, line: dict[str, Any]) -> None:
        at = NOW - timedelta(minutes=line["minutes_ago"])
        text = line["text"].replace("REPEAT", "س " * line.get("repeat", 0)).strip()
        kind = {"contact": "incoming", "owner": "fromMe", "clone": "outgoing"}[line["who"]]
        role = "user" if kind == "incoming" else "assistant"
        turn = Turn(id=f"h{number}", role=role, content=text, timestamp=at, type=kind)  # type: ignore[arg-type]
        await self.store.client.zadd(keys.history(contact), {turn.encode(): at.timestamp() * 1000})


def told_in(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def kept(name: str, shown: str) -> str:
    """What the snapshot says; `shown` when it is written anew."""
    snapshot = SNAPSHOTS / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(shown, "utf-8")
    return snapshot.read_text("utf-8")


def own_messages(told: dict[str, Any]) -> list[OwnMessage]:
    start = NOW - timedelta(days=30)
    return [
        OwnMessage(
            id=f"o{number}",
            at=start + timedelta(hours=number),
            text=each["text"],
            before=each.get("before", ""),
            follows=each.get("follows", False),
        )
        for number, each in enumerate(told.get("own", []))
    ]


@pytest.fixture
async def scene(redis_url: str, store: Store, model: ScriptedModel, tmp_path: Path) -> AsyncIterator[Scene]:
    async with messages_api() as api:
        flags = {
            "redis_url": redis_url,
            "persona.name": "Sam",
            "pacing.enabled": False,
            "sleep.enabled": False,
            "sleep.timezone": "Europe/Madrid",
            "model.api_key": "sk-test",
            "model.base_url": api.url,
        }
        setup = load(flags, {}, home=tmp_path / "home")
        yield Scene(setup, store, Town(setup, store, model, Random(1)), api)


async def composed(scene: Scene, burst: Burst) -> Reply | NoReply:
    claude = Claude(scene.setup.settings.model)
    try:
        return await Services(scene.setup, scene.store).agent(claude).compose_reply(burst)
    finally:
        await claude.close()


@pytest.mark.parametrize("path", CONVERSATIONS, ids=[path.stem for path in CONVERSATIONS])
async def test_what_we_send_is_what_was_recorded(scene: Scene, path: Path) -> None:
    told = told_in(path)
    scene.api.script = lambda _: Say(told.get("answer", "ok"))
    reply = await composed(scene, await scene.stage(told))
    assert isinstance(reply, Reply), reply
    assert (reply.hold, reply.fault) == ("", "")
    sent = [request.body for request in (*scene.api.routed, *scene.api.requests)]
    shown = json.dumps(sent, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    assert shown == kept(path.stem, shown)


@pytest.mark.parametrize("path", CONVERSATIONS, ids=[path.stem for path in CONVERSATIONS])
def test_each_part_of_a_request_is_where_it_belongs(path: Path) -> None:
    told = told_in(path)
    (body,) = [each for each in json.loads((SNAPSHOTS / f"{path.stem}.json").read_text("utf-8")) if "<style_guide>" in str(each)]
    rules, about, *rest = body["system"]
    assert [("cache_control" in block) for block in body["system"]] == [True, True] + [False] * len(rest)
    assert rules["text"].count("<style_guide>") == rules["text"].count("</style_guide>") == 1
    assert about["text"].count("<contact>") == about["text"].count("</contact>") == 1
    assert all(block["text"].count("</examples>") <= 1 for block in rest)
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"] * (len(body["messages"]) // 2) + ["user"]
    assert body["messages"][-1]["content"].endswith("\n".join(told["burst"]))
    assert ("haiku" in body["model"]) == (path.stem == "en-small-talk")
    assert ("AI assistant and that Sam reads along" in str(rest)) == (path.stem == "ru-asks")


async def test_who_asks_is_handed_over_where_the_owner_wants_that(scene: Scene) -> None:
    told = told_in(HERE / "conversations" / "ru-asks.toml")
    setup = load(
        {"redis_url": "unix:///nowhere", "disclosure.policy": "handover", "persona.name": "Sam"}, {}, home=scene.setup.places.config
    )
    scene.setup = setup
    assert await composed(scene, await scene.stage(told)) == NoReply("handed_over")
    assert scene.api.requests == scene.api.routed == []


def test_the_recorded_now_is_the_one_in_the_prompts() -> None:
    assert from_ms(int(NOW.timestamp() * 1000)) == NOW
    assert any("It is Friday, 2026-11-20, 15:05." in path.read_text("utf-8") for path in SNAPSHOTS.glob("*.json"))
