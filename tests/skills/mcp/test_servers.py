"""A server's tools in a clone's turns: offered as the owner said, called when they are needed, off when they are not what was approved."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes.clock import FakeClock
from fakes.process import environment
from fakes.town import Town
from skills.folders import lay, skill_files
from skills.mcp.rig import STRANGERS, approval_of, clock, here, missing_program, needs_bubblewrap

from secondme.core.enums import Tier
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.messages import Asked, Composed, ModelOutcome, Origin, Prompt, ToolCall, ToolResult, ToolTurn, Usage
from secondme.core.ports import Clock
from secondme.skills.lock import McpServerApproval
from secondme.skills.mcp.confined import ConfinedProcess
from secondme.skills.mcp.pins import Listings, ServerTool, file_digest
from secondme.skills.mcp.servers import IDLE_S, McpServers
from secondme.skills.registry import Skill, SkillKind, SkillState

OWNER = ToolTurn(Origin.OWNER)


def contact(tier: Tier) -> ToolTurn:
    return ToolTurn(Origin.CONTACT, tier, "local:anna", "local", "m1")


async def added(town: Town, mode: str = "honest", name: str = "demo", **more: Any) -> Skill:
    """The stranger is added, as the command does it."""
    catalog, draft = town.services.mcp_catalog, approval_of(mode, **more)
    return await catalog.keep(name, draft, await catalog.look(name, draft, {}))


def turned(town: Town, mode: str, name: str = "demo") -> None:
    """The server is another one from now on, of the same name, and approved as it was."""
    other = approval_of(mode)

    def edit(servers: dict[str, McpServerApproval]) -> None:
        servers[name] = servers[name].model_copy(update={"command": other.command, "files": other.files})

    town.services.skills.lock.change_servers(edit)


async def names(town: Town, turn: ToolTurn) -> list[str]:
    return [each.name for each in await town.services.toolbox.offered(turn)]


async def call(town: Town, name: str, given: Mapping[str, Any] | None = None, turn: ToolTurn = OWNER) -> ToolResult:
    return await town.services.toolbox.call(turn, ToolCall("t1", name, dict(given or {})))


@needs_bubblewrap
async def test_a_reply_uses_a_tool_of_a_server(town: Town) -> None:
    await added(town)
    await town.services.mcp_catalog.set_tool("demo", "echo", "read", "standard")
    await town.let_in("anna")

    def script(prompt: Prompt) -> ModelOutcome:
        if prompt.exchanges or not prompt.tools:
            return Composed("The server says so.", Usage(10, 5))
        block = {"type": "tool_use", "id": "t1", "name": "demo_echo", "input": {"x": "<b>"}}
        return Asked((block,), (ToolCall("t1", "demo_echo", {"x": "<b>"}),), Usage(10, 5))

    town.model.script = script
    await town.writes("anna", "what does the server say?")
    assert await town.work() == ["answered"]
    assert [each.name for each in town.model.prompts[0].tools] == ["demo_echo"]
    told = town.model.prompts[1].exchanges[0].results[0][1].text
    assert "<" not in told
    assert json.loads(json.loads(told)["data"]) == {"x": "<b>"}
    (run,) = await town.services.skill_store.runs(10)
    assert (run.skill, run.tool, run.code, run.contact_id) == ("demo", "echo", "ok", "local:anna")


@needs_bubblewrap
async def test_what_was_not_said_is_a_write_and_for_the_owner_alone(town: Town) -> None:
    skill = await added(town)
    assert (skill.kind, skill.state, skill.is_on) == (SkillKind.MCP, SkillState.ENABLED, True)
    assert await names(town, OWNER) == ["demo_echo", "demo_grab", "demo_look"]
    assert await town.services.changing_tools() == {"demo_echo", "demo_grab", "demo_look"}
    for tier in Tier:
        assert await names(town, contact(tier)) == []
        assert (await call(town, "demo_echo", turn=contact(tier))).code == "not_allowed"
    assert await names(town, ToolTurn(Origin.SCRIPT)) == []
    assert await names(town, ToolTurn(Origin.SCRIPT, allowed=frozenset({"demo_echo"}))) == ["demo_echo"]


@needs_bubblewrap
async def test_a_write_is_proposed_for_a_trusted_contact_and_nobody_else_s(town: Town) -> None:
    await added(town)
    await town.let_in("anna", Tier.TRUSTED)
    await town.services.mcp_catalog.set_tool("demo", "echo", "write", "trusted")
    assert (await names(town, contact(Tier.TRUSTED)), await names(town, contact(Tier.STANDARD))) == (["demo_echo"], [])
    said = await call(town, "demo_echo", {"x": 1}, contact(Tier.TRUSTED))
    assert json.loads(said.text)["state"] == "proposed"
    (proposal,) = await town.services.proposals.waiting()
    assert await town.services.skill_store.runs(10) == []
    _, done = await town.services.proposals.approve(proposal.proposal_id)
    assert (json.loads(done.text), done.code) == ({"x": 1}, "")


@needs_bubblewrap
async def test_a_proposal_of_a_tool_that_changed_is_not_carried_out(town: Town) -> None:
    await added(town)
    await town.let_in("anna", Tier.TRUSTED)
    await town.services.mcp_catalog.set_tool("demo", "echo", "write", "trusted")
    await call(town, "demo_echo", {"x": 1}, contact(Tier.TRUSTED))
    (proposal,) = await town.services.proposals.waiting()
    turned(town, "rug")
    catalog = town.services.mcp_catalog
    await catalog.keep("demo", catalog.approval("demo"), await catalog.look("demo", catalog.approval("demo"), {}))
    _, done = await town.services.proposals.approve(proposal.proposal_id)
    assert done.code == "skill_changed"


@needs_bubblewrap
@pytest.mark.parametrize("mode", ["rug", "rug-gone"])
async def test_a_tool_that_changed_is_off_while_the_others_go_on(town: Town, mode: str) -> None:
    await added(town)
    turned(town, mode)
    assert (await call(town, "demo_echo")).code == "tool_changed"  # found out by the very call
    assert (await call(town, "demo_look")).code == ""
    skill = await town.services.skills.get("demo")
    assert (skill.state, skill.is_on, [each.name for each in skill.tools]) == (SkillState.CHANGED, True, ["demo_grab", "demo_look"])
    assert "1 new tool is off" in skill.reason
    states = {each.tool: each.state for each in town.services.mcp_catalog.tools("demo")}
    assert states == {"echo": "gone" if mode == "rug-gone" else "changed", "grab": "on", "look": "on", "more": "new"}
    catalog = town.services.mcp_catalog
    await catalog.set_tool("demo", "look", "read", "standard")
    await catalog.keep("demo", catalog.approval("demo"), await catalog.look("demo", catalog.approval("demo"), {}))
    told = {each.tool: (each.state, each.access, each.audience) for each in catalog.tools("demo")}
    assert told["look"] == ("on", "read", "standard")  # what did not change keeps the owner's word
    assert told["more"] == ("on", "write", "owner")
    assert (await town.services.skills.get("demo")).state is SkillState.ENABLED


@needs_bubblewrap
async def test_a_server_that_turns_while_it_runs_is_found_out_at_the_next_call(town: Town) -> None:
    await added(town, "turns")
    assert [(await call(town, "demo_echo")).code for _ in range(2)] == ["", "tool_changed"]
    assert [each.name for each in (await town.services.skills.get("demo")).tools] == ["demo_grab", "demo_look"]


@needs_bubblewrap
@pytest.mark.parametrize(
    ("mode", "code"),
    [("fails", "mcp_error"), ("refuses", "mcp_refused"), ("ends", "ended"), ("flood", "too_long"), ("noise", "too_much")],
)
async def test_what_fails_has_a_code_and_none_of_its_words(town: Town, mode: str, code: str) -> None:
    await added(town, mode)
    for _ in range(2):  # a server that broke is started anew
        result = await call(town, "demo_echo")
        assert (result.code, result.text) == (code, f"It failed ({code}).")


@needs_bubblewrap
async def test_a_server_that_breaks_again_and_again_is_left_alone(town: Town) -> None:
    await added(town, "ends")
    assert [(await call(town, "demo_echo")).code for _ in range(4)] == ["ended", "ended", "ended", "not_allowed"]


@needs_bubblewrap
async def test_a_result_is_cut(town: Town) -> None:
    await added(town, "long")
    assert len((await call(town, "demo_echo")).text) == 6000


@needs_bubblewrap
async def test_open_reach_and_private_readers_are_never_in_one_contact_s_turn(town: Town) -> None:
    lay(town.services.skills.directory, {})
    reader = skill_files("reader", permissions=["contacts:self"])
    lay(town.services.skills.directory / "reader", reader)
    await town.services.skill_catalog.approve("reader")
    await added(town)
    await added(town, name="open", hosts=("api.example.org",))
    for name in ("demo", "open"):
        await town.services.mcp_catalog.set_tool(name, "echo", "read", "standard")
    found = await names(town, contact(Tier.STANDARD))
    assert found == ["demo_echo", "reader_where"]  # without hosts it only computes
    await town.services.skill_catalog.disable("reader")
    assert await names(town, contact(Tier.STANDARD)) == ["demo_echo", "open_echo"]


@needs_bubblewrap
async def test_a_server_that_reads_a_folder_tells_what_is_the_owner_s(town: Town, tmp_path: Path) -> None:
    """The folder of its program is not the owner's. What reads and reaches needs nobody else to carry it out."""
    papers = (*approval_of().folders, str(tmp_path))
    for name, more in {"papers": {"folders": papers}, "open": {"hosts": ("api.example.org",)}}.items():
        await added(town, name=name, **more)
        await town.services.mcp_catalog.set_tool(name, "echo", "read", "standard")
    assert await names(town, contact(Tier.STANDARD)) == ["papers_echo"]
    sheet = (await town.services.skill_desk.detail("papers")).sheet
    assert [each.words for each in sheet.permissions] == [f"read all of {tmp_path}"]
    await added(town, name="both", folders=papers, hosts=("api.example.org",))
    with pytest.raises(DataError, match="for you alone"):
        await town.services.mcp_catalog.set_tool("both", "echo", "read", "trusted")
    sheet = (await town.services.skill_desk.detail("both")).sheet
    assert {each.audience for each in sheet.tools} == {"owner"}
    assert [each.words for each in sheet.permissions] == ["tell api.example.org whatever it is asked", f"read all of {tmp_path}"]

    def edit(servers: dict[str, McpServerApproval]) -> None:
        tools = {
            each: tool.model_copy(update={"access": "read", "audience": "standard"}) for each, tool in servers["both"].tools.items()
        }
        servers["both"] = servers["both"].model_copy(update={"tools": tools})

    town.services.skills.lock.change_servers(edit)
    assert await names(town, contact(Tier.STANDARD)) == ["papers_echo"]
    assert "both_echo" in await names(town, OWNER)


@needs_bubblewrap
async def test_a_server_is_switched_off_and_removed_like_any_skill(town: Town) -> None:
    await added(town)
    await town.services.skill_catalog.disable("demo")
    assert (await names(town, OWNER), (await call(town, "demo_echo")).code) == ([], "not_allowed")
    await town.services.skill_catalog.enable("demo")
    assert len(await names(town, OWNER)) == 3
    detail = await town.services.skill_desk.detail("demo")
    assert (detail.kind, detail.sheet.tools[0].audience, detail.version) == ("mcp", "owner", "1.2.3")
    with pytest.raises(DataError) as told:
        await town.services.skill_catalog.approve("demo")
    assert told.value.fix == "secondme skills mcp pin demo"
    await town.services.skill_catalog.remove("demo")
    with pytest.raises(NotFoundError):
        await town.services.skills.get("demo")
    assert (await call(town, "demo_echo")).code == "not_allowed"


@needs_bubblewrap
async def test_the_owner_says_what_a_tool_does(town: Town) -> None:
    await added(town)
    catalog = town.services.mcp_catalog
    for tool, access, audience, error in (
        ("nothing", "read", None, NotFoundError),
        ("echo", "write", "standard", DataError),
    ):
        with pytest.raises(error):
            await catalog.set_tool("demo", tool, access, audience)
    await catalog.set_tool("demo", "echo", "read", "standard")
    await catalog.set_tool("demo", "echo", "write", None)
    assert catalog.approval("demo").tools["echo"].audience == "trusted"  # no write is for more
    await catalog.set_tool("demo", "echo", "off", None)
    assert await names(town, OWNER) == ["demo_grab", "demo_look"]
    for name, error in (("demo", BusyError), ("clock", BusyError), ("A B", DataError), ("x" * 40, DataError)):
        with pytest.raises(error):
            await catalog.check_name(name)


async def test_where_nothing_confines_it_a_server_is_unusable_and_refused(town: Town, tmp_path: Path) -> None:
    approval = approval_of()
    services = town.services
    services._bubblewrap = missing_program()
    services._find_bubblewrap = missing_program  # type: ignore[method-assign]
    services.skills.lock.change_servers(lambda servers: servers.__setitem__("demo", approval))
    await services.skill_store.set_state("demo", on=True)
    skill = await services.skills.get("demo")
    assert (skill.state, skill.is_on) == (SkillState.UNUSABLE, False)
    assert "Install bubblewrap" in skill.fix
    servers = McpServers(lambda: {"demo": approval}, Listings(tmp_path), lambda _: {}, missing_program, clock)
    tool = ServerTool(name="echo", remote="echo", digest="", description="", access="read", input_schema={})
    assert (await servers.call("demo", tool, {})).code == "no_sandbox"
    await servers.close()


@asynccontextmanager
async def running(tmp_path: Path, some_clock: Clock, mode: str = "honest") -> AsyncIterator[tuple[McpServers, ServerTool]]:
    """Servers of one home, `a` to `f`, all the same stranger; and its tool."""
    approvals = dict.fromkeys("abcdef", approval_of(mode))
    servers = McpServers(lambda: approvals, Listings(tmp_path / "mcp"), lambda _: {}, here, some_clock)
    listing = await McpServers(lambda: approvals, Listings(tmp_path / "mcp"), lambda _: {}, here, clock).look(
        "a", approvals["a"], {}
    )
    echo = listing.tool("echo")
    assert echo is not None
    tool = ServerTool(name="echo", remote="echo", digest=echo.digest, description="", access="read", input_schema={})
    try:
        yield servers, tool
    finally:
        await servers.close()
        assert servers._sessions == {}
        assert (await servers.call("a", tool, {})).code == "ended"


def processes(servers: McpServers) -> dict[str, ConfinedProcess]:
    return {name: session.mcp._transport.process for name, session in servers._sessions.items()}  # type: ignore[attr-defined]


@needs_bubblewrap
async def test_a_server_is_started_once_used_again_and_closed_when_nobody_needs_it(tmp_path: Path) -> None:
    fake = FakeClock()
    async with running(tmp_path, fake) as (servers, tool):
        assert servers._sessions == {}
        results = await asyncio.gather(*(servers.call("a", tool, {"n": number}) for number in range(5)))
        assert [json.loads(each.text)["n"] for each in results] == list(range(5))
        process = processes(servers)["a"]
        fake.move(IDLE_S - 1)
        await servers.call("a", tool, {})
        fake.move(IDLE_S - 1)
        await asyncio.sleep(0.05)
        assert processes(servers)["a"] is process
        fake.move(2)
        while servers._sessions:
            await asyncio.sleep(0.01)
        while process._process.returncode is None:
            await asyncio.sleep(0.01)
        assert (await servers.call("a", tool, {})).code == ""


@needs_bubblewrap
async def test_a_call_that_comes_while_another_is_served_waits_for_its_turn(tmp_path: Path) -> None:
    async with running(tmp_path, clock) as (servers, tool):
        await servers.call("a", tool, {})
        process = processes(servers)["a"]
        first = asyncio.ensure_future(servers.call("a", tool, {"n": 1}))
        while not servers._sessions["a"].mcp.is_busy and not first.done():  # it may be answered within one step
            await asyncio.sleep(0)
        second = await servers.call("a", tool, {"n": 2})
        assert [json.loads(each.text)["n"] for each in (await first, second)] == [1, 2]
        assert processes(servers)["a"] is process


@needs_bubblewrap
async def test_a_server_that_ended_meanwhile_is_started_anew(tmp_path: Path) -> None:
    async with running(tmp_path, clock) as (servers, tool):
        await servers.call("a", tool, {})
        process = processes(servers)["a"]
        process._process.kill()
        while not process.is_over:
            await asyncio.sleep(0.01)
        assert (await servers.call("a", tool, {})).code == ""
        assert processes(servers)["a"] is not process


@needs_bubblewrap
async def test_a_server_that_is_deaf_after_a_pause_is_started_anew(tmp_path: Path) -> None:
    fake = FakeClock()
    async with running(tmp_path, fake, "deaf_later") as (servers, tool):
        assert (await servers.call("a", tool, {})).code == ""
        process = processes(servers)["a"]
        fake.move(IDLE_S / 2)
        assert (await servers.call("a", tool, {})).code == ""
        assert processes(servers)["a"] is not process


@needs_bubblewrap
async def test_no_more_than_four_run_and_the_longest_unused_makes_room(tmp_path: Path) -> None:
    async with running(tmp_path, clock) as (servers, tool):
        for name in "abcd":
            await servers.call(name, tool, {})
        await servers.call("a", tool, {})
        assert (await servers.call("e", tool, {})).code == ""
        assert sorted(servers._sessions) == ["a", "c", "d", "e"]


@needs_bubblewrap
async def test_a_call_that_is_given_up_leaves_neither_a_process_nor_a_wrong_answer(tmp_path: Path) -> None:
    async with running(tmp_path, clock, "silent") as (servers, tool):
        for _ in range(2):
            task = asyncio.ensure_future(servers.call("a", tool, {}))
            while not (servers._sessions and servers._sessions["a"].mcp.is_busy):
                await asyncio.sleep(0.01)
            process = processes(servers)["a"]
            task.cancel()
            await asyncio.wait([task])
            while process._process.returncode is None:
                await asyncio.sleep(0.01)
            assert servers._sessions == {}


@needs_bubblewrap
async def test_what_an_honest_start_fails_of_is_told_to_the_owner(tmp_path: Path) -> None:
    servers = McpServers(dict, Listings(tmp_path), lambda _: {}, here, clock)
    with pytest.raises(Exception, match="cannot find my settings"):
        await servers.look("demo", approval_of("ends_at_once"), {})
    assert file_digest(str(STRANGERS / "stranger.py")).startswith("sha256:")


def test_a_home_without_servers_imports_nothing_of_them(home: Path) -> None:
    probe = "import sys; from secondme.cli.main import program\ntry: program()\nfinally: print([each for each in sys.modules if each.startswith('secondme.skills.mcp')], file=sys.stderr)"
    (home / "config.toml").write_text("")
    words = [sys.executable, "-c", probe, "--home", str(home), "skills", "list"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (0, "[]")
    assert "clock" in done.stdout
