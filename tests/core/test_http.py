"""Clients of other servers: what the environment says of proxies and certificates, every form of it; and real ways through real proxies."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest
from fakes.proxies import Kind, proxy

import secondme
from secondme.core.errors import ConfigError
from secondme.core.http import NetworkConfigError, ProxySettings, is_this_machine, make_client, open_client, problems

LIBRARIES = ("httpx", "httpx2")
BOTH = ("http://api.example/x", "https://api.example/x")


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def ways(environ: dict[str, str], *urls: str) -> list[str | None]:
    settings = ProxySettings.of(environ)
    return [way.url if (way := settings.route(url)) is not None else None for url in urls or BOTH]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, [None, None]),
        ({"HTTPS_PROXY": "http://p:3128"}, [None, "http://p:3128"]),
        ({"https_proxy": "http://p:3128"}, [None, "http://p:3128"]),
        ({"HTTP_PROXY": "http://p:3128"}, ["http://p:3128", None]),
        ({"ALL_PROXY": "http://p:3128"}, ["http://p:3128"] * 2),
        ({"all_proxy": "http://p:3128"}, ["http://p:3128"] * 2),
        ({"ALL_PROXY": "socks5://p:1", "HTTPS_PROXY": "http://p:3128"}, ["socks5://p:1", "http://p:3128"]),
        ({"https_proxy": "http://small:1", "HTTPS_PROXY": "http://large:1"}, [None, "http://small:1"]),
        ({"https_proxy": "", "HTTPS_PROXY": " ", "ALL_PROXY": "p:1"}, ["http://p:1"] * 2),
        ({"ALL_PROXY": " p:3128 "}, ["http://p:3128"] * 2),
        ({"ALL_PROXY": "http://p"}, ["http://p:80"] * 2),
        ({"ALL_PROXY": "https://p"}, ["https://p:443"] * 2),
        ({"ALL_PROXY": "HTTP://P:1/"}, ["http://p:1"] * 2),
        ({"ALL_PROXY": "socks5://p"}, ["socks5://p:1080"] * 2),
        ({"ALL_PROXY": "socks5h://p:9050"}, ["socks5h://p:9050"] * 2),
        ({"ALL_PROXY": "socks://127.0.0.1:1080/"}, ["socks5://127.0.0.1:1080"] * 2),
        ({"ALL_PROXY": "http://[fd00::7]:3128"}, ["http://[fd00::7]:3128"] * 2),
        ({"ALL_PROXY": "http://me:p%40ss@p:1"}, ["http://me:p%40ss@p:1"] * 2),
        ({"ALL_PROXY": "me:pass@p:1"}, ["http://me:pass@p:1"] * 2),
    ],
)
def test_what_the_variables_mean(environ: dict[str, str], expected: list[str | None]) -> None:
    assert ways(environ) == expected


EXCEPTED = [
    ("example.com", "example.com"), ("example.com", "a.b.example.com"), ("example.com", "EXAMPLE.com."), ("EXAMPLE.COM", "example.com"),
    (".example.com", "a.example.com"), (".example.com", "example.com"), ("*.example.com", "a.example.com"), ("example.com.", "example.com"),
    ("*", "anything.example"), ("a.example *", "anything.example"), ("a.example,b.example", "b.example"), ("a.example b.example", "b.example"),
    (" a.example ,\tb.example,", "b.example"), ("example.com:8443", "example.com:8443"), ("example.com:443", "example.com"),
    ("http://example.com", "example.com"), ("10.0.0.1", "10.0.0.1"), ("10.0.0.1:8443", "10.0.0.1:8443"), ("10.0.0.0/8", "10.200.3.4"),
    ("10.1.2.3/8", "10.200.3.4"), ("fd00::7", "[fd00::7]"), ("[fd00::7]", "[fd00:0::7]"), ("[fd00::7]:8443", "[fd00::7]:8443"),
    ("fd00::/8", "[fd12::1]"), ("[fd00::]/8", "[fd12::1]"), ("10.0.0.0/8", "[::ffff:10.1.1.1]"), ("localhost,127.0.0.1,::1,fd00::/8,10.0.0.0/8", "10.9.9.9"),
]  # fmt: skip
TAKEN = [
    ("example.com", "notexample.com"), ("example.com", "example.com.evil.org"), ("example.com:8443", "example.com"), ("10.0.0.0/8", "11.0.0.1"),
    ("10.0.0.1", "10.0.0.12"), ("fd00::/8", "[fe80::1]"), ("10.0.0.1", "x10.0.0.1.example"), ("1", "10.0.0.1"), ("10.0.0.0/99", "10.0.0.1"),
    ("", "example.com"), (", ,", "example.com"), ("[", "example.com"), ("a:b:c", "example.com"), ("example.com:x", "example.com"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "host", "is_direct"), [(*e, True) for e in EXCEPTED] + [(*e, False) for e in TAKEN])
def test_what_no_proxy_means(said: str, host: str, *, is_direct: bool) -> None:
    url = f"https://{host}/x"
    for name in ("no_proxy", "NO_PROXY"):
        assert (ways({"ALL_PROXY": "http://p:1", name: said}, url) == [None]) is is_direct


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST.", "a.localhost", "0.0.0.0", "[::]"]
)
def test_this_machine_is_asked_directly_even_where_the_proxy_is_broken(host: str) -> None:
    assert is_this_machine(host)
    assert ways({"ALL_PROXY": "nonsense://p:1"}, f"http://{host}:8080/", f"https://{host}/") == [None, None]


@pytest.mark.parametrize("host", ["127.example.com", "localhost.example.com", "10.0.0.1", "[fd00::1]", "128.0.0.1"])
def test_what_only_looks_like_this_machine_is_not_it(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("socks4://me:hunter2@p:1", "socks4://p:1"), ("ftp://p", "ftp://p"), ("socks4a://[fd00::1]:1", "socks4a://[fd00::1]:1"),
        ("http://", ""), ("http://:hunter2@", ""), ("http://me:hunter2@", ""), ("http://p:hunter2", ""), ("http://p:99999", ""), ("://", ""),
        ("http://me:hunter2#x@p:1", ""), ("http://me:hun ter2@p:1", ""), ("http://p:1/\x1b[2Jhunter2", ""), ("http://[fd00:hunter2", ""),
        ("me:hunter2", ""), ("http://p:1" + "hunter2" * 400, ""), ("socks4://me:12?x@p:1", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_error_that_names_the_variable_and_no_password(said: str, shown: str) -> None:
    for name in ("ALL_PROXY", "all_proxy", "https_proxy"):
        with pytest.raises(NetworkConfigError) as caught:
            ProxySettings.of({name: said}).route("https://api.example/")
        assert caught.value.code == "proxy_unusable"
        assert caught.value.message.startswith(f"{name} ({shown}) cannot" if shown else f"{name} cannot be used: ")
        assert name in caught.value.fix
        for text in (caught.value.message, caught.value.fix, repr(caught.value), *map(str, problems({name: said}))):
            assert "hunter2" not in text
            assert text.isprintable()
        assert [problem.variable for problem in problems({name: said})] == [name]


def test_a_broken_variable_that_nothing_uses_is_no_problem() -> None:
    assert problems({"ALL_PROXY": "socks4://p:1", "HTTP_PROXY": "p:1", "https_proxy": "p:1"}) == []
    assert "hunter2" not in repr(ProxySettings.of({"ALL_PROXY": "http://me:hunter2@p:1"}))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while head := await reader.readuntil(b"\r\n\r\n"):
        body = head.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()


@asynccontextmanager
async def server(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answers with the path that it was asked for."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    made = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


def certified(folder: Path) -> ssl.SSLContext:
    """A server whose certificate, signed by itself, is in `folder`/both.pem."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("api.example")]), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


async def asked(url: str, library: str = "httpx") -> str:
    async with asyncio.timeout(20), await open_client(url, library=library, timeout=10) as client:
        answer = await client.get(url)
        again = await client.get(url)  # over the connection that there is, or another one
        assert answer.status_code == again.status_code
        return str(answer.text or answer.status_code)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("kind", "scheme", "login"),
    [("socks", "socks5", ""), ("socks", "socks5h", "me:p@ss"), ("socks", "socks", ""), ("http", "http", "")],
)
async def test_the_proxy_is_given_the_name_and_carries_both_with_and_without_tls(
    kind: Kind, scheme: str, login: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = certified(tmp_path)
    async with server() as plain_port, server(secure) as secure_port:
        hosts = {"api.example:8080": plain_port, "api.example:443": secure_port}
        async with proxy(kind, hosts, login) as way:
            user = f"{login.replace('p@ss', 'p%40ss')}@" if login else ""
            monkeypatch.setenv("ALL_PROXY", f"{scheme}://{user}127.0.0.1:{way.port}")
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
            assert await asked("http://api.example:8080/plain", library) == "/plain"
            assert await asked("https://api.example/secret", library) == "/secret"
            assert set(way.asked) == set(hosts)
            way.asked.clear()
            assert await asked(f"http://127.0.0.1:{plain_port}/here", library) == "/here"
            assert way.asked == []


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("kind", "login"), [("socks", ""), ("socks", "other:one"), ("garbage", ""), ("closing", ""), ("http", "")])
async def test_a_proxy_that_does_not_let_through_is_a_failure_of_the_connection(
    kind: Kind, login: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends knows then that nothing was sent, but where the proxy cut the talk before it said anything."""
    scheme = "http" if kind == "http" else "socks5"
    errors = import_module(library)
    async with proxy(kind, {}, login) as way:
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:wrong@127.0.0.1:{way.port}")
        with pytest.raises(errors.HTTPError) as caught:
            await asked("https://api.example/", library)
        assert isinstance(caught.value, errors.ProxyError | errors.ConnectError | errors.ReadError | errors.RemoteProtocolError)
        assert isinstance(caught.value, errors.ProxyError) or kind == "closing"


async def test_a_proxy_that_hangs_uses_up_no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = import_module("httpx").Limits(max_connections=2)
    async with server() as port, proxy("hanging") as way:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{way.port}")
        async with await open_client("http://api.example", limits=limits, timeout=5) as client:
            for _ in range(4):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await client.get("http://api.example/")
            way.kind, way.hosts = "socks", {"api.example:80": port}
            assert (await client.get("http://api.example/x")).text == "/x"


async def test_a_client_that_read_no_certificates_asks_nothing_with_tls() -> None:
    async with make_client("http://127.0.0.1:9", None) as client:
        with pytest.raises(import_module("httpx").UnsupportedProtocol):
            await client.get("https://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("variable", "made"),
    [
        ("SSL_CERT_FILE", "missing"), ("SSL_CERT_FILE", "directory"), ("SSL_CERT_FILE", "empty"), ("SSL_CERT_FILE", "binary"),
        ("SSL_CERT_DIR", "missing"), ("SSL_CERT_DIR", "empty"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("library", LIBRARIES)
async def test_certificates_that_cannot_be_read_are_one_error_too(
    variable: str, made: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\x00" * 99)
    path = str(tmp_path / made)
    monkeypatch.setenv(variable, path)
    with pytest.raises(ConfigError, match=f"^{variable} ") as caught:
        await open_client("https://api.example", library=library)
    assert (caught.value.code, path in caught.value.message) == ("certificates_unusable", True)
    assert [problem.message for problem in problems({variable: path})] == [caught.value.message]
    assert not problems({variable: ""})
    async with await open_client("http://127.0.0.1:9", library=library):
        pass  # who needs no certificates does not read any


async def test_a_directory_of_certificates_is_one_of_several() -> None:
    assert problems({"SSL_CERT_DIR": "/nowhere:/"}) == []


def test_clients_are_made_here_and_nowhere_else() -> None:
    package = Path(secondme.__file__).parent
    made = re.compile(r"\b(?:AsyncClient|Client|AsyncHTTPTransport|create_ssl_context|create_default_context|urlopen)\(")
    found = {str(path.relative_to(package)) for path in package.rglob("*.py") if made.search(path.read_text("utf-8"))}
    assert found == {"core/http.py"}
