"""Who gets through? Row 20 of the attack table, and its answers' silence."""

import base64
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from api.serving import Dial, Serve, Served
from api.wire import Answer, ask, request
from fakes.clock import FakeClock
from fakes.size import sized
from fakes.watching import Ear, everything

from secondme.core.api.app import document
from secondme.core.retry import AttemptLimit

ROUTES = [
    (method.upper(), path.replace("{contact}", "local:ben"))
    for path, operations in document()["paths"].items()
    for method in operations
]
UNKNOWN = [
    ("GET", "/"),
    ("POST", "/api/pairing/local:nobody"),
    ("DELETE", "/api/pairing/%00"),
    ("PUT", "/api/kill"),
    ("GET", "/docs"),
]
BODY = b'{"action":"deny","contactIds":["local:ben"]}'


def hosts(port: int) -> list[tuple[str, bool]]:
    """Twenty Host headers, and whether each is the API's."""
    right = [f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}", f"LOCALHOST:{port}"]
    wrong = [
        "",
        "127.0.0.1",
        "localhost",
        f"127.0.0.1:{port + 1}",
        f"evil.example:{port}",
        "evil.example",
        f"127.0.0.1.evil.example:{port}",
        f"localhost.:{port}",
        f"127.1:{port}",
        f"2130706433:{port}",
        f"0.0.0.0:{port}",
        f"[::ffff:127.0.0.1]:{port}",
        f"user@127.0.0.1:{port}",
        f"127.0.0.1:{port}, evil.example",
        f"http://127.0.0.1:{port}",
        "secondme",
    ]
    return [(host, True) for host in right] + [(host, False) for host in wrong]


def origins(port: int) -> list[tuple[str | None, bool]]:
    """Twenty Origin headers (None: no header), and whether each is the API's."""
    right = [None, f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://[::1]:{port}", f"HTTP://localhost:{port}"]
    wrong = [
        "",
        "null",
        "http://evil.example",
        f"http://evil.example:{port}",
        f"https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://localhost",
        f"http://127.0.0.1:{port}/",
        f"http://127.0.0.1:{port + 1}",
        f"http://127.0.0.1:{port}.evil.example",
        f"http://localhost:{port}@evil.example",
        f"//127.0.0.1:{port}",
        f"127.0.0.1:{port}",
        "file://",
        f"http://127.0.0.1:{port} http://evil.example",
    ]
    return [(origin, True) for origin in right] + [(origin, False) for origin in wrong]


def tokens(right: str, revoked: str) -> list[tuple[str, str, list[tuple[str, str]], bool]]:
    """What each kind of caller says of itself: a name, what follows the path, headers, and whether it may call."""
    bearer = f"Bearer {right}"
    basic = base64.b64encode(f"owner:{right}".encode()).decode()
    return [
        ("right", "", [("Authorization", bearer)], True),
        ("right, scheme in capitals", "", [("Authorization", f"BEARER {right}")], True),
        ("missing", "", [], False),
        ("empty", "", [("Authorization", "")], False),
        ("scheme only", "", [("Authorization", "Bearer")], False),
        ("wrong", "", [("Authorization", f"Bearer {'A' * len(right)}")], False),
        ("truncated", "", [("Authorization", bearer[:-1])], False),
        ("longer", "", [("Authorization", bearer + "A")], False),
        ("other case", "", [("Authorization", f"Bearer {right.swapcase()}")], False),
        ("in the query", f"?token={right}&access_token={right}", [], False),
        ("in a cookie", "", [("Cookie", f"token={right}")], False),
        ("in another header", "", [("X-Api-Key", right), ("Proxy-Authorization", bearer)], False),
        ("twice", "", [("Authorization", bearer), ("Authorization", bearer)], False),
        ("beside a wrong one", "", [("Authorization", "Bearer wrong"), ("Authorization", bearer)], False),
        ("in a list", "", [("Authorization", f"{bearer}, {bearer}")], False),
        ("basic", "", [("Authorization", f"Basic {basic}")], False),
        ("no scheme", "", [("Authorization", right)], False),
        ("revoked", "", [("Authorization", f"Bearer {revoked}")], False),
        ("a contact's id", "", [("Authorization", "Bearer local:anna")], False),
        ("a code", "", [("Authorization", "Bearer 123456")], False),
    ]


Call = tuple[str, str, bytes, bool]


def calls(port: int, right: str, revoked: str) -> Iterator[Call]:
    """Every Host with every Origin on every route, and every kind of token on every route; the kinds go round, so that every triple is
    tried on some route. A call is its method, path, bytes, and whether it is authorised. Where time matters, each of twelve routes has a
    twelfth of the pairs.
    """
    kinds, share = itertools.cycle(tokens(right, revoked)), sized(1, 12)
    for number, (method, path) in enumerate([*ROUTES, *UNKNOWN]):
        pairs = itertools.product(hosts(port), origins(port))
        for (host, own_host), (origin, own_origin) in itertools.islice(pairs, number % share, None, share):
            yield _call(method, path, host, origin, next(kinds), is_own=own_host and own_origin)
        next(kinds)  # 400 is a multiple of 20: without it, each pair would always meet the same kind
        for kind in tokens(right, revoked):
            yield _call(method, path, f"127.0.0.1:{port}", None, kind, is_own=True)


def _call(
    method: str, path: str, host: str, origin: str | None, kind: tuple[str, str, list[tuple[str, str]], bool], *, is_own: bool
) -> Call:
    _, query, headers, knows = kind
    said = [("Host", host), *([] if origin is None else [("Origin", origin)]), *headers]
    body = BODY if method != "GET" else b""
    may_call = is_own and (knows or (method, path) == ("GET", "/health"))
    return method, path, request(method, path + query, *said, body=body), may_call


@pytest.mark.heavy  # 6 s: every one with every other
async def test_of_twenty_hosts_twenty_origins_and_twenty_kinds_of_tokens_only_the_right_ones_get_through(
    dial: Dial, town_hall: Served
) -> None:
    revoked = town_hall.token
    right = town_hall.token_file.renew()
    seen: Counter[tuple[bool, int]] = Counter()
    line = await dial(town_hall.port)
    for method, path, raw, is_authorised in calls(town_hall.port, right, revoked):
        if is_authorised and path == "/api/events":
            continue  # answers for ever; the events have tests of their own
        if line.reader.at_eof() or line.writer.is_closing():
            line = await dial(town_hall.port)
        answer = await line.ask(raw)
        if b"connection: close" in answer.head:
            await line.hang_up()
        seen[is_authorised, answer.status] += 1
        if not is_authorised:
            assert answer.status in {401, 403, 429}, (method, path, raw)
    await line.hang_up()
    unauthorised = {status: count for (is_authorised, status), count in sorted(seen.items()) if not is_authorised}
    authorised = {status: count for (is_authorised, status), count in sorted(seen.items()) if is_authorised}
    print(f"\n{sum(seen.values())} calls; unauthorised {unauthorised}, 2xx among them: 0; authorised {authorised}")
    assert sum(unauthorised.values()) > sized(10_000, 4_000)
    assert authorised[200] > 50
    assert {401, 403, 429} & set(authorised) == set()


ROLES = {"nobody": None, "a contact": "local:anna", "a wrong token": "A" * 43, "an old token": ""}


@pytest.mark.parametrize("role", ROLES)
async def test_no_entry_point_lets_a_caller_do_what_the_owner_may(town_hall: Served, role: str) -> None:
    old = town_hall.token
    right = town_hall.token_file.renew()
    before = await everything(
        town_hall.store.client, "[^E]*"
    )  # but for the log of events, which says once that somebody was refused
    token = ROLES[role] if role != "an old token" else old
    said = [] if token is None else [("Authorization", f"Bearer {token}")]
    escalations = 0
    for method, path in ROUTES:
        raw = request(method, path, ("Host", f"127.0.0.1:{town_hall.port}"), *said, body=BODY if method != "GET" else b"")
        answer = await ask(town_hall.port, raw)
        escalations += answer.status < 400 and path != "/health"
    print(f"\n{role}: {len(ROUTES)} entry points, {escalations} escalations")
    assert escalations == 0
    assert await everything(town_hall.store.client, "[^E]*") == before
    async with town_hall.remote(right) as owner:
        assert (await owner.post("/api/pairing/local:ben")).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}"], ids=["without a body", "with a body"])
async def test_who_may_not_call_learns_nothing_about_who_and_what_is_there(town_hall: Served, body: bytes) -> None:
    host = ("Host", f"127.0.0.1:{town_hall.port}")
    answers: set[Answer] = set()
    asked = 0
    for token in ("", "wrong", "A" * 43):
        for method, path in [
            ("POST", "/api/pairing/local:ben"),
            ("POST", "/api/pairing/local:nobody"),
            ("POST", "/api/pairing/%00"),
            ("DELETE", "/api/pairing/approved/local:anna"),
            ("GET", "/no/route"),
            ("PUT", "/api/kill"),
        ]:
            answers.add(await ask(town_hall.port, request(method, path, host, ("Authorization", f"Bearer {token}"), body=body)))
            asked += 1
    (only,) = answers
    assert (only.status, asked) == (401, 18)
    assert b'www-authenticate: Bearer realm="secondme"' in only.head


async def test_after_twenty_wrong_tokens_in_a_minute_others_wait_and_the_right_one_does_not(town_hall: Served, ear: Ear) -> None:
    async with town_hall.remote("wrong") as stranger, town_hall.remote() as owner:
        statuses = [(await stranger.get("/api/status")).status_code for _ in range(25)]
        passes = [(await owner.get("/api/status")).status_code for _ in range(5)]
        late = await stranger.get("/api/status")
        health = await stranger.get("/health")
    events = [event for event in await ear.heard() if event.get("event") == "api_refused"]
    assert statuses == [401] * 20 + [429] * 5
    assert passes == [200] * 5
    assert (late.status_code, late.headers["retry-after"], health.status_code) == (429, "60", 200)
    assert [(event["why"], event["severity"]) for event in events] == [("token", "warn")]


def test_attempts_are_limited_and_the_owner_is_told_of_refusals_once_a_minute() -> None:
    clock = FakeClock()
    attempts = AttemptLimit(3, clock)
    assert [attempts.refused() for _ in range(3)] == [1, 0, 0]
    assert [attempts.is_one_too_many() for _ in range(4)] == [False, False, False, True]
    clock.move(59.9)
    assert (attempts.refused(), attempts.is_one_too_many()) == (0, True)
    clock.move(0.2)
    assert (attempts.refused(), attempts.is_one_too_many()) == (4, False)


async def test_a_replaced_or_removed_token_has_no_power_from_that_moment_on(town_hall: Served) -> None:
    file = town_hall.token_file
    async with town_hall.remote() as caller:
        first = (await caller.get("/api/status")).status_code
        second = file.renew()
        old = (await caller.get("/api/status")).status_code
        new = (await caller.get("/api/status", headers={"Authorization": f"Bearer {second}"})).status_code
        file.path.unlink()
        removed = (await caller.get("/api/status", headers={"Authorization": f"Bearer {second}"})).status_code
    assert (first, old, new, removed) == (200, 401, 200, 401)


@pytest.mark.parametrize("how", ["open to others", "a link", "not a token", "empty"])
async def test_a_token_file_that_cannot_be_trusted_lets_nobody_in(town_hall: Served, how: str, tmp_path: Path) -> None:
    token, path = town_hall.token, town_hall.token_file.path
    if how == "open to others":
        path.chmod(0o640)
    elif how == "a link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("short" if how == "not a token" else "")
    said = {"not a token": "short", "empty": ""}.get(how, token)
    headers = ("Host", f"127.0.0.1:{town_hall.port}"), ("Authorization", f"Bearer {said}")
    assert (await ask(town_hall.port, request("GET", "/api/status", *headers))).status == 401


async def test_on_the_unix_socket_the_file_decides_and_web_pages_are_refused_all_the_same(town_hall: Served) -> None:
    async def status(*headers: tuple[str, str], line: str = "GET") -> int:
        return (await ask(town_hall.unix, request(line, "/api/status", *headers))).status

    assert [await status(("Host", host)) for host in ("localhost", "secondme", "", "SecondMe")] == [200] * 4
    assert [await status(("Host", host)) for host in ("evil.example", "127.0.0.1", "localhost:80")] == [403] * 3
    origins = ("http://localhost", "http://secondme", "null", "http://evil.example", "http://", "")
    assert [await status(("Host", "localhost"), ("Origin", origin)) for origin in origins] == [200, 200, 403, 403, 403, 403]
    assert await status(("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "http://localhost")) == 403
    assert await status(("Host", "localhost"), ("Host", "localhost")) == 400
    assert await status() == 400


async def test_websockets_are_refused(town_hall: Served) -> None:
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "WebSocket"), ("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "13")]
    assert (await ask(town_hall.unix, request("GET", "/api/events", ("Host", "localhost"), *upgrade))).status == 403


async def test_a_token_is_not_asked_for_health_alone(town_hall: Served) -> None:
    host = ("Host", f"127.0.0.1:{town_hall.port}")
    paths = [
        "/health",
        "/health/",
        "/health/../api/status",
        "//health",
        "/HEALTH",
        "/health%2f",
        "/health?x=/api/kill",
        "/%68ealth",
    ]
    statuses = [(await ask(town_hall.port, request("GET", path, host))).status for path in paths]
    assert statuses == [200, 401, 401, 401, 401, 401, 200, 200]
    assert (await ask(town_hall.port, request("POST", "/health", host))).status == 401


async def test_a_listener_on_every_address_is_called_by_the_one_it_was_reached_at(serve: Serve) -> None:
    async with serve(listen="0.0.0.0:0", allow_remote=True) as served:
        found = {}
        for host in ("127.0.0.1", "0.0.0.0", "localhost", "127.0.0.2", "evil.example"):
            found[host] = (await ask(served.port, request("GET", "/health", ("Host", f"{host}:{served.port}")))).status
    assert found == {"127.0.0.1": 200, "0.0.0.0": 200, "localhost": 200, "127.0.0.2": 403, "evil.example": 403}
