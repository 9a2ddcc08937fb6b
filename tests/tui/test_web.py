"""The screen in a browser: it works there, offline, and nobody else on this machine and no other page gets near it."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import signal
import socket
import struct
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from fakes.browser import BINARY, Browser
from fakes.process import DEADLINE_S, command, eventually, knock, server_pids, settings_of, write_config
from fakes.web import END_S, Web, ask, closed, drawn, processes

from secondme.cli.tui.web.door import AccessLink
from secondme.cli.tui.web.process import ScreenProcess
from secondme.cli.tui.web.relay import ApiRelay
from secondme.core.admit.pairing_store import PairingStore
from secondme.core.store.client import Store
from secondme.core.store.server import Role

pytestmark = pytest.mark.heavy  # a server, its screens and a browser


@pytest.fixture
def served(home: Path) -> Iterator[Web]:
    """A session that was entered, on a home whose store this process does not hold."""
    write_config(home)
    with Web(home) as running:
        running.enter()
        yield running


@pytest.fixture(scope="module")
def door() -> Iterator[Web]:
    """A session that was entered and that strangers try; nobody opens a screen in it for long."""
    path = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    write_config(path)
    with Web(path) as running:
        running.enter()
        yield running
    shutil.rmtree(path, ignore_errors=True)


# In a real browser


@pytest.fixture
def chromium() -> None:
    """Continuous integration must not lose this silently."""
    if BINARY is None:
        said = "needs Chromium: apt-get install chromium"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)


def colours(png: bytes) -> int:
    """How many different bytes the pixels are made of."""
    data, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    return len(set(zlib.decompress(data)))


async def has_class(browser: Browser, name: str) -> None:
    await eventually(lambda: browser.evaluate(f"document.body?.classList.contains({name!r})"))


async def shows(browser: Browser, text: str) -> None:
    """The screen drew it; it is on a canvas, so what came over the WebSocket tells."""
    await eventually(lambda: text.encode() in browser.received)


@asynccontextmanager
async def neighbour() -> AsyncIterator[tuple[str, list[str | None]]]:
    """Another web server of this machine, and the cookies that it was sent."""
    cookies: list[str | None] = []

    async def page(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(text="<!doctype html><title>neighbour</title>", content_type="text/html")

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", cookies
    finally:
        await runner.cleanup()


@pytest.mark.usefixtures("chromium")
async def test_in_a_browser_keys_let_somebody_in_offline_and_only_there(home: Path) -> None:
    write_config(home)
    setup = settings_of(home)
    with Web(home) as running:
        async with Store(setup, Role.OWN) as store, Browser(home / "profile") as browser:
            await knock(store, setup, "anna")
            assert await browser.open(running.link) == 200
            await _let_in(browser)
            (record,) = (await PairingStore(store, setup.settings.pairing).listing()).approved
            assert (record.contact_id, record.approved_by) == ("local:anna", "tui")
            await _close_and_open_again(browser)
            hosts = Counter(re.sub(r"(?<=[^/:])/.*|(?<=^data:).*", "", url) for url in browser.requests)
            print({"asked": dict(hosts)})
            assert set(hosts) <= {running.origin, f"ws://{running.own}", "data:"}
            page = str(await browser.evaluate("location.href"))
            await _refused_elsewhere(browser, page)
            assert await browser.open(running.link) == 403
        async with Browser(home / "other profile") as other:
            assert [await other.open(running.link), await other.open(page)] == [403, 403]


async def _let_in(browser: Browser) -> None:
    """`a`, Enter, and no click before: the page looks right and complains of nothing."""
    await has_class(browser, "-first-byte")
    assert await browser.evaluate("[document.title, document.activeElement.className].join()") == "secondme,xterm-helper-textarea"
    await shows(browser, "local:anna")
    await browser.press("a")
    await shows(browser, "Approve anna?")
    assert colours(await browser.screenshot()) > 32
    await browser.press("\r")
    await shows(browser, "is approved as standard")
    assert browser.errors == []


async def _close_and_open_again(browser: Browser) -> None:
    await browser.press("q")
    await has_class(browser, "-closed")
    assert "The screen was closed." in await browser.evaluate("document.querySelector('.closed-dialog').innerText")
    browser.received = b""
    await browser.evaluate("document.querySelector('.closed-dialog a').click()")
    await shows(browser, "no gateway")


async def _refused_elsewhere(browser: Browser, page: str) -> None:
    """Another page in the same browser, which has the cookie and even knows the path, opens nothing and is told nothing."""
    async with neighbour() as (url, cookies):
        await browser.open(url)
        socket_url = f"{page.replace('http', 'ws', 1)}ws?width=80&height=24"
        opening = f"new Promise(done => {{ const s = new WebSocket({socket_url!r}); s.onopen = () => done('in'); s.onerror = () => done('out'); }})"
        reading = f"fetch({page!r}, {{ credentials: 'include' }}).then(r => r.text(), () => 'out')"
        assert [await browser.evaluate(opening), await browser.evaluate(reading)] == ["out", "out"]
        assert cookies == [None]


# The door

UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]


def test_of_all_hosts_origins_and_cookies_only_the_right_ones_get_in(door: Web) -> None:
    own, port, origin = door.own, door.port, door.origin
    name, _, secret = door.cookie.partition("=")
    hosts = [
        (own,), (), ("",), (own, own), (own, "attacker.example"), ("attacker.example", own), ("attacker.example",),
        (f"attacker.example:{port}",), ("127.0.0.1.attacker.example",), (f"127.0.0.1.attacker.example:{port}",), (f"localhost:{port}",),
        (f"LOCALHOST:{port}",), (f"[::1]:{port}",), ("127.0.0.1",), (f"127.0.0.1:{port + 1}",), (f"127.0.0.1:0{port}",),
        (f"127.0.0.1.:{port}",), (f"127.1:{port}",), (f"0.0.0.0:{port}",), (f"{own}, attacker.example",), (f"user@{own}",),
    ]  # fmt: skip
    origins = [
        (), (origin,), ("",), ("null",), ("file://",), (f"http://localhost:{port}",), (f"https://{own}",), (f"HTTP://{own}",),
        (f"ws://{own}",), (f"{origin}/",), (f"http://127.0.0.1:{port + 1}",), ("http://127.0.0.1",), ("http://attacker.example",),
        (f"http://attacker.example:{port}",), (f"http://{own}.attacker.example",), (origin, origin), (origin, "http://attacker.example"),
        (f"{origin}, http://attacker.example",), (f"{origin} http://attacker.example",), (f"http://[::1]:{port}",), ("about:blank",),
    ]  # fmt: skip
    cookies = [(door.cookie,), (), (f"{name}=wrong",), (door.cookie[:-1],), (f"{door.cookie}; {door.cookie}",)]
    more_cookies = [
        (f"theme=dark; {door.cookie}; x=1",), (f"{name}=",), (f"{door.cookie}x",), (door.cookie, f"{name}=wrong"), (name,),
        (f"{name}_={secret}",), (f"{name.upper()}={secret}",), (f'{name}="{secret}"',), (f"{name} = {secret}",), (secret,),
    ]  # fmt: skip
    base = door.path
    paths = [f"{base}/", f"{base}/ws", f"{base}/static/js/textual.js", f"{base}/static/", f"{base}/download/x", "/open/x"]
    asked = [*itertools.product(paths, hosts, origins, cookies), *itertools.product(paths, hosts[:1], origins[:2], more_cookies)]
    asked += itertools.product(["/", "/ws", "/static/js/textual.js"], hosts[:1], origins[:2], cookies)
    answers, wrong, right = Counter[int](), [], Counter[str]()
    began = time.monotonic()
    for path, host, source, cookie in asked:
        lines = [f"GET {path} HTTP/1.1", *(f"Host: {each}" for each in host), *(f"Origin: {each}" for each in source)]
        lines += [*(f"Cookie: {each}" for each in cookie), *(UPGRADE if path.endswith("/ws") else [])]
        status, _, _ = door.wire.ask(("\r\n".join(lines) + "\r\n\r\n").encode())
        answers[status] += 1
        if status < 400:
            right[path.removeprefix(base)] += 1
            is_right = (
                host == (own,)
                and source in ([(origin,)] if path.endswith("ws") else [(), (origin,)])
                and cookie in (cookies[0], more_cookies[0])
            )
            wrong += [] if is_right else [(path, host, source, cookie)]
    print({"asked": answers.total(), "answers": dict(answers), "right": dict(right), "seconds": round(time.monotonic() - began, 1)})
    assert wrong == []
    assert right == {"/": 4, "/ws": 2, "/static/js/textual.js": 4}
    assert set(answers) <= {101, 200, 400, 403, 404}
    assert door.said.count("\n") == 4  # strangers cannot write on the owner's terminal


def test_the_link_works_once_however_many_follow_it_at_the_same_time_and_from_here_only(home: Path) -> None:
    write_config(home)
    with Web(home) as running:
        path = f"/open/{running.token}"
        elsewhere = [running.get(path, host="attacker.example"), running.get(path, "Origin: http://attacker.example")]
        near = [running.get(path[:-1]), running.get(path + "x"), running.get(path + "/"), running.get("/open/")]
        heads = [running.get(path).replace(b"GET", method) for method in (b"HEAD", b"POST", b"OPTIONS", b"PUT")]
        assert {running.wire.ask(request)[0] for request in (*elsewhere, *near)} == {403}
        assert {ask(running.port, request)[0] for request in heads[1:]} == {403}
        with socket.create_connection(("127.0.0.1", running.port), DEADLINE_S) as looking:  # a HEAD has no body to wait for
            looking.sendall(heads[0])
            assert b" 403 " in looking.recv(100)
        followers = [socket.create_connection(("127.0.0.1", running.port), DEADLINE_S) for _ in range(20)]
        for each in followers:
            each.sendall(running.get(path))
        answers = Counter(each.recv(12)[-3:] for each in followers)
        for each in followers:
            each.close()
        assert answers == {b"303": 1, b"403": 19}


def test_whatever_bytes_a_stranger_sends_are_refused_and_leave_no_trace(door: Web) -> None:
    odd = ["\udcff\udcfe", "é", "\udced\udca0\udc80", "表", "\x01", "\x7f", "\x85", " "]  # surrogates stand for single bytes
    odd += ["%ff", "%ed%a0%80", "%00", "%c3%a9", "%2e%2e", "..%2f"]
    name, base = door.cookie.partition("=")[0], door.path
    requests = [door.get(f"{base}/", f"Cookie: {name}={each}") for each in odd]
    requests += [door.get(f"/open/{each}") for each in odd] + [door.get(f"/{each}", f"Cookie: {door.cookie}") for each in odd]
    requests += [door.get(f"{base}/", f"Cookie: {door.cookie}", f"Origin: {each}") for each in odd]
    requests += [door.get(f"{base}/", f"Cookie: {door.cookie}", host=each) for each in odd]
    requests += [door.get(f"http://attacker.example{base}/"), b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"]
    requests += [
        door.get(f"{base}/", f"Cookie: {door.cookie}", "Expect: something"),
        b"CONNECT attacker.example:80 HTTP/1.1\r\n\r\n",
    ]
    requests += [door.get("/", "Cookie: " + "x" * 100_000), door.get("/" + "x" * 100_000), door.get("*"), door.get("//")]
    answers = Counter(ask(door.port, request)[0] for request in requests)
    print({"asked": len(requests), "answers": dict(answers)})
    assert {status for status in answers if not 400 <= status < 500} == set()
    assert door.said.count("\n") == 4


def test_no_directory_is_listed_and_no_other_file_is_served(door: Web) -> None:
    cookie, static = f"Cookie: {door.cookie}", f"{door.path}/static"
    inside = [
        "",
        *[
            "/",
            "/js",
            "/js/",
            "/css/",
            "/./",
            "/../",
            "/../server.py",
            "/%2e%2e/server.py",
            "/..%2fserver.py",
            "//etc/passwd",
            "/%2fetc/passwd",
        ],
    ]
    inside += ["/js/../../server.py", "/js/%2e%2e/%2e%2e/server.py", "/..%5cserver.py", "/js/textual.js%00"]
    for path in inside:
        status, _, body = door.wire.ask(door.get(static + path, cookie))
        assert status in {400, 403, 404}, path
        assert len(body) < 200
    status, head, _ = door.wire.ask(door.get(f"{static}/js/textual.js", cookie))
    assert status == 200
    assert "Server:" not in head
    for line in ("Cache-Control: no-store", "nosniff", "Referrer-Policy: no-referrer", "default-src 'none'; script-src 'self';"):
        assert line in head


def test_the_link_is_what_a_browser_will_say_back_even_on_the_port_that_browsers_leave_out() -> None:
    relay = ApiRelay(Path("/nowhere"), is_on=True)
    assert AccessLink("true", 80, relay).link.startswith("http://127.0.0.1/open/")
    assert AccessLink("true", 443, relay).link.startswith("http://127.0.0.1:443/open/")


# The screens' processes


@pytest.mark.slow  # 10 s: four screens, each a process
async def test_four_screens_and_no_more_and_each_ends_with_its_browser(served: Web) -> None:
    setup = settings_of(served.home)
    async with Store(setup, Role.OWN), AsyncExitStack() as opened:
        first, *others = [await opened.enter_async_context(served.socket()) for _ in range(4)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await opened.enter_async_context(served.socket())
        assert refused.value.status == 429
        await drawn(first, "no gateway")  # the others have hardly begun
        assert len(served.screens()) == 4
        idle_kb = served.memory_kb()
        await first.close()
        await eventually(lambda: len(served.screens()) == 3)
        os.kill(served.screens()[0], signal.SIGKILL)  # one that crashes does not leave its browser waiting
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait([asyncio.ensure_future(closed(each)) for each in others], return_when=asyncio.FIRST_COMPLETED)
        assert len(served.screens()) == 2
        print({"serving process with four screens, MB": round(idle_kb / 1024, 1)})
    await eventually(lambda: not served.screens())
    async with served.socket():  # there is room again
        pass


async def test_a_page_that_says_nonsense_or_too_much_is_shown_out_and_costs_nothing(served: Web) -> None:
    before_kb = served.memory_kb()
    async with Store(settings_of(served.home), Role.OWN):
        async with served.socket() as opened:
            await opened.send_json(["stdin", "\ud800"])
            await opened.send_json(["resize", {"width": 10**9, "height": -5}])
            await opened.send_json(["resize", {"width": 100, "height": 30}])
            await drawn(opened, "no gateway")
            with suppress(ConnectionError):  # it is shown out in the middle
                await opened.send_str("x" * 10_000_000)
            assert await closed(opened) in {aiohttp.WSCloseCode.MESSAGE_TOO_BIG, aiohttp.WSCloseCode.ABNORMAL_CLOSURE}
        codes = []
        for nonsense in (
            "{",
            "[]",
            '["stdin"]',
            '["stdin", 1]',
            '["resize", {"width": "80", "height": 24}]',
            "[" * 100_000,
            "1" * 10_000,
        ):
            async with served.socket() as opened:
                await opened.send_str(nonsense)
                codes.append(await closed(opened))
            await eventually(lambda: not served.screens())
        await eventually(lambda: not served.screens())
    grown_kb = served.memory_kb() - before_kb
    print({"codes": codes, "serving process, MB": round(before_kb / 1024, 1), "grown by MB": round(grown_kb / 1024, 1)})
    assert set(codes) == {aiohttp.WSCloseCode.UNSUPPORTED_DATA}
    assert grown_kb < 30_000
    assert served.said.count("\n") == 4


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])  # 5 s; by the same way
async def test_a_signal_ends_it_and_every_screen_and_the_store_they_ran(home: Path, number: signal.Signals) -> None:
    write_config(home)
    with Web(home) as running:
        running.enter()
        async with running.socket() as opened:
            await drawn(opened, "no gateway")
            assert len(server_pids(home)) == 1
            began = time.monotonic()
            running.process.send_signal(number)
            assert await closed(opened) in {aiohttp.WSCloseCode.GOING_AWAY, aiohttp.WSCloseCode.OK}
            status = await asyncio.to_thread(running.process.wait, END_S)
        print({"ended after seconds": round(time.monotonic() - began, 1)})
        assert (status, running.screens(), server_pids(home)) == (0, [], [])
        assert running.said.count("\n") == 4


async def test_screens_whose_server_was_killed_end_by_themselves(served: Web) -> None:
    async with served.socket() as opened:
        await drawn(opened, "no gateway")
        served.process.kill()
        await eventually(lambda: not served.screens() and not server_pids(served.home))


async def test_a_screen_that_does_not_listen_is_killed() -> None:
    ended: list[int | None] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        screen = ScreenProcess(r"trap '' TERM; printf '__GANGLION__\nD\000\000\000\001x'; exec sleep 600", connection)
        await screen.start(80, 24)
        await connection.receive()
        await screen.end(within_s=0.2)
        assert screen._process is not None
        ended.append(screen._process.returncode)
        return connection

    application = web.Application()
    application.router.add_get("/", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/") as opened:
        await drawn(opened, "x")
        await opened.send_str("end")
        await closed(opened)
        await eventually(lambda: ended)
    await runner.cleanup()
    assert ended == [-signal.SIGKILL]


async def test_a_screen_that_cannot_start_says_why_where_it_was_started_and_closes_its_page(served: Web) -> None:
    (served.home / "config.toml").write_text("nonsense = 1\n")
    async with served.socket() as opened:
        await closed(opened)
    await eventually(lambda: "There is no setting nonsense" in served.said)


async def test_what_was_typed_before_the_command_reaches_the_screen_and_no_secret_is_on_a_command_line(home: Path) -> None:
    hostile = home / 'it\'s "a" $(touch pwned) `x`;&'
    hostile.mkdir()
    write_config(hostile)
    here = home / "downloads"
    here.mkdir()
    for module in ("secondme", "textual", "aiohttp", "json"):
        (here / f"{module}.py").write_text("open('imported', 'w')\n")
    with Web(hostile, "--set", "persona.name=Zoë O'Hara", "--set", "pairing.max_pending_requests=7", cwd=here) as running:
        running.enter()
        async with Store(settings_of(hostile), Role.OWN), running.socket() as opened:
            await drawn(opened, "no gateway")
            (screen,) = running.screens()
            words = next(words for pid, words in processes() if pid == screen)
            given = Path(f"/proc/{screen}/environ").read_bytes()  # noqa: ASYNC240  a file of the kernel's
            secrets = [part.encode() for part in (running.token, running.cookie.partition("=")[2], running.path[1:])]
            lines = b"\0".join(b"\0".join(words) for _, words in processes())
    assert words[1:4] == [b"-P", b"-m", b"secondme"]
    assert [each.decode() for each in words[4:]] == [
        "--home", str(hostile), "--set", "persona.name=Zoë O'Hara", "--set", "pairing.max_pending_requests=7", "tui",
    ]  # fmt: skip
    assert [secret for secret in secrets if secret in lines + given] == []
    assert [path for path, _, files in os.walk(home) for each in files if each in {"pwned", "imported"}] == []


def test_a_port_that_is_taken_is_one_clear_line(home: Path) -> None:
    write_config(home)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = command(home, "tui", "--web", "--port", str(port))
    assert result.returncode == 78
    assert result.stderr == f"secondme: Port {port} cannot be used: Address already in use. Choose another --port.\n"
    assert result.stdout == ""
