"""Reminders by skill: a contact proposes, the owner decides, and only then there is a job; the list is the owner's alone."""

import json

import pytest
from fakes.town import Town

from secondme.core.enums import Tier
from secondme.core.messages import Origin, ToolCall, ToolTurn
from secondme.job_desk import job_desk

ANNA = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:anna", "local", "m1")


@pytest.fixture
async def ready(town: Town) -> Town:
    await town.let_in("anna", Tier.TRUSTED)
    await town.services.skill_catalog.enable("reminders")
    return town


async def call(town: Town, turn: ToolTurn, tool: str, **words: object) -> tuple[str, str]:
    result = await town.services.toolbox.call(turn, ToolCall("t", f"reminders_{tool}", words))
    return result.code, result.text


async def test_what_a_contact_wants_is_a_proposal_and_a_job_once_the_owner_says_so(ready: Town) -> None:
    code, text = await call(ready, ANNA, "set", when="in 2h", text="bring\nthe \u202ekeys")
    assert (code, json.loads(text)["state"]) == ("", "proposed")
    assert await job_desk(ready.services).all() == []
    (proposal,) = await ready.services.proposals.waiting()
    assert proposal.input == {"when": "in 2h", "text": "bring\nthe \u202ekeys"}
    _, done = await ready.services.proposals.approve(proposal.proposal_id)
    assert not done.code, done
    (view,) = await job_desk(ready.services).all()
    assert (view.job.kind, view.job.target, view.job.text, view.job.origin) == ("say", "self", "bring the keys", "skill")


async def test_the_list_is_the_owners_alone(ready: Town) -> None:
    await job_desk(ready.services).remind("in 3h call the dentist")
    code, text = await call(ready, ToolTurn(Origin.OWNER), "list")
    assert not code
    assert "call the dentist" in text
    code, text = await call(ready, ANNA, "list")
    assert code
    assert "dentist" not in text


async def test_a_time_that_is_over_when_the_owner_says_yes_makes_nothing(ready: Town) -> None:
    await call(ready, ANNA, "set", when="2020-01-01 9:00", text="too late")
    (proposal,) = await ready.services.proposals.waiting()
    _, done = await ready.services.proposals.approve(proposal.proposal_id)
    assert done.code == "past"
    assert await job_desk(ready.services).all() == []
