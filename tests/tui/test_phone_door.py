"""What stands between the phone page and the gateway: of everything that can be asked, exactly what the page needs, from its own place alone."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator

import aiohttp
import pytest
from fakes.phone import House, house
from fakes.process import command, settings_of
from fakes.web import ask

from secondme.cli.tui.web.relay import CALLS, MOST_BYTES, MOST_STREAMS
from secondme.core.api.app import document

pytestmark = pytest.mark.heavy  # a gateway and the server of its pages

AT = "https://clone.tailnet.ts.net"


@pytest.fixture(scope="module")
def there() -> Iterator[House]:
    with house(at=AT) as running:
        yield running


def asked(
    there: House, method: str, path: str, *lines: str, host: str = "", cookie: str | None = None, body: bytes = b""
) -> tuple[int, str, bytes]:
    head = [f"{method} {path} HTTP/1.1", f"Host: {host or there.web.own}", f"Content-Length: {len(body)}", *lines]
    head += [f"Cookie: {there.web.cookie if cookie is None else cookie}"]
    return there.web.wire.ask("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def test_only_what_the_page_needs_is_asked_of_the_gateway(there: House) -> None:
    """Every route that the API has, by every method, and names in the place of ids that are none."""
    web, paths = there.web, document()["paths"]
    known = {(call.method, call.path) for call in CALLS}
    assert known <= {(method.upper(), path) for path, methods in paths.items() for method in methods}
    fill = {"contact": "local%3Anobody", "draft": "abcdef", "channel": "local", "invite": "123456"}
    origin, reached, refused = f"Origin: {web.origin}", Counter[int](), Counter[int]()
    for path, method in itertools.product(paths, ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")):
        if path == "/api/events" and method == "GET":
            continue
        where = re.sub(r"\{(\w+)\}", lambda found: fill.get(found[1], "x"), path)
        status, head, body = asked(there, method, f"{web.path}{where}", origin)
        is_theirs = b'"error"' not in body or json.loads(body)["error"]["fix"] != ""
        (reached if (method, path) in known else refused)[status] += 1
        if (method, path) not in known:
            assert status in {403, 404, 405}, (method, path)
            assert b"{" not in body or json.loads(body)["error"]["code"] == "not_found", (method, path, body)
        elif method == "GET":
            assert status == (404 if "{contact}" in path else 200), (path, body)
            assert is_theirs
        if path.startswith("/api/"):
            assert "default-src 'none'; script-src 'self'; style-src 'self';" in head
            assert "unsafe-inline" not in head
    odd = [
        "",
        "/",
        "/..",
        "/..%2fstatus",
        "/%2e%2e/status",
        "/bulk",
        "/approved",
        "/denied",
        "/ALL",
        "/123456",
        "/local%3Aa%2f..%2fbulk",
        "/local%3Aa%00",
        "/local:a?x=1#y",
    ]
    odd += ["/local%3A" + "a" * 200, "/%ff", "/local%3Aa/../bulk", "//local%3Aa", "/local%3Aa%0d%0aX: y"]
    for tail, method in itertools.product(odd, ("POST", "PATCH", "PUT")):
        status, _, body = asked(there, method, f"{web.path}/api/pairing{tail}", origin)
        assert 400 <= status < 500, (tail, method, body)
    print({"reached": dict(reached), "refused": dict(refused)})
    assert refused.total() > 400


def test_no_other_host_origin_or_cookie_reaches_the_api_or_the_page(there: House) -> None:
    web = there.web
    name, _, secret = web.cookie.partition("=")
    host, named = web.own, AT.removeprefix("https://")
    right = {(host, web.origin), (named, AT)}
    hosts = [
        host,
        named,
        "attacker.example",
        f"attacker.example:{web.port}",
        f"localhost:{web.port}",
        f"{named}.attacker.example",
        f"{named}:443",
        f"{named}.",
        named.upper(),
    ]
    origins = [
        "",
        web.origin,
        AT,
        "null",
        "http://attacker.example",
        f"http://{named}",
        f"{AT}:443",
        f"{AT}.attacker.example",
        f"https://{host}",
        AT.upper(),
    ]
    cookies = [web.cookie, "", f"{name}=wrong", f"{name}={secret[:-1]}", f"{web.cookie}; {name}=wrong"]
    calls = [
        ("GET", "/api/status"),
        ("POST", "/api/pause"),
        ("DELETE", "/api/pause"),
        ("GET", "/phone/"),
        ("GET", "/phone/api.js"),
        ("GET", "/"),
    ]
    wrong, answers = [], Counter[int]()
    for (method, path), at, origin, cookie in itertools.product(calls, hosts, origins, cookies):
        status, _, _ = asked(there, method, web.path + path, *([f"Origin: {origin}"] if origin else []), host=at, cookie=cookie)
        answers[status] += 1
        is_right = cookie == web.cookie and ((at, origin) in right or (not origin and method == "GET" and at in {host, named}))
        if (status == 200) != is_right:
            wrong.append((method, path, at, origin, cookie, status))
    print({"asked": answers.total(), "answers": dict(answers)})
    assert wrong == []
    guessed = [f"/{'x' * 43}", f"{web.path[:-1]}", f"{web.path}x", web.path.lower(), web.path.upper(), ""]
    assert {asked(there, "GET", f"{path}/api/status")[0] for path in guessed} <= {403, 404}


def test_by_the_tunnel_the_link_works_once_its_cookie_is_secure_and_the_screen_may_open_its_socket_there(there: House) -> None:
    web, named = there.web, AT.removeprefix("https://")
    assert web.phone_link == f"{AT}/open/{web.phone_token}"
    path = f"/open/{web.phone_token}"
    assert asked(there, "GET", path, host="attacker.example")[0] == 403
    assert asked(there, "GET", path, "Origin: https://attacker.example", host=named)[0] == 403
    status, head, _ = asked(there, "GET", path, host=named, cookie="")
    assert status == 303
    assert f"Location: {web.path}/phone/\r" in head
    (cookie,) = re.findall(r"(?m)^Set-Cookie: (.*)\r$", head)
    assert {"HttpOnly", "Secure", "SameSite=Strict", f"Path={web.path}/", "Max-Age=604800"} <= set(cookie.split("; "))
    assert asked(there, "GET", path, host=named)[0] == 403
    assert asked(there, "GET", f"/open/{web.token}", host=named)[0] == 403  # that was used by the fixture
    _, head, body = asked(there, "GET", f"{web.path}/", host=named)
    assert f"connect-src 'self' wss://{named};" in head
    assert f"wss://{named}{web.path}/ws".encode() in body


def test_what_goes_on_to_the_gateway_is_bounded_and_has_nothing_of_the_browser(there: House) -> None:
    web, origin = there.web, f"Origin: {there.web.origin}"
    kind = "Content-Type: application/json"
    assert asked(there, "POST", f"{web.path}/api/pause", origin, "Content-Type: text/plain", body=b"{}")[0] == 415
    assert asked(there, "POST", f"{web.path}/api/pause", origin, kind, body=b" " * (MOST_BYTES + 1))[0] == 413
    assert asked(there, "POST", f"{web.path}/api/pause", origin, kind, body=b"{" * 1000)[0] == 422
    head = [origin, kind, "Authorization: Bearer x", "X-Forwarded-For: 1.2.3.4", "Expect: 100-continue"]
    status, answer, _ = asked(there, "POST", f"{web.path}/api/pause", *head[:4], body=b'{"minutes": 1}')
    assert status == 200
    assert "no-store" in answer
    assert not re.search(r"(?im)^(server|set-cookie|access-control-.*):", answer)
    assert asked(there, "DELETE", f"{web.path}/api/pause", origin)[0] == 200
    log = (settings_of(there.home).places.logs / "secondme.jsonl").read_text()
    assert web.path not in log
    assert there.web.said.count("\n") == 4


async def test_events_come_through_and_only_a_few_may_follow_them(there: House) -> None:
    web = there.web
    headers = {"Cookie": web.cookie, "Origin": web.origin}
    async with aiohttp.ClientSession(headers=headers) as http:
        streams = [await http.get(f"{web.origin}{web.path}/api/events") for _ in range(MOST_STREAMS)]
        assert {(each.status, each.content_type) for each in streams} == {(200, "text/event-stream")}
        async with http.get(f"{web.origin}{web.path}/api/events") as refused:
            assert (refused.status, (await refused.json())["error"]["code"]) == (503, "too_many_streams")
        await http.post(f"{web.origin}{web.path}/api/pause", json={"minutes": 1})
        for each in streams:
            while b"event: pause" not in await each.content.readline():
                pass
            each.close()
        await http.delete(f"{web.origin}{web.path}/api/pause")


def test_an_address_that_is_none_of_a_tunnel_is_refused_before_anything_listens(there: House) -> None:
    refused = command(there.home, "tui", "--web", "--at", "http://clone.example")
    assert refused.returncode == 78
    assert "By http everybody on the way could read" in refused.stderr
    assert command(there.home, "tui", "--at", AT).returncode == 2
    assert ask(there.web.port, there.web.get(f"/open/{there.web.token}"))[0] == 403
