"""Rights, against a table and against thousands of generated cases: what is done is always within what may be done."""

import json
from typing import Any

import pytest
from fakes.size import sized
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondme.core.enums import Tier
from secondme.core.messages import Origin, ToolTurn
from secondme.core.tools.manifest import SkillManifest, read_manifest
from secondme.core.tools.permissions import Audience, known_permissions
from secondme.core.tools.rights import Grant, GrantedTool, Verdict, offered, verdict

PERMISSIONS = [each.text for each in known_permissions()] + ["net:api.example.org"]
PRIVATE = {
    "calendar:read",
    "contacts:self",
    "contacts:all",
    "notes:read",
    "history:self",
    "memory:self",
    "reminders:read",
    "storage:shared",
}
OWNER_ONLY = {"net:any", "contacts:all", "reminders:read", "storage:shared"}
REACH = {"net:any", "net:config", "net:api.example.org"}
WRITES = {"propose:event", "propose:reminder", "propose:note", "propose:message", "notify:owner"}


def tool(
    name: str = "a", permissions: tuple[str, ...] = (), access: str = "read", grant: Grant | None = None, discloses: str = "public"
) -> GrantedTool:
    raw: dict[str, Any] = {
        "name": name,
        "version": "1",
        "description": "x",
        "permissions": list(permissions),
        "tools": [{"name": "do", "access": access, "discloses": discloses, "description": "x"}],
    }
    manifest = read_manifest(json.dumps(raw).encode())
    assert isinstance(manifest, SkillManifest), manifest
    return GrantedTool(manifest, manifest.tools[0], grant or Grant())


def contact(tier: Tier, *, tainted: bool = False) -> ToolTurn:
    return ToolTurn(Origin.CONTACT, tier, "local:anna", "local", "m1", is_tainted=tainted)


OWNER, SCRIPT = ToolTurn(Origin.OWNER), ToolTurn(Origin.SCRIPT)
RESTRICTED, STANDARD, TRUSTED = (contact(each) for each in (Tier.RESTRICTED, Tier.STANDARD, Tier.TRUSTED))
RUN, PROPOSE, REFUSE = Verdict.RUN, Verdict.PROPOSE, Verdict.REFUSE


@pytest.mark.parametrize(
    ("which", "restricted", "standard", "trusted", "owner", "script"),
    [
        (tool(), REFUSE, RUN, RUN, RUN, RUN),
        (tool(permissions=("net:api.example.org",)), REFUSE, RUN, RUN, RUN, RUN),
        (tool(permissions=("calendar:read",)), REFUSE, RUN, RUN, RUN, RUN),
        (tool(permissions=("contacts:all",)), REFUSE, REFUSE, REFUSE, RUN, RUN),
        (tool(permissions=("net:any",)), REFUSE, REFUSE, REFUSE, RUN, RUN),
        (tool(permissions=("storage:shared",)), REFUSE, REFUSE, REFUSE, RUN, RUN),
        (tool(access="write"), REFUSE, REFUSE, PROPOSE, RUN, REFUSE),
        (tool(permissions=("propose:event",)), REFUSE, REFUSE, PROPOSE, RUN, REFUSE),
        (tool(access="write", grant=Grant(auto=frozenset({"do"}))), REFUSE, REFUSE, RUN, RUN, REFUSE),
        (tool(grant=Grant(Audience.TRUSTED)), REFUSE, REFUSE, RUN, RUN, RUN),
        (tool(grant=Grant(Audience.OWNER)), REFUSE, REFUSE, REFUSE, RUN, RUN),
        (tool(permissions=("net:any",), grant=Grant(Audience.STANDARD)), REFUSE, REFUSE, REFUSE, RUN, RUN),
    ],
    ids=str,
)
def test_the_table(
    which: GrantedTool, restricted: Verdict, standard: Verdict, trusted: Verdict, owner: Verdict, script: Verdict
) -> None:
    found = [verdict(which, turn) for turn in (RESTRICTED, STANDARD, TRUSTED, OWNER, SCRIPT)]
    assert found == [restricted, standard, trusted, owner, script]


def test_a_script_may_write_what_was_named() -> None:
    named = ToolTurn(Origin.SCRIPT, allowed=frozenset({"a_do"}))
    assert [verdict(tool(each, access="write"), named) for each in ("a", "b")] == [RUN, REFUSE]


@pytest.mark.parametrize("tier", [Tier.STANDARD, Tier.TRUSTED])
def test_what_looks_like_an_attempt_reaches_nothing_private_nothing_outside_and_changes_nothing(tier: Tier) -> None:
    tools = [
        tool("a"),
        tool("b", ("net:api.example.org",)),
        tool("c", ("calendar:read",)),
        tool("d", access="write"),
        tool("e", discloses="private"),
    ]
    assert [each.name for each in offered(tools, contact(tier, tainted=True))] == ["a_do"]
    assert len(offered(tools, contact(tier))) == (4 if tier is Tier.STANDARD else 5)


TOOLS = st.lists(
    st.builds(
        tool,
        st.sampled_from(["a", "b", "c", "d"]),
        st.lists(st.sampled_from(PERMISSIONS), max_size=3, unique=True).map(tuple),
        st.sampled_from(["read", "write"]),
        st.builds(Grant, st.sampled_from(Audience), st.sampled_from([frozenset(), frozenset({"do"})])),
        st.sampled_from(["public", "private"]),
    ),
    max_size=4,
    unique_by=lambda each: each.name,
)
TURNS = st.builds(
    ToolTurn,
    st.sampled_from(Origin),
    st.sampled_from([None, *Tier]),
    st.sampled_from(["", "local:anna"]),
    is_tainted=st.booleans(),
    allowed=st.sampled_from([frozenset(), frozenset({"a_do"})]),
)


def assert_within_rights(tools: list[GrantedTool], turn: ToolTurn) -> None:
    """What is offered, and what becomes of each call of it, is within what the table allows, said once more in other words."""
    found = offered(tools, turn)
    assert [each.name for each in found] == sorted(each.name for each in found)
    for each in found:
        asked, what = set(each.manifest.permissions), verdict(each, turn)
        writes = each.tool.access == "write" or asked & WRITES
        private = bool(asked & PRIVATE) or each.tool.discloses == "private"
        if turn.is_tainted:
            assert not writes
            assert not private
            assert not asked & REACH
        if turn.origin is Origin.CONTACT:
            assert turn.tier in {Tier.STANDARD, Tier.TRUSTED}
            assert each.grant.audience >= (Audience.STANDARD if turn.tier is Tier.STANDARD else Audience.TRUSTED)
            assert not asked & OWNER_ONLY
            assert what is RUN or writes
            if writes:
                assert turn.tier is Tier.TRUSTED
                assert what is (RUN if "do" in each.grant.auto else PROPOSE)
        if turn.origin is Origin.SCRIPT and writes:
            assert each.name in turn.allowed
    if turn.origin is Origin.CONTACT:
        legs = [set(each.manifest.permissions) for each in found]
        assert not (any("net:any" in each for each in legs) and any(each & PRIVATE for each in legs))


@settings(max_examples=sized(500, 150))
@given(TOOLS, TURNS)
def test_what_may_be_done_is_never_more_than_this(tools: list[GrantedTool], turn: ToolTurn) -> None:
    assert_within_rights(tools, turn)


@pytest.mark.heavy  # 7 s, the whole number 70
@settings(max_examples=sized(10_000, 1_000), suppress_health_check=list(HealthCheck))
@given(TOOLS, TURNS)
def test_what_may_be_done_is_never_more_than_this_in_thousands_of_cases(tools: list[GrantedTool], turn: ToolTurn) -> None:
    assert_within_rights(tools, turn)


def test_the_lists_above_are_those_of_the_product() -> None:
    assert {each.text for each in known_permissions()} == PRIVATE | OWNER_ONLY | WRITES | {"net:config", "storage"}
