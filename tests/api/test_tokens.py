"""Named tokens: what each may do, for how long, and nothing beyond it."""

import asyncio
import json
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api.serving import Serve, Served
from fakes.clock import FakeClock
from fakes.process import command
from fakes.watching import Ear

from secondme.cli.commands.api import SCOPES
from secondme.core.api.app import document
from secondme.core.api.auth import ScopeRefusals
from secondme.core.api.scopes import needed
from secondme.core.config.loader import load
from secondme.core.errors import BusyError, ConfigError, NotFoundError
from secondme.core.security_log import read_entries
from secondme.core.tokens import Caller, NamedTokens, TokenScope

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
ROUTES = [(method.upper(), path, each) for path, methods in document()["paths"].items() for method, each in methods.items()]


def token_of(served: Served, *scopes: TokenScope, name: str = "program", ends_in: timedelta = timedelta(days=1)) -> str:
    now = datetime.now(UTC)
    return NamedTokens(served.setup.places.api_tokens).make(name, scopes, now, now + ends_in)[1]


@pytest.mark.parametrize("scope", list(TokenScope))
async def test_a_token_reaches_the_routes_of_its_scope_and_no_other(town_hall: Served, scope: TokenScope) -> None:
    """The whole matrix, called: a route that is not covered says so before it does anything."""
    secret = token_of(town_hall, scope)
    before = await everything_of(town_hall)
    refused, reached = 0, 0
    async with town_hall.remote(secret) as client:
        for method, path, operation in ROUTES:
            wanted = {each["token"][0] for each in operation["security"]}
            called = re.sub(r"\{\w+\}", "nobody", path)
            if not wanted or scope in wanted | {TokenScope.ALL}:
                reached += 1
                if method == "GET" and TokenScope.EVENTS_READ not in wanted:
                    assert (await client.get(called)).status_code in {200, 404, 409, 422, 503}, path
                continue
            answer = await client.request(method, called, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "out_of_scope"), (method, path)
            assert all(each in answer.json()["error"]["message"] for each in wanted)
            refused += 1
    assert refused + reached == len(ROUTES)
    assert await everything_of(town_hall) == before


async def everything_of(served: Served) -> list[bytes]:
    return sorted([key async for key in served.store.client.scan_iter("PAIRING:*")])


def test_what_nobody_thought_of_takes_everything() -> None:
    assert needed("GET", "/api/new", ["brand new"]) == (TokenScope.ALL,)
    assert needed("POST", "/api/new", []) == (TokenScope.ALL,)
    assert needed("POST", "/api/status", ["state"]) == (TokenScope.ALL,)
    assert {operation["security"][0]["token"][0] for _, _, operation in ROUTES if operation["security"]} <= {*SCOPES, "hook"}


def test_the_command_knows_every_scope() -> None:
    assert tuple(each for each in TokenScope if each is not TokenScope.HOOK) == SCOPES  # hooks are made for a job


async def test_an_ended_and_a_revoked_token_are_none(served: Served) -> None:
    ended = token_of(served, TokenScope.ALL, name="ended", ends_in=timedelta(seconds=-1))
    good = token_of(served, TokenScope.READ, name="good")
    async with served.remote(ended) as client:
        answer = await client.get("/api/status")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_expired")
    async with served.remote(good) as client:
        assert (await client.get("/api/status")).status_code == 200
        NamedTokens(served.setup.places.api_tokens).revoke("good")
        assert (await client.get("/api/status")).json()["error"]["code"] == "unauthorized"
    async with served.remote() as client:
        assert (await client.get("/api/status")).status_code == 200


async def test_an_open_stream_ends_with_its_token(served: Served) -> None:
    secret = token_of(served, TokenScope.EVENTS_READ, name="listener")
    heard = b""
    async with asyncio.timeout(30), served.remote(secret) as client, client.stream("GET", "/api/events") as answer:
        pieces = answer.aiter_raw()
        while b"retry" not in heard:
            heard += await anext(pieces)
        await served.store.publish("events:status", {"type": "first"})
        while b"event: first" not in heard:
            heard += await anext(pieces)
        NamedTokens(served.setup.places.api_tokens).revoke("listener")
        await served.store.publish("events:status", {"type": "second"})
        async for piece in pieces:
            heard += piece
    assert b"second" not in heard


async def test_a_call_outside_its_scopes_is_one_line_a_minute_for_each_name(served: Served, ear: Ear) -> None:
    first, second = (token_of(served, TokenScope.READ, TokenScope.MEMORY, name=name) for name in ("first", "second"))
    for secret in (first, first, second, first):
        async with served.remote(secret) as client:
            assert (await client.post("/api/kill")).status_code == 403
            assert (await client.post("/api/agent", json={"message": "hello", "to": "self"})).status_code == 403
    told = [event for event in await ear.heard() if event.get("event") == "api_token_refused"]
    assert [(each["token"], each["scopes"], each["route"]) for each in told] == [
        ("first", "memory read", "/api/kill"),
        ("second", "memory read", "/api/kill"),
    ]
    assert first not in json.dumps(told)


async def test_a_refused_call_is_told_again_after_a_minute_with_how_many_there_were() -> None:
    told: list[tuple[str, str, int]] = []

    async def tell(caller: Caller, route: str, count: int) -> None:
        told.append((caller.name, route, count))

    clock = FakeClock()
    refusals = ScopeRefusals(tell, clock)
    caller = Caller("zapier", frozenset({TokenScope.READ}))
    for _ in range(3):
        await refusals.note(caller, "/api/kill")
    clock.move(61)
    await refusals.note(caller, "/api/resume")
    assert told == [("zapier", "/api/kill", 1), ("zapier", "/api/resume", 3)]


def test_the_last_use_is_known_to_the_minute_and_leaves_with_its_token(tmp_path: Path) -> None:
    tokens = NamedTokens(tmp_path / "tokens.json")
    _, secret = tokens.make("zapier", [TokenScope.READ], NOW, LATER)
    assert tokens.last_use("zapier") is None
    for second in (0, 30, 59, 61, 100):
        tokens.caller(secret.encode(), NOW + timedelta(seconds=second))
    assert NamedTokens(tokens.path).last_use("zapier") == NOW + timedelta(seconds=61)
    tokens.caller(b"A" * 43, LATER - timedelta(days=1))
    tokens.caller(secret.encode(), LATER)
    assert tokens.last_use("zapier") == NOW + timedelta(seconds=61)
    tokens.revoke("zapier")
    tokens.make("zapier", [TokenScope.READ], NOW, LATER)
    assert tokens.last_use("zapier") is None


def test_a_home_where_no_use_can_be_written_lets_its_callers_in(tmp_path: Path) -> None:
    tokens = NamedTokens(tmp_path / "tokens.json")
    _, secret = tokens.make("zapier", [TokenScope.READ], NOW, LATER)
    (tmp_path / "api-token-uses").write_text("no folder")
    assert isinstance(tokens.caller(secret.encode(), NOW), Caller)
    assert tokens.last_use("zapier") is None


def test_making_and_revoking_is_a_line_each_in_the_security_log(home: Path) -> None:
    made = command(home, "api", "token", "--name", "zapier", "--scope", "read", "--scope", "drafts:read")
    assert command(home, "api", "token", "--name", "zapier", "--scope", "read").returncode == 75
    command(home, "api", "revoke", "zapier")
    command(home, "api", "revoke", "zapier")
    lines = list(read_entries(load({}, {}, home=home).places.logs / "security.jsonl"))
    assert [(each.event, each.details) for each in lines] == [
        ("api_token_made", {"token": "zapier", "scopes": "drafts:read read"}),
        ("api_token_revoked", {"token": "zapier", "scopes": "drafts:read read"}),
    ]
    assert made.stdout.strip() not in str(lines)


async def test_where_only_named_tokens_count_the_whole_one_is_none(serve: Serve) -> None:
    async with serve(whole_token=False) as served:
        named = token_of(served, TokenScope.READ)
        assert not served.setup.places.api_token.exists()
        async with served.remote() as client:
            assert (await client.get("/api/status")).status_code == 401
        async with served.remote(named) as client:
            assert (await client.get("/api/status")).status_code == 200
        async with served.local() as client:
            assert (await client.get("/api/pairing")).status_code == 200


def test_the_file_holds_no_token_and_is_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "api-tokens.json"
    tokens = NamedTokens(path)
    assert tokens.all() == []
    assert not path.parent.exists()
    made, secret = tokens.make("zapier", [TokenScope.READ, TokenScope.READ], NOW, LATER)
    assert (made.scopes, tokens.all()) == ([TokenScope.READ], [made])
    assert secret not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tokens.caller(secret.encode(), NOW) == Caller("zapier", frozenset({TokenScope.READ}))
    assert tokens.caller(secret.encode()[:-1], NOW) is None
    assert tokens.caller(made.digest.encode(), NOW) is None
    assert tokens.caller(secret.encode(), LATER) == "expired"


def test_a_name_is_taken_until_it_ends(tmp_path: Path) -> None:
    tokens = NamedTokens(tmp_path / "tokens.json")
    tokens.make("zapier", [TokenScope.READ], NOW, LATER)
    with pytest.raises(BusyError):
        tokens.make("zapier", [TokenScope.ALL], NOW, LATER)
    tokens.make("zapier", [TokenScope.ALL], LATER, LATER + timedelta(days=1))
    assert [each.scopes for each in tokens.all()] == [[TokenScope.ALL]]
    with pytest.raises(NotFoundError):
        tokens.revoke("n8n")


def test_there_are_fifty_at_most(tmp_path: Path) -> None:
    tokens = NamedTokens(tmp_path / "tokens.json")
    for number in range(50):
        tokens.make(f"t{number}", [TokenScope.READ], NOW, LATER)
    with pytest.raises(BusyError):
        tokens.make("one-more", [TokenScope.READ], NOW, LATER)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"name":"../x","scopes":["read"]}]', "\udcff", "["])
def test_a_file_that_is_broken_lets_nobody_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    tokens = NamedTokens(path)
    with pytest.raises(ConfigError):
        tokens.all()
    assert tokens.caller(b"A" * 43, NOW) is None
    assert path.read_bytes() == content.encode("utf-8", "surrogateescape")


def test_a_file_that_others_can_read_lets_nobody_in(tmp_path: Path) -> None:
    tokens = NamedTokens(tmp_path / "tokens.json")
    _, secret = tokens.make("zapier", [TokenScope.READ], NOW, LATER)
    assert isinstance(tokens.caller(secret.encode(), NOW), Caller)
    tokens.path.chmod(0o644)
    assert tokens.caller(secret.encode(), NOW) is None


async def test_many_processes_at_once_lose_no_token(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, timedelta, UTC\n"
        "from secondme.core.tokens import NamedTokens, TokenScope\n"
        "now = datetime.now(UTC)\n"
        "for at in range(4): NamedTokens(Path(sys.argv[1])).make(f'{sys.argv[2]}-{at}', [TokenScope.READ], now, now + timedelta(days=1))"
    )
    path = tmp_path / "tokens.json"
    runs = [
        asyncio.create_subprocess_exec(sys.executable, "-c", code, str(path), f"p{number}", stderr=subprocess.PIPE)
        for number in range(5)
    ]
    for process in await asyncio.gather(*runs):
        _, said = await process.communicate()
        assert (process.returncode, said) == (0, b"")
    assert len(NamedTokens(path).all()) == 20


def test_its_owner_makes_lists_and_revokes_one(home: Path) -> None:
    made = command(home, "api", "token", "--name", "zapier", "--scope", "drafts:read", "--scope", "read", "--for", "30d")
    assert (made.returncode, len(made.stdout.strip())) == (0, 43)
    assert "zapier may drafts:read, read, until" in made.stderr
    listed = json.loads(command(home, "api", "tokens", "--json").stdout)["data"]["tokens"]
    assert [(each["name"], each["scopes"], each["ended"]) for each in listed] == [("zapier", ["drafts:read", "read"], False)]
    assert [each["lastUsedAt"] for each in listed] == [None]
    assert "never" in command(home, "api", "tokens").stdout
    assert made.stdout.strip() not in command(home, "api", "tokens").stdout
    assert command(home, "api", "revoke", "zapier").returncode == 0
    assert command(home, "api", "revoke", "zapier").returncode == 65
    assert "No program has a token" in command(home, "api", "tokens").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--name", "zapier"),
        ("--name", "zapier", "--scope", "everything"),
        ("--name", "Zapier!", "--scope", "read"),
        ("--name", "zapier", "--scope", "read", "--new"),
        ("--name", "zapier", "--scope", "read", "--for", "soon"),
        ("--scope", "read"),
    ],
)
def test_a_wrong_call_makes_none(home: Path, words: tuple[str, ...]) -> None:
    said = command(home, "api", "token", *words)
    assert (said.returncode, said.stdout) == (2, "")
    assert not (home / "data" / "api-tokens.json").exists()
