"""Row 15 of the attack table: whose address is ever called for an attachment?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from channels.whatsapp_cloud.cloud import ANNA, Cloud
from fakes.graph_api import SECRET, TOKEN, Reply, Trouble, change, failure, settings_for

from secondme.channels.whatsapp_cloud.client import Graph
from secondme.channels.whatsapp_cloud.settings import account_of
from secondme.core.errors import DataError, NotFoundError, UnavailableError

PICTURE = b"\xff\xd8\xff" + b"picture" * 1000


class Sink:
    """Counts whoever connects, and answers nothing."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    counted = Sink()

    class Counting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            counted.connections += 1
            transport.close()

    server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", 0)
    counted.port = server.sockets[0].getsockname()[1]
    try:
        yield counted
    finally:
        server.close()


async def test_an_attachment_is_fetched_by_its_id_with_our_token_and_nothing_else(cloud: Cloud) -> None:
    cloud.api.media["77"] = PICTURE
    assert await cloud.channel.download("77", 1_000_000) == PICTURE
    asked, fetched = cloud.api.calls[-2:]
    assert (asked.path, asked.query) == ("/v24.0/77", {"phone_number_id": "106540352242922"})
    assert fetched.path == "/bytes/77"
    assert {call.headers["authorization"] for call in (asked, fetched)} == {f"Bearer {TOKEN}"}
    assert {call.headers["accept-encoding"] for call in (asked, fetched)} == {"identity"}


def _strange_urls(port: int) -> list[str]:
    """Three hundred addresses that are not Meta's, many of which would reach the sink."""
    hosts = [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f000001",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "192.168.0.1",
    ]
    hosts += [
        "169.254.169.254",
        "metadata.google.internal",
        "100.64.0.1",
        "[fd00::1]",
        "[64:ff9b::7f00:1]",
        "example.org",
        "facebook.com",
    ]
    hosts += [
        "lookaside.fbsbx.com.example.org",
        "lookaside-fbsbx.com",
        "evilfbcdn.net",
        "fbcdn.net",
        "whatsapp.net",
        "xlookaside.fbsbx.com",
    ]
    hosts += [
        "fbcdn.net.example.org",
        "lookaside.fbsbx.com@127.0.0.1",
        "127.0.0.1#lookaside.fbsbx.com",
        "127.0.0.1\\@lookaside.fbsbx.com",
    ]
    shapes = [
        "http://{0}:{1}/x",
        "https://{0}:{1}/x",
        "https://{0}/x",
        "http://lookaside.fbsbx.com:{1}/{0}",
        "https://lookaside.fbsbx.com:{1}/{0}",
    ]
    shapes += [
        "https://user:pass@{0}:{1}/",
        "https://scontent.fbcdn.net:{1}@{0}/",
        "HTTP://{0}:{1}",
        "//{0}:{1}/x",
        "ftp://{0}:{1}/x",
        "https://{0}%2f:{1}/",
    ]
    urls = [shape.format(host, port) for shape in shapes for host in hosts]
    return [
        *urls,
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_INFO",
        "data:text/plain,x",
        "",
        " ",
        "https://",
        "http://[",
        "x" * 9000,
        "unix:///tmp/x",
    ]


async def test_three_hundred_strange_addresses_are_never_called(cloud: Cloud) -> None:
    async with sink() as counted:
        urls = _strange_urls(counted.port)
        for url in urls:
            cloud.api.media_facts["88"] = {"url": url, "file_size": 5, "id": "88"}
            with pytest.raises(UnavailableError) as caught:
                await cloud.channel.download("88", 1_000_000)
            assert caught.value.code in {"whatsapp_cloud_strange_media_url", "whatsapp_cloud_media_refused"}
        await asyncio.sleep(0.05)
    print(f"\n{len(urls)} addresses: {counted.connections} connections to the sink")
    assert counted.connections == 0
    assert len(urls) >= 300


async def test_addresses_in_a_message_are_text_and_never_called(cloud: Cloud) -> None:
    async with sink() as counted:
        url = f"http://127.0.0.1:{counted.port}/x"
        base = {"from": ANNA, "timestamp": str(cloud.now_s)}
        raw: list[dict[str, Any]] = [
            {**base, "id": "w1", "type": "text", "text": {"body": url, "preview_url": True}},
            {**base, "id": "w2", "type": "image", "image": {"id": "1", "url": url, "link": url, "mime_type": "image/png"}},
            {**base, "id": "w3", "type": "document", "document": {"id": "2", "filename": url, "link": url, "url": url}},
            {**base, "id": "w4", "type": "image", "image": {"id": url}},
            {**base, "id": "w5", "type": "contacts", "contacts": [{"urls": [{"url": url}]}]},
            {**base, "id": "w6", "type": "unsupported", "url": url},
        ]
        assert await cloud.hears(change(*raw, contacts=[{"profile": {"name": url, "picture": url}, "wa_id": ANNA}])) == 200
        for message in cloud.host.messages:
            for attachment in message.attachments:
                with pytest.raises(NotFoundError):
                    await cloud.channel.download(attachment.handle, 1000)
        await asyncio.sleep(0.05)
    assert counted.connections == 0
    assert len(cloud.host.messages) == 5


@pytest.mark.parametrize("handle", ["", "abc", "../1", "1/2", "1?x=1", "1#", "٣", "1" * 33, "http://127.0.0.1/", "1\n"])
async def test_a_handle_is_digits_only(cloud: Cloud, handle: str) -> None:
    before = len(cloud.api.calls)
    with pytest.raises(NotFoundError):
        await cloud.channel.download(handle, 1000)
    assert len(cloud.api.calls) == before


async def test_a_redirect_is_not_followed(cloud: Cloud) -> None:
    async with sink() as counted:
        cloud.api.media["77"] = PICTURE
        cloud.api.media_reply = Reply(302, headers={"location": f"http://127.0.0.1:{counted.port}/"})
        with pytest.raises(UnavailableError):
            await cloud.channel.download("77", 1_000_000)
        assert counted.connections == 0


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(raw=b"x" * 1001), DataError),
        (Reply(raw=b"x" * 1001, headers={"content-length": "1001"}), DataError),
        (Reply(raw=b"x" * 10, headers={"content-encoding": "gzip"}), UnavailableError),
        (Reply(404), NotFoundError),
        (Reply(410), NotFoundError),
        (Reply(403), UnavailableError),
        (Reply(500), UnavailableError),
        ("cut", UnavailableError),
    ],
    ids=str,
)
async def test_what_comes_instead_of_the_bytes_has_a_name(cloud: Cloud, reply: Trouble, error: type[Exception]) -> None:
    cloud.api.media["77"] = b"small"
    cloud.api.media_reply = reply
    with pytest.raises(error):
        await cloud.channel.download("77", 1000)


async def test_bytes_are_counted_whatever_their_number_was_said_to_be(cloud: Cloud) -> None:
    cloud.api.media["77"] = b"x" * 100_000
    cloud.api.media_facts["77"] = {"url": f"{cloud.api.url}/bytes/77", "file_size": 5}
    with pytest.raises(DataError) as caught:
        await cloud.channel.download("77", 50_000)
    assert caught.value.code == "media_too_large"
    cloud.api.media_facts["77"]["file_size"] = 50_001
    before = len(cloud.api.calls)
    with pytest.raises(DataError):
        await cloud.channel.download("77", 50_000)
    assert len(cloud.api.calls) == before + 1  # refused on its word alone


async def test_an_attachment_that_meta_does_not_know_is_gone(cloud: Cloud) -> None:
    with pytest.raises(NotFoundError):
        await cloud.channel.download("99", 1000)


@pytest.mark.parametrize("facts", [{}, {"url": 5}, {"url": None}, {"url": ["https://lookaside.fbsbx.com/"]}])
async def test_an_answer_without_an_address_is_no_attachment(cloud: Cloud, facts: dict[str, Any]) -> None:
    cloud.api.media_facts["88"] = facts
    with pytest.raises(UnavailableError):
        await cloud.channel.download("88", 1000)


async def test_a_refused_token_is_no_reason_to_call_it_gone(cloud: Cloud) -> None:
    cloud.api.media_facts["88"] = failure(190).body
    with pytest.raises(UnavailableError):
        await cloud.channel.download("88", 1000)


def test_metas_own_addresses_are_called_and_no_others() -> None:
    official = Graph(account_of(settings_for("https://graph.facebook.com")))
    good = [
        "https://lookaside.fbsbx.com/x?mid=1",
        "https://LOOKASIDE.fbsbx.com/x",
        "https://scontent.xx.fbcdn.net/v/x",
        "https://mmg.whatsapp.net/x",
    ]
    good += ["https://graph.facebook.com/v24.0/x", "https://lookaside.fbsbx.com:443/x"]
    assert [official.may_fetch(url) for url in good] == [True] * 6
    assert not official.may_fetch("http://graph.facebook.com/x")
    local = Graph(account_of(settings_for("http://127.0.0.1:8080")))
    assert [local.may_fetch(url) for url in ("http://127.0.0.1:8080/x", "http://127.0.0.1:8081/x", "https://127.0.0.1:8080/x")] == [
        True,
        False,
        False,
    ]
    plain = Graph(account_of(settings_for("http://graph.example.org")))
    assert not plain.may_fetch("http://graph.example.org/x")


async def test_no_secret_is_in_anything_that_is_shown(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "secondme")
    account = cloud.channel._account
    shown = [repr(account), str(account), repr(cloud.channel), repr(cloud.channel._graph)]
    cloud.api.media_facts["88"] = {"url": f"https://127.0.0.1/{TOKEN}"}
    for call in (cloud.channel.download("88", 1000), cloud.channel.download("99", 1000)):
        with pytest.raises(Exception) as caught:  # noqa: PT011  whatever it is
            await call
        shown.append(repr(caught.value) + str(vars(caught.value)))
    shown += [str(vars(record)) for record in caplog.records]
    assert not any(secret in each for each in shown for secret in (TOKEN, SECRET))


async def test_the_library_does_not_take_a_proxy_from_the_environment(cloud: Cloud) -> None:
    client = cloud.channel._graph._client
    assert isinstance(client, httpx.AsyncClient)
    assert (client.trust_env, client.follow_redirects) == (False, False)
