"""Our client before servers of every kind: honest ones are understood, others are ended by a limit and nothing of theirs is kept."""

import asyncio
import json
import time

import pytest
from skills.calls import rss_bytes
from skills.mcp.rig import everything_server, launch_of, needs_bubblewrap, outcome_of, sdk_server, stranger, talking

from secondme.core.errors import DataError, SecondmeError
from secondme.skills.mcp.client import CALL_BYTES, VERSIONS

pytestmark = needs_bubblewrap

OUTCOMES = {
    "flood": "too_long",
    "big": "too_long",
    "noise": "too_much",
    "silent": "timed_out",
    "garbage": "not_json",
    "deep": "too_deep",
    "brackets": "too_deep",
    "nan": "not_json",
    "list": "not_json",
    "no_result": "not_json",
    "asks_for_ever": "asks_too_often",
    "ends": "ended",
    "refuses": "mcp_refused",
    "lying": "the truth",
    "content": "words\n[image]\n[resource]\n[unknown]\n[unknown]",
    "structured": '{"sum": 3}',
}
STALL_S = 0.05


@pytest.mark.parametrize("mode", OUTCOMES)
async def test_whatever_a_server_does_has_its_outcome(mode: str) -> None:
    assert await outcome_of(mode, 1.0 if mode == "silent" else 60.0) == OUTCOMES[mode]


async def test_nothing_of_a_flood_is_kept_and_the_loop_is_not_held() -> None:
    """What another process makes this thread wait is not its own doing: what it worked between two ticks is."""
    await outcome_of("honest")
    before, longest, is_over = rss_bytes(), 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal longest
        last = time.thread_time()
        while not is_over.is_set():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()

    ticking = asyncio.ensure_future(tick())
    for mode in ("flood", "noise", "big", "brackets", "deep"):
        await outcome_of(mode)
    is_over.set()
    await ticking
    print(f"grew by {(rss_bytes() - before) / 1e6:.1f} MB, longest stall {longest * 1000:.1f} ms")
    assert rss_bytes() - before < 4 * CALL_BYTES
    assert longest < STALL_S


@pytest.mark.parametrize("version", sorted(VERSIONS))
async def test_versions_that_are_known_are_spoken(version: str) -> None:
    async with talking(launch_of(stranger(f"version={version}"))) as client:
        listing = await client.listing()
        assert (listing.version, listing.server) == (version, "stranger 1.2.3")


@pytest.mark.parametrize("version", ["2024-10-07", "2099-01-01", ""])
async def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(DataError) as told:
        async with talking(launch_of(stranger(f"version={version}"))):
            pass
    assert told.value.code == "mcp_version"


@pytest.mark.parametrize(
    ("mode", "code"),
    [("endless_pages", "too_much"), ("many_tools", "too_much"), ("huge_list", "too_long"), ("no_list", "not_json")],
)
async def test_a_list_that_is_none_or_does_not_end_ends_the_session(mode: str, code: str) -> None:
    async with talking(launch_of(stranger(mode))) as client:
        with pytest.raises(SecondmeError) as told:
            await client.listing()
        assert (told.value.code, client.is_broken) == (code, True)


async def test_pages_are_one_list() -> None:
    async with talking(launch_of(stranger("pages"))) as client:
        assert [each["name"] for each in (await client.listing()).tools] == ["page0", "page1", "page2"]


async def test_a_server_that_asks_is_refused_all_but_a_ping() -> None:
    """No sampling, no elicitation, no roots: -32601, and the call goes on."""
    answers = json.loads(await outcome_of("asks"))
    assert answers == [["s0", -32601], ["s1", -32601], ["s2", -32601], ["s3", {}]]


async def test_a_session_that_broke_is_of_no_more_use() -> None:
    async with talking(launch_of(stranger("silent")), call_s=0.3) as client:
        codes = []
        for _ in range(2):
            with pytest.raises(SecondmeError) as told:
                await client.call("echo", {})
            codes.append(told.value.code)
        assert codes == ["timed_out", "ended"]


async def test_a_call_that_is_given_up_breaks_the_session() -> None:
    """Its answer would be taken for that of the next one."""
    async with talking(launch_of(stranger("silent"))) as client:
        task = asyncio.ensure_future(client.call("echo", {}))
        while not client.is_busy:
            await asyncio.sleep(0)
        assert not client.is_broken  # another call that comes meanwhile waits for its turn
        task.cancel()
        await asyncio.wait([task])
        assert client.is_broken


async def test_calls_at_once_are_served_one_after_another() -> None:
    async with talking(launch_of(stranger())) as client:
        answers = await asyncio.gather(*(client.call("echo", {"n": number}) for number in range(20)))
        assert [json.loads(each.text) for each in answers] == [{"n": number} for number in range(20)]
        await client.ping()


async def test_the_sdk_s_server_is_understood() -> None:
    command, folders = sdk_server()
    async with talking(launch_of(command, folders)) as client:
        listing = await client.listing()
        assert ([each["name"] for each in listing.tools], listing.instructions) == (["add", "fail"], "Add numbers.")
        assert (await client.call("add", {"a": 1, "b": 2})).text == "3"
        assert (await client.call("fail", {})).is_error
        assert (await client.call("add", {"a": "x"})).is_error  # any schema: it is the server that checks


@pytest.mark.skipif(everything_server() is None, reason="there is no node, or no server-everything: nox -s third-party")
async def test_npm_s_server_everything_is_understood() -> None:
    path = everything_server()
    assert path is not None
    async with talking(launch_of(("node", str(path), "stdio"), (str(path.parents[3]),))) as client:
        names = {each["name"] for each in (await client.listing()).tools}
        assert {"echo", "get-sum", "get-env"} <= names
        assert (await client.call("echo", {"message": "hi"})).text == "Echo: hi"
        seen = json.loads((await client.call("get-env", {})).text)
        assert seen.keys() == {"PATH", "HOME", "NODE_OPTIONS", "PWD"}
        assert "[image]" in (await client.call("get-tiny-image", {})).text
