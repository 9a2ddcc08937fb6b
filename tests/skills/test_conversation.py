"""What a skill learns of a conversation, and says to the owner: its own contact's words only, a line at a time."""

import json

import pytest
from fakes.town import Town
from skills.folders import lay, skill_files

from secondme.core.enums import Tier
from secondme.core.ids import ContactId
from secondme.core.messages import Origin, ToolCall, ToolTurn

CODE = """
def where(input, ask):
    said = []
    for op, words in input_list(ask):
        try: said.append(ask(op, **words))
        except AskError as error: said.append(error.code)
    return said
def input_list(ask):
    import json
    return json.loads(ask.config["asks"])
"""


async def said(town: Town, turn: ToolTurn, permissions: list[str], *asks: tuple[str, dict[str, object]]) -> list[object]:
    """What a skill with these permissions is answered."""
    config = {"asks": {"type": "text", "default": json.dumps(asks)}}
    lay(town.setup.places.skills / "nosy", skill_files("nosy", code=CODE, permissions=permissions, config=config))
    await town.services.skill_catalog.approve("nosy", auto=frozenset({"where"}) if "notify:owner" in permissions else frozenset())
    result = await town.services.toolbox.call(turn, ToolCall("t", "nosy_where", {}))
    return list(json.loads(result.text)) if not result.code else [result.code]


def turn(who: str, tier: Tier = Tier.TRUSTED) -> ToolTurn:
    return ToolTurn(Origin.CONTACT, tier, f"local:{who}", "local", "m1")


async def test_the_conversation_is_that_of_who_writes(town: Town) -> None:
    for who in ("anna", "ben"):
        await town.let_in(who, Tier.TRUSTED)
        await town.writes(who, f"canary of {who}")
    for who, other in (("anna", "ben"), ("ben", "anna")):
        asks = [("history", {}), ("history", {"contact": f"local:{other}"}), ("history", {"count": 1})]
        found = await said(town, turn(who), ["history:self"], *asks)
        assert f"canary of {who}" in str(found[0])
        assert f"canary of {other}" not in str(found)
        assert [each["who"] for each in found[2]] == ["contact"]  # type: ignore[attr-defined]
    assert await said(town, ToolTurn(Origin.OWNER), ["history:self"], ("history", {})) == [[]]
    assert await said(town, turn("anna"), [], ("history", {})) == ["not_allowed"]
    bad = [("history", {"count": count}) for count in (0, 41, True, "1")]
    assert await said(town, turn("anna"), ["history:self"], *bad) == ["bad_ask"] * 4


async def test_memory_is_that_of_who_writes(town: Town) -> None:
    for who in ("anna", "ben"):
        await town.let_in(who, Tier.TRUSTED)
        await town.writes(who, f"my dog is called Canary{who.title()}")
    await town.services.memory_feed.begin()
    for who, other in (("anna", "Ben"), ("ben", "Anna")):
        asks = [("memory", {"find": "how is the dog called?"}), ("memory", {"facts": "dog"}), ("memory", {"facts": ""})]
        asks.append(("memory", {"find": "dog", "contact": f"local:{other.lower()}"}))
        found = await said(town, turn(who), ["memory:self"], *asks)
        assert all(f"Canary{who.title()}" in str(each) for each in found)
        assert f"Canary{other}" not in str(found)
        assert [(each["kind"], each["value"]) for each in found[1]] == [("kin dog", f"Canary{who.title()}")]  # type: ignore[attr-defined]
    assert await said(town, ToolTurn(Origin.OWNER), ["memory:self"], ("memory", {"find": "dog"})) == [[]]
    assert await said(town, turn("anna"), [], ("memory", {"find": "dog"})) == ["not_allowed"]
    bad = [("memory", words) for words in ({}, {"find": 3}, {"find": "a", "facts": "b"}, {"find": "x" * 501})]
    assert await said(town, turn("anna"), ["memory:self"], *bad) == ["bad_ask"] * 4


async def test_the_memory_skills_tell_what_was_said_and_are_not_set_up_without_memory(town: Town) -> None:
    await town.let_in("anna", Tier.TRUSTED)
    await town.writes("anna", "my dog is called Bartholomew")
    await town.services.memory_feed.begin()
    for name in ("memory", "knowledge-graph"):
        await town.services.skill_catalog.enable(name)
    call = town.services.toolbox.call
    for tool, given in (("memory_search", {"words": "the dog's name"}), ("knowledge-graph_facts", {"about": "dog"})):
        assert "Bartholomew" in (await call(turn("anna"), ToolCall("t", tool, given))).text
    town.services.skills.lacking = {"memory": ("Memory is off.", "secondme config set memory.enabled true")}
    assert (await town.services.skills.get("memory")).state.value == "not_set_up"
    assert (await call(turn("anna"), ToolCall("t", "memory_search", {"words": "dog"}))).code == "not_allowed"


@pytest.mark.parametrize("op", ["note_add"])
async def test_what_comes_later_says_so(town: Town, op: str) -> None:
    assert await said(town, ToolTurn(Origin.OWNER), [], (op, {})) == ["not_set_up"]


async def test_the_owner_is_told_three_lines_an_hour(town: Town) -> None:
    told: list[str] = []

    async def tell(text: str) -> bool:
        told.append(text)
        return True

    vars(town.services)["tell_owner"] = tell
    lines = [("notify", {"text": f"line {number}\n\x1b[2Jx"}) for number in range(5)]
    found = await said(town, ToolTurn(Origin.OWNER), ["notify:owner"], *lines, ("notify", {"text": ""}), ("notify", {}))
    assert found == [True] * 3 + ["too_often"] * 2 + ["bad_ask"] * 2
    assert told == [f"nosy: line {number} [2Jx" for number in range(3)]


async def test_without_a_chat_of_the_owner_s_the_skill_hears_so(town: Town) -> None:
    assert await said(town, ToolTurn(Origin.OWNER), ["notify:owner"], ("notify", {"text": "x"})) == ["no_owner_chat"]
    assert town.channel.texts(ContactId("local:me")) == []
