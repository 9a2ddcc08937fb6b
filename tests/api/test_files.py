"""What does the API leave on the disk, and who finds it there?"""

import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from api.serving import Serve, Served
from api.wire import ask, request
from fakes.process import GatewayProcess, command, contact, eventually, logged, settings_of, until, write_config

from secondme.core.api.sockets import Address, bind_unix, tcp_address, unbind_unix
from secondme.core.config.models import ApiSettings
from secondme.core.errors import BusyError, ConfigError
from secondme.core.tokens import TokenFile

LOCAL = ("Host", "localhost")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_socket_and_token_are_the_owners_alone(served: Served) -> None:
    places = served.setup.places
    assert [mode(path) for path in (places.data, places.api_socket, places.api_token)] == [0o700, 0o600, 0o600]
    assert [
        path.name for path in places.data.iterdir() if "api" in path.name and path not in {places.api_socket, places.api_token}
    ] == []


def test_the_socket_is_the_owners_alone_from_its_first_moment(home: Path) -> None:
    seen = []
    real = socket.socket.bind

    class Watching(socket.socket):
        def bind(self, address: str) -> None:  # type: ignore[override]  # only paths here
            real(self, address)
            seen.append(mode(Path(address)))

    before = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "socket", Watching)
            bind_unix(home / "data" / "api.sock").close()
    finally:
        after = os.umask(before)
    assert seen == [0o600]
    assert after == 0


async def test_the_socket_is_gone_when_the_api_ends(serve: Serve) -> None:
    async with serve() as served:
        path = served.unix
        assert path.exists()
    assert not path.exists()


def test_a_dead_socket_is_replaced_and_a_live_one_is_not(home: Path) -> None:
    path = home / "api.sock"
    dead = bind_unix(path)
    inode = path.lstat().st_ino
    dead.close()
    alive = bind_unix(path)
    assert path.lstat().st_ino != inode
    with pytest.raises(BusyError):
        bind_unix(path)
    unbind_unix(path, inode)
    assert path.exists()
    unbind_unix(path, path.lstat().st_ino)
    assert not path.exists()
    alive.close()


@pytest.mark.parametrize(
    "make", [Path.mkdir, Path.touch, lambda path: path.symlink_to("/etc/passwd")], ids=["directory", "file", "link"]
)
def test_what_is_no_socket_is_left_alone(home: Path, make: Callable[[Path], None]) -> None:
    path = home / "api.sock"
    make(path)
    before = path.lstat()
    with pytest.raises(ConfigError):
        bind_unix(path)
    assert path.lstat() == before


@pytest.mark.slow  # 6 s: two gateways
async def test_the_socket_of_a_killed_gateway_is_replaced_by_the_next_one(home: Path) -> None:
    write_config(home)
    path = settings_of(home).places.api_socket
    with GatewayProcess(home) as first:
        await eventually(lambda: _answers(path))
        inode = path.lstat().st_ino
        first.kill()
        await first.ended()
    assert path.lstat().st_ino == inode
    with GatewayProcess(home) as second:
        await eventually(lambda: _answers(path))
        assert mode(path) == 0o600
        with GatewayProcess(home, "all") as third:
            assert await third.ended() != 0
        assert await _answers(path)
        second.kill(15)
        assert await second.ended() == 0
    assert not path.exists()


async def test_a_port_that_is_taken_is_said_once_and_taken_when_it_is_free(home: Path) -> None:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    write_config(home, f'[api]\nlisten = "127.0.0.1:{port}"\n')
    with GatewayProcess(home) as gateway:
        await eventually(lambda: _answers(settings_of(home).places.api_socket))
        await eventually(lambda: logged(home, "api_not_listening"))
        taken.close()
        raw = request("GET", "/health", ("Host", f"localhost:{port}"))

        async def is_there() -> bool:
            try:
                return (await ask(port, raw)).status == 200
            except OSError:
                return False

        await eventually(is_there)
        gateway.kill(15)
        assert await gateway.ended() == 0
    assert [(each["kind"], each["code"]) for each in logged(home, "api_not_listening")] == [("tcp", "OSError")]


@pytest.mark.parametrize("enabled", [True, False])
async def test_without_the_api_there_is_neither_a_socket_nor_the_web_framework(home: Path, *, enabled: bool) -> None:
    write_config(home, f"[api]\nenabled = {str(enabled).lower()}\n")
    path = settings_of(home).places.api_socket
    with GatewayProcess(home, PYTHONPROFILEIMPORTTIME="1") as gateway:
        await eventually(lambda: logged(home, "ready"))
        if enabled:
            await eventually(lambda: _answers(path))
        gateway.kill(15)
        assert await gateway.ended() == 0
    imported = {line.rpartition("|")[2].strip() for line in (home / "stderr-all.log").read_text().splitlines()}
    assert {"fastapi", "uvicorn"} & imported == ({"fastapi", "uvicorn"} if enabled else set())
    assert bool(logged(home, "api_listening")) is enabled


async def _answers(path: Path) -> bool:
    try:
        return (await ask(path, request("GET", "/health", LOCAL))).status == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("listen", "allow", "expected"),
    [
        ("", False, None),
        ("127.0.0.1:8765", False, Address("127.0.0.1", 8765)),
        ("127.9.9.9:1", False, Address("127.9.9.9", 1)),
        ("localhost:8765", False, Address("127.0.0.1", 8765)),
        ("[::1]:8765", False, Address("::1", 8765)),
        ("0.0.0.0:80", True, Address("0.0.0.0", 80)),
        ("clone.example:80", True, Address("clone.example", 80)),
        ("0.0.0.0:80", False, ConfigError),
        ("[::]:80", False, ConfigError),
        ("192.168.1.5:80", False, ConfigError),
        ("clone.example:80", False, ConfigError),
        ("localhost.evil.example:80", False, ConfigError),
        ("[::ffff:8.8.8.8]:80", False, ConfigError),
    ],
)
def test_other_machines_reach_it_only_when_the_owner_says_so(
    listen: str, expected: Address | type[ConfigError] | None, *, allow: bool
) -> None:
    settings = ApiSettings(listen=listen, allow_remote=allow)
    if expected is ConfigError:
        with pytest.raises(ConfigError):
            tcp_address(settings)
    else:
        assert tcp_address(settings) == expected


def test_a_gateway_that_others_could_reach_does_not_start(home: Path) -> None:
    write_config(home, '[api]\nlisten = "0.0.0.0:0"\n')
    result = command(home, "serve")
    assert (result.returncode, "api.allow_remote" in result.stderr) == (78, True)
    assert not settings_of(home).places.store.exists()


def test_the_token_is_printed_for_a_shell_and_renewed_when_asked(home: Path) -> None:
    first, same = command(home, "api", "token"), command(home, "api", "token")
    new = command(home, "api", "token", "--new")
    path = settings_of(home).places.api_token
    assert first.stdout == same.stdout != new.stdout
    assert [len(each.stdout) for each in (first, new)] == [44, 44]
    assert path.read_text() == new.stdout
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["api.token"]


@pytest.mark.parametrize("words", [(), ("--new",)], ids=["shown", "new"])
def test_the_envelope_says_where_the_token_is_and_not_what_it_is(home: Path, words: tuple[str, ...]) -> None:
    result = command(home, "api", "token", *words, "--json")
    path = settings_of(home).places.api_token
    envelope = json.loads(result.stdout)
    assert envelope["schema"] == "secondme.api.token/1"
    assert envelope["data"] == {"path": str(path), "renewed": bool(words)}
    assert path.read_text().strip() not in result.stdout + result.stderr


def test_a_token_that_cannot_be_trusted_is_refused_with_a_way_out(home: Path) -> None:
    path = settings_of(home).places.api_token
    command(home, "api", "token")
    path.chmod(0o644)
    refused = command(home, "api", "token")
    renewed = command(home, "api", "token", "--new")
    assert (refused.returncode, f"secondme --home {home} api token --new" in refused.stderr, refused.stdout) == (78, True, "")
    assert (renewed.returncode, mode(path)) == (0, 0o600)


def test_a_link_in_the_place_of_the_token_is_not_followed(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("A" * 43)
    target.chmod(0o600)
    path = settings_of(home).places.api_token
    path.parent.mkdir(parents=True, mode=0o700)
    path.symlink_to(target)
    assert command(home, "api", "token").returncode == 78
    assert command(home, "api", "token", "--new").returncode == 0
    assert target.read_text() == "A" * 43
    assert not path.is_symlink()


async def test_processes_that_make_the_token_at_once_agree_on_one(home: Path) -> None:
    path = home / "api.token"
    code = f"from pathlib import Path; from secondme.core.tokens import TokenFile; print(TokenFile(Path({str(path)!r})).ensure())"
    running = [await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=subprocess.PIPE) for _ in range(6)]
    found = {(await each.communicate())[0] for each in running}
    assert found == {path.read_bytes()}
    assert await asyncio.to_thread(lambda: list(home.iterdir())) == [path]


def test_tokens_have_256_bits_and_never_repeat(home: Path) -> None:
    file = TokenFile(home / "api.token")
    tokens = [file.ensure(), *(file.renew() for _ in range(50))]
    assert len(set(tokens)) == 51
    assert {len(token) for token in tokens} == {43}


async def test_a_contact_that_is_approved_over_the_socket_is_answered(home: Path) -> None:
    write_config(home)
    with GatewayProcess(home):
        path = settings_of(home).places.api_socket
        await eventually(lambda: _answers(path))
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with contact(home, "anna") as anna, httpx.AsyncClient(transport=transport, base_url="http://localhost") as owner:
            anna.say("hello?")
            (prompt,) = await until(anna, "message")
            (waiting,) = (await owner.get("/api/pairing")).json()["contacts"]
            approved = await owner.post(f"/api/pairing/{waiting['code']}", json={"tier": "trusted"})
            (welcome,) = await until(anna, "message")
            anna.say("how are you?")
            (answer,) = await until(anna, "message")
    assert waiting["code"] in prompt.text
    assert approved.json() == {"contactId": "local:anna", "displayName": "anna", "outcome": "approved", "tier": "trusted"}
    assert welcome.text == "Welcome! You can now chat with me."
    assert "[demo]" in answer.text
