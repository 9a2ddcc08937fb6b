"""What a skill would change: proposed once for a trusted contact, decided once by the owner, done by the code that proposed it."""

import asyncio
from pathlib import Path

import pytest
from fakes.town import Town
from skills.folders import lay, skill_files

from secondme.core.enums import Tier
from secondme.core.errors import NotFoundError
from secondme.core.ids import ContactId
from secondme.core.messages import Asked, Composed, ModelOutcome, Origin, Prompt, ToolCall, ToolTurn, Usage
from secondme.core.store import keys

CODE = """
def add(input, ask):
    ask("kv_set", key="done", value=input["title"])
    return {"added": input["title"]}
"""
TOOLS = [
    {
        "name": "add",
        "access": "write",
        "description": "Add something to the list.",
        "input_schema": {
            "type": "object",
            "properties": {"title": {"type": "string", "maxLength": 40}},
            "required": ["title"],
            "additionalProperties": False,
        },
    }
]


async def with_list(town: Town, auto: frozenset[str] = frozenset()) -> None:
    """The owner has an approved skill that writes."""
    lay(town.setup.places.skills / "list", skill_files("list", code=CODE, permissions=["storage"], tools=TOOLS))
    await town.services.skill_catalog.approve("list", auto=auto)


def wants(title: str) -> object:
    def script(prompt: Prompt) -> ModelOutcome:
        if prompt.exchanges or not prompt.tools:
            return Composed("I passed it on.", Usage(10, 5))
        block = {"type": "tool_use", "id": "t1", "name": "list_add", "input": {"title": title}}
        return Asked((block,), (ToolCall("t1", "list_add", {"title": title}),), Usage(10, 5))

    return script


async def asked(town: Town, tier: Tier = Tier.TRUSTED, title: str = "milk") -> None:
    """A contact's message made the model use the tool, or try to."""
    await town.let_in("anna", tier)
    town.model.script = wants(title)  # type: ignore[assignment]
    await town.writes("anna", "can you put milk on your list?")
    await town.work()


async def remembered(town: Town) -> object:
    return await town.services.skill_store.remembered("list", "done", "local:owner")


async def test_a_write_for_a_contact_waits_and_is_done_at_the_owner_s_word(town: Town) -> None:
    await with_list(town)
    await asked(town)
    (waiting,) = await town.services.proposals.waiting()
    assert (waiting.skill, waiting.tool, waiting.input, waiting.contact_id) == ("list", "add", {"title": "milk"}, "local:anna")
    assert "not done" in town.model.prompts[1].exchanges[0].results[0][1].text
    assert await remembered(town) is None
    done, result = await town.services.proposals.approve(waiting.proposal_id[:6])
    assert (done.proposal_id, result.code, result.text) == (waiting.proposal_id, "", '{"added": "milk"}')
    assert await remembered(town) == "milk"
    assert await town.services.proposals.waiting() == []
    with pytest.raises(NotFoundError):
        await town.services.proposals.approve(waiting.proposal_id)


async def test_a_standard_contact_is_not_offered_it(town: Town) -> None:
    await with_list(town)
    await asked(town, Tier.STANDARD)
    assert town.model.prompts[0].tools == ()
    assert await town.services.proposals.waiting() == []


async def test_the_same_message_worked_on_again_proposes_nothing_more(town: Town) -> None:
    await with_list(town)
    await town.let_in("anna", Tier.TRUSTED)
    turn = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:anna", "local", "m7")
    call = ToolCall("t1", "list_add", {"title": "milk"})
    for _ in range(3):
        assert (await town.services.toolbox.call(turn, call)).code == ""
    (waiting,) = await town.services.proposals.waiting()
    await town.services.proposals.drop(waiting.proposal_id)
    await town.services.toolbox.call(turn, call)
    assert await town.services.proposals.waiting() == []


async def test_two_who_decide_at_once_do_it_once(town: Town) -> None:
    await with_list(town)
    await asked(town)
    (waiting,) = await town.services.proposals.waiting()
    both = await asyncio.gather(*(town.services.proposals.approve(waiting.proposal_id) for _ in range(2)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in both) == ["NotFoundError", "tuple"]
    assert len([run for run in await town.services.skill_store.runs(10) if run.skill == "list"]) == 1


async def test_other_code_than_proposed_it_does_not_do_it(town: Town) -> None:
    await with_list(town)
    await asked(town)
    lay(town.setup.places.skills / "list", {"skill.py": CODE + "#"})
    await town.services.skill_catalog.approve("list")
    (waiting,) = await town.services.proposals.waiting()
    _, result = await town.services.proposals.approve(waiting.proposal_id)
    assert result.code == "skill_changed"
    assert await remembered(town) is None


async def test_a_skill_that_is_off_does_not_do_it(town: Town) -> None:
    await with_list(town)
    await asked(town)
    await town.services.skill_catalog.disable("list")
    (waiting,) = await town.services.proposals.waiting()
    _, result = await town.services.proposals.approve(waiting.proposal_id)
    assert result.code == "not_allowed"


async def test_a_write_that_the_owner_made_automatic_is_done_five_times_a_day(town: Town) -> None:
    await with_list(town, frozenset({"add"}))
    await town.let_in("anna", Tier.TRUSTED)
    turn = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:anna", "local", "m7")
    codes = [
        (await town.services.toolbox.call(turn, ToolCall("t", "list_add", {"title": f"x{number}"}))).code for number in range(7)
    ]
    assert codes == [""] * 5 + ["too_many_calls"] * 2
    assert await town.services.proposals.waiting() == []


async def test_what_is_proposed_goes_with_the_contact(town: Town) -> None:
    await with_list(town)
    await asked(town)
    await town.services.contacts.forget("local:anna")
    assert await town.services.proposals.waiting() == []
    assert await town.store.client.exists(keys.proposals("local:anna"), keys.PROPOSALS_INDEX) == 0


async def test_a_contact_who_is_not_approved_any_more_proposes_nothing(town: Town) -> None:
    await with_list(town)
    turn = ToolTurn(Origin.CONTACT, Tier.TRUSTED, "local:zoe", "local", "m7")
    assert (await town.services.toolbox.call(turn, ToolCall("t", "list_add", {"title": "x"}))).code == "not_allowed"


async def test_the_owner_s_chat_tells_and_decides(town: Town) -> None:
    from owner_chat.test_commands import Desk

    await with_list(town)
    await asked(town)
    desk = Desk(town, is_notebook=False)
    (waiting,) = await town.services.proposals.waiting()
    short = waiting.proposal_id[:6]
    await desk.chat._tell("events:queue", {"type": "proposal_made", "contactId": "local:anna"})
    await town.deliver()
    told = "\n".join(town.channel.texts(ContactId("local:me")))
    assert "list: add" in told
    assert f"yes {short}" in told
    assert "title: milk" in (await desk.say("proposals"))[1]
    assert "Done." in (await desk.say(f"yes {short}"))[1]
    assert await remembered(town) == "milk"
    assert "No proposal has that id" in (await desk.say(f"no {short}"))[1]


async def test_what_a_skill_remembers_of_one_contact_is_not_there_for_another(town: Town, tmp_path: Path) -> None:
    del tmp_path
    store = town.services.skill_store
    for key in ("a", "a\nb", "list", "list\na"):
        await store.remember("list", key, f"anna {key}", "local:anna")
    for key in ("a", "a\nb", "list", "list\na", ""):
        assert await store.remembered("list", key, "local:ben") is None
        assert await store.remembered("other", key, "local:anna") is None
    assert await store.remembered("list", "a", None) is None
    await town.services.contacts.forget("local:anna")
    assert await store.remembered("list", "a", "local:anna") is None


async def test_a_skill_s_memory_has_an_end(town: Town) -> None:
    store = town.services.skill_store
    done = [await store.remember("list", f"k{number}", "x" * 60_000, "local:anna") for number in range(20)]
    assert done.count("ok") == 17
    assert set(done[17:]) == {"full"}
    assert await store.remember("list", "k0", None, "local:anna") == "ok"
    assert await store.remember("list", "k18", "x" * 60_000, "local:anna") == "ok"
    assert await store.remember("list", "k0", "x" * 70_000, "local:anna") == "too_long"
    assert await store.remember("other", "k0", "x", "local:anna") == "ok"
    many = [await store.remember("many", f"k{number}", 1, "local:anna") for number in range(1001)]
    assert (many.count("ok"), many[-1]) == (1000, "full")
