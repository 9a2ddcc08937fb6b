"""The one way out: to the hosts that were listed, by the address that was looked at, under the name that was asked for."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from skills.mcp.rig import clock, launch_of, needs_bubblewrap, stranger, talking

from secondme.core.ports import Clock
from secondme.skills.mcp.proxy import Proxy, ProxyLimits, server_name

HOSTS = (
    "api.test.example",
    "*.wide.example",
    "rebind.test.example",
    "meta.test.example",
    "mixed.test.example",
    "down.test.example",
)
ADDRESSES = {
    "rebind.test.example": ["127.0.0.1"],
    "meta.test.example": ["169.254.169.254"],
    "mixed.test.example": ["93.184.216.34", "10.0.0.8"],
    "down.test.example": ["93.184.216.99"],
    "private.wide.example": ["fd00::1"],
    "mapped.wide.example": ["::ffff:127.0.0.1"],
    "nobody.wide.example": [],
}
PUBLIC = ["93.184.216.34"]
SMALL_HELLO = bytes.fromhex("1603010005010000010a")


@dataclass
class Net:
    """A net in which every public host is one server on this machine."""

    port: int
    asked: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    """By host, what its name server says one time after another."""

    async def resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        turns = self.answers.get(host)
        return turns.pop(0) if turns else ADDRESSES.get(host, PUBLIC)

    async def dial(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.dialled.append(address)
        if address.endswith(".99"):
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def upstream(answer: Callable[[bytes], bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[Net]:
    """The server: what it answers to the first bytes it is told."""
    open_writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.append(writer)
        said = await reader.read(65_536)
        writer.write(answer(said))
        await writer.drain()
        if tls is not None:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield Net(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


@asynccontextmanager
async def proxied(net: Net, some_clock: Clock = clock, **limits: float) -> AsyncIterator[Proxy]:
    proxy = await Proxy(HOSTS, some_clock, net.resolve, net.dial, ProxyLimits(**limits)).start()  # type: ignore[arg-type]
    try:
        yield proxy
    finally:
        await proxy.close()
        assert not proxy.path.parent.exists()


def hello(host: str | None) -> bytes:
    """A greeting as OpenSSL makes it."""
    context, incoming, outgoing = ssl.create_default_context(), ssl.MemoryBIO(), ssl.MemoryBIO()
    context.check_hostname = False
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=host).do_handshake()
    return outgoing.read()


def extended(record: bytes, kind: int, body: bytes) -> bytes:
    """The greeting with one extension more, its lengths put right."""
    at = 44 + record[43]
    at += 2 + int.from_bytes(record[at : at + 2], "big")
    at += 1 + record[at]
    extra = kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body
    longer = lambda start, size: (int.from_bytes(record[start : start + size], "big") + len(extra)).to_bytes(size, "big")  # noqa: E731
    return record[:3] + longer(3, 2) + record[5:6] + longer(6, 3) + record[9:at] + longer(at, 2) + record[at + 2 :] + extra


async def asked(proxy: Proxy, head: str | bytes, first: bytes = b"") -> tuple[str, bytes]:
    """The status, and what came through the tunnel."""
    reader, writer = await asyncio.open_unix_connection(proxy.path)
    writer.write((head.encode() if isinstance(head, str) else head) + b"\r\n\r\n")
    status = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
    said = b""
    if status == "200":
        writer.write(first)
        writer.write_eof()
        said = await reader.read(100)
    writer.close()
    return status, said


def connect(host: str, port: int = 443) -> str:
    return f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}"


ALLOWED = [
    ("api.test.example", "api.test.example"),
    ("API.test.example.", "api.test.example"),
    ("a.b.wide.example", "a.b.wide.example"),
]
REFUSED = {
    "another host": (connect("evil.example"), "host"),
    "a host that begins like one": (connect("api.test.example.evil.example"), "host"),
    "a host that ends like one": (connect("evilapi.test.example"), "host"),
    "the domain of a wide one": (connect("wide.example"), "host"),
    "a user and a host": (connect("api.test.example@evil.example"), "request"),
    "another port": (connect("api.test.example", 22), "port"),
    "an address": (connect("127.0.0.1"), "host"),
    "an address in six groups": (connect("[::1]"), "request"),
    "an address as a number": (connect("2130706433"), "host"),
    "no name": (connect(""), "request"),
    "a name of this machine": (connect("rebind.test.example"), "private"),
    "the metadata of a cloud": (connect("meta.test.example"), "private"),
    "one address of two inside": (connect("mixed.test.example"), "private"),
    "an address inside, in version six": (connect("private.wide.example"), "private"),
    "an address in disguise": (connect("mapped.wide.example"), "private"),
    "a name that nobody knows": (connect("nobody.wide.example"), "unknown"),
    "a host that does not answer": (connect("down.test.example"), "unreachable"),
    "a plain request": ("GET http://api.test.example/ HTTP/1.1", "request"),
    "HTTP/2": ("PRI * HTTP/2.0", "request"),
    "two spaces": ("CONNECT  api.test.example:443 HTTP/1.1", "request"),
    "no text": (b"\x16\x03\x01\xff\xff", "request"),
    "a head without end": (b"CONNECT api.test.example:443 HTTP/1.1\r\nX: " + b"y" * 70_000, "head"),
}


@pytest.mark.parametrize(("host", "name"), ALLOWED)
async def test_a_listed_host_is_reached_under_its_name(host: str, name: str) -> None:
    async with upstream(lambda said: b"told: " + server_name(said).encode()) as net, proxied(net) as proxy:
        assert await asked(proxy, connect(host), hello(name)) == ("200", b"told: " + name.encode())
        assert (net.asked, net.dialled, dict(proxy.counts)) == ([name], PUBLIC, {"ok": 1})


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(name: str) -> None:
    head, why = REFUSED[name]
    async with upstream(lambda _: b"reached") as net, proxied(net) as proxy:
        assert await asked(proxy, head) == ("403", b"")
        assert dict(proxy.counts) == {why: 1}
        assert net.dialled == (["93.184.216.99"] if why == "unreachable" else [])


GREETINGS = {
    "another name": hello("evil.example"),
    "no name": hello(None),
    "no TLS": b"SSH-2.0-x\r\n",
    "half a greeting": hello("api.test.example")[:60],
    "a greeting in two records": SMALL_HELLO,
    "a sealed greeting within": extended(hello("api.test.example"), 0xFE0D, b"\x00" * 32),
    "two names": extended(hello("api.test.example"), 0, b"\x00\x0f\x00\x00\x0cevil.example"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", GREETINGS)
async def test_a_tunnel_is_for_the_host_that_was_asked_for(name: str) -> None:
    """Not for another one behind the same address, nor for another protocol."""
    async with upstream(lambda _: b"reached") as net, proxied(net) as proxy:
        assert await asked(proxy, connect("api.test.example"), GREETINGS[name]) == ("200", b"")
        assert dict(proxy.counts) == {"sni": 1}


async def test_an_address_is_asked_for_once_and_that_one_is_dialled() -> None:
    """A name server that says another address the second time leads nowhere: there is no second time within one tunnel."""
    async with upstream(lambda _: b"reached") as net, proxied(net) as proxy:
        net.answers["api.test.example"] = [PUBLIC, ["127.0.0.1"], PUBLIC]
        results = [await asked(proxy, connect("api.test.example"), hello("api.test.example")) for _ in range(3)]
        assert [status for status, _ in results] == ["200", "403", "200"]
        assert (net.asked, net.dialled) == (["api.test.example"] * 3, PUBLIC * 2)


async def test_who_is_slow_is_ended() -> None:
    async with upstream(lambda _: b"reached") as net, proxied(net, head_s=0.05) as proxy:
        for words in (b"CONNECT api", f"{connect('api.test.example')}\r\n\r\n".encode() + b"\x16\x03"):
            reader, writer = await asyncio.open_unix_connection(proxy.path)
            writer.write(words)
            assert b"reached" not in await reader.read()
            writer.close()
        assert dict(proxy.counts) == {"slow": 2}


async def test_who_says_nothing_any_more_is_ended() -> None:
    fake = FakeClock()
    async with upstream(lambda _: b"reached") as net, proxied(net, fake) as proxy:
        reader, writer = await asyncio.open_unix_connection(proxy.path)
        writer.write(f"{connect('api.test.example')}\r\n\r\n".encode() + hello("api.test.example"))
        await reader.readuntil(b"reached")
        while not proxy.counts["quiet"]:
            fake.move(ProxyLimits().quiet_s)
            await asyncio.sleep(0)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("way", ["out_bytes", "in_bytes"])
async def test_a_tunnel_carries_so_much_and_no_more(way: str) -> None:
    out = way == "out_bytes"
    async with upstream(lambda _: b"z" * (10 if out else 1_000_000)) as net, proxied(net, **{way: 100_000}) as proxy:
        reader, writer = await asyncio.open_unix_connection(proxy.path)
        writer.write(
            f"{connect('api.test.example')}\r\n\r\n".encode() + hello("api.test.example") + b"y" * (1_000_000 if out else 0)
        )
        with contextlib.suppress(ConnectionResetError):
            assert len(await reader.read()) < 250_000
        writer.close()
        assert proxy.counts["too_much"] == 1


def test_a_greeting_that_is_none_names_nobody() -> None:
    whole = hello("A.example")
    broken = [whole[:end] for end in range(len(whole))] + [SMALL_HELLO, b"\x17" + whole[1:], whole[:5] + b"\x02" + whole[6:]]
    assert {server_name(each) for each in broken} == {""}
    assert server_name(whole) == "a.example"


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.test.example")]), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "both.pem").write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


@needs_bubblewrap
async def test_from_inside_there_is_this_way_and_no_other(tmp_path: Path) -> None:
    """Through the real bridge, with real TLS; a redirect to a host that was not listed leads nowhere."""
    if not Path("/usr/bin/python3").exists():  # noqa: ASYNC240
        pytest.skip("the bridge needs /usr/bin/python3")

    def answer(said: bytes) -> bytes:
        where = b"Location: https://evil.example/\r\n" if b"GET /away" in said else b""
        return b"HTTP/1.0 %s\r\n%sContent-Length: 2\r\n\r\nhi" % (b"302 Found" if where else b"200 OK", where)

    urls = [
        "https://api.test.example/",
        "https://api.test.example/away",
        "https://evil.example/",
        "GET http://api.test.example/ HTTP/1.1",
    ]
    async with upstream(answer, certificate(tmp_path)) as net, proxied(net) as proxy:
        async with talking(launch_of(stranger(), way_out=str(proxy.path))) as client:
            proxy.hide()  # the socket has no name outside any more
            found = json.loads((await client.call("reach", {"urls": urls})).text)
            seen = json.loads((await client.call("look", {})).text)
        refused = "Tunnel connection failed: 403 Forbidden"
        assert found == dict(zip(urls, ["200 hi", f"302 hi > {refused}", refused, "HTTP/1.1 403 Forbidden"], strict=True))
        assert seen["environment"]["HTTPS_PROXY"] == "http://127.0.0.1:3128"
        assert "done" not in {seen[name] for name in ("tcp", "udp", "dns", "raw", "netlink", "kill", "unshare")}
        assert set(net.dialled) == set(PUBLIC)
