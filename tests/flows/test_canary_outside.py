"""A canary in what comes from outside: secrets in settings, another store, and a real gateway that is killed in the middle of it all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fakes.canary import KEY, NAME, NOTE, NUMBER, PASSWORD, TEXT, TEXTS, WHO, Hunt
from fakes.listeners import running, stream
from fakes.messages_api import Fail, Say, messages_api
from fakes.process import GatewayProcess, code_of, command, contact, eventually, settings_of, until, write_config
from redis import Redis
from typer.testing import CliRunner

from secondme.channels.local.client import LocalClient
from secondme.channels.local.protocol import contact_of
from secondme.cli.app import app
from secondme.core.files import private_dir
from secondme.core.store.server import EmbeddedServer, Role
from secondme.core.tokens import TokenFile

COMMANDS = ["status", "status --json", f"pairing approve {WHO}", "config show"]


@pytest.mark.parametrize(
    "url", ["unix://nobody:{0}@{socket}", "unix://:{0}@/nowhere/{0}", "redis://:{0}@127.0.0.1:1/0", "rediss://:{0}@127.0.0.1:1/0",
    "nonsense://{0}", "redis://:{0}@h:port/", "redis://{0}:", "{0}", "redis://[{0}"],
)  # fmt: skip
def test_a_password_of_a_store_that_refuses_it_or_is_not_there(
    url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hunt, secret = Hunt(), url.format(PASSWORD, socket=redis_url.removeprefix("unix://"))
    monkeypatch.setenv("SECONDME_STORE__TIMEOUT_S", "0.3")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    for name, commands in (
        ("SECONDME_REDIS_URL", COMMANDS),
        ("SECONDME_MIGRATE_FROM", ["migrate pairing", "migrate predecessor --json"]),
    ):
        monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)
        monkeypatch.setenv(name, secret)
        for words in commands:
            done = CliRunner().invoke(app, words.split())
            hunt.look(f"{words}: {done.exit_code}", done.stdout + done.stderr, {"number"} if WHO in words else ())
            assert done.exit_code in ({0} if words == "config show" else {69, 77, 78}), (words, done.stdout, done.stderr)
    for setting in (f"redis_url={secret}", f"model.api_key={KEY}"):
        done = CliRunner().invoke(app, ["--set", setting, "status"])
        hunt.look("--set", done.stdout + done.stderr)
        assert done.exit_code == 78
    hunt.look("terminal", "".join(capfd.readouterr()))
    hunt.look_into_logs(tmp_path / "home" / "logs")
    assert hunt.hits() == {}


@pytest.mark.parametrize(
    "text", ["[model]\napi_key = {0!r}\ntimeout_s = 'x'", "[model]\napi_key = '{0}", "model = '{0}'", "[model]\napi_key = ['{0}']",
    "[model]\ntimeout_s = '{0}'", "[pairing]\nmode = '{0}'", "[sleep]\nstart = '{0}'\ntimezone = '{0}'", "redis_url = '{0}'\nmodel = 3",
    "[model]\napi_key = '{0}'\napi_key = '{0}'", "[api]\nlisten = '{0}'", "api_key = {0}"],
)  # fmt: skip
def test_a_key_in_the_wrong_place_of_the_configuration(text: str, tmp_path: Path) -> None:
    hunt = Hunt()
    private_dir(tmp_path / "home").joinpath("config.toml").write_text(text.format(KEY))
    for words in ("status", "config show", "security tail", "pairing list"):
        for more in ([], ["--json"]):
            done = CliRunner().invoke(app, [*words.split(), *more])
            hunt.look(f"{words}: {done.exit_code}", done.stdout + done.stderr)
            assert done.exit_code == 78
    assert hunt.hits() == {}


def test_a_migration_from_a_hostile_store(
    raw: Redis, other: tuple[Redis, str], redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hunt, (old, url) = Hunt(), other
    heard = raw.pubsub(ignore_subscribe_messages=True)
    heard.psubscribe("events:*")
    heard.get_message(timeout=30)  # it listens
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)
    monkeypatch.setenv("SECONDME_MIGRATE_FROM", url.replace("unix://", f"unix://:{PASSWORD}@"))
    now = int(datetime.now(UTC).timestamp() * 1000)
    turns = [
        json.dumps({"id": f"m{at}", "role": "user", "content": text, "timestamp": now - at, "type": "incoming"})
        for at, text in enumerate(TEXTS)
    ]
    for who in (WHO, f"{NUMBER}@g.us", f"{NUMBER}@lid", f"{TEXT} {NAME}\x1b[31m", f"x{TEXT}\r\n", f"{TEXT}" * 40):
        old.zadd(f"HISTORY:{who}", dict.fromkeys([*turns, TEXT, f"{{{TEXT}"], now))
        old.set(f"PAUSE:{who}", TEXT)
        old.set(f"STYLE:data:{who}", json.dumps({"greetings": [[TEXT, 1]], "sampleCount": TEXT}))
        old.hset(f"RELATIONSHIP:scores:{who}", mapping={"friend": TEXT, TEXT: NAME})
        old.zadd(
            "DEFERRED:messages",
            {json.dumps({"contactId": who, "messageId": TEXT, "content": TEXT, "queuedAt": now, "processAfter": now}): now},
        )
        old.zadd(
            "LOGS:token_usage", {json.dumps({"contactId": who, "messageId": TEXT, "classification": TEXT, "timestamp": now}): now}
        )
    old.set(
        "CONTACTS:list",
        json.dumps([{"id": WHO, "name": NAME, "phoneNumber": NUMBER}, {"id": TEXT, "name": NAME, "phoneNumber": [NUMBER]}]),
    )
    for key in (
        "CONFIG:sleep_hours",
        "SESSION:whatsapp:info",
        "PAUSE:ALL",
        f"PAIRING:denied:{TEXT}",
        f"PAIRING:approved:{NAME}",
        f"OTHER:{TEXT}",
    ):
        old.set(key, json.dumps({"enabled": TEXT, "startHour": TEXT, "state": [NAME], "timezoneOffset": TEXT}))
    old.hset(f"STATS:tokens:{TEXT}", mapping={TEXT: NAME})
    codes = []
    for words in (
        "migrate pairing",
        "migrate predecessor",
        "migrate pairing --execute",
        "migrate predecessor --execute",
        "migrate predecessor",
    ):
        for more in ([], ["--json"]):
            done = CliRunner().invoke(app, [*words.split(), *more])
            hunt.look(f"{words} {' '.join(more)}: {done.exit_code}", done.stdout + done.stderr)
            codes.append(done.exit_code)
    assert raw.exists(f"PAIRING:approved:{WHO}", f"HISTORY:{WHO}") == 2
    assert set(codes) == {0}
    events = [
        {"channel": each["channel"], **json.loads(each["data"])} for each in iter(lambda: heard.get_message(timeout=0.2), None)
    ]
    heard.close()
    hunt.look_into_events(events)
    hunt.look_into_logs(tmp_path / "home" / "logs")
    assert "pairing_migrated" in {event["type"] for event in events}
    assert hunt.hits() == {}


@pytest.fixture
def raw(redis_url: str) -> Redis:
    """Our own store, empty at the start."""
    client = Redis.from_url(redis_url, decode_responses=True)
    client.flushall()
    return client


@pytest.fixture
def other(home: Path) -> Iterator[tuple[Redis, str]]:
    """A second real server, whose password is a canary."""
    server = EmbeddedServer(home / "other", home / "other.sock", role=Role.OWN)
    asyncio.run(server.ensure())
    url = f"unix://{home / 'other.sock'}"
    client = Redis.from_url(url)
    client.config_set("requirepass", PASSWORD)
    client.auth(PASSWORD)
    yield client, url
    client.config_set("requirepass", "")
    client.close()
    asyncio.run(server.stop())


@asynccontextmanager
async def locked_server(home: Path) -> AsyncIterator[tuple[EmbeddedServer, Redis]]:
    """A store with a password, and a client that knows it."""
    server = EmbeddedServer(home / "own", home / "own.sock", role=Role.OWN)
    await server.ensure()
    client = Redis.from_url(f"unix://{home / 'own.sock'}", decode_responses=True)
    client.config_set("requirepass", PASSWORD)
    client.auth(PASSWORD)
    yield server, client
    client.config_set("requirepass", "")
    client.close()
    await server.stop()


async def call(port: int, method: str, path: str, token: str | None, **options: object) -> int:
    """The status of one call over TCP."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        return (await client.request(method, path, **options)).status_code  # type: ignore[arg-type]  # as httpx has it


@pytest.mark.slow  # 12 s; the same rooms are searched in one process
async def test_a_real_gateway_that_is_killed_at_work_and_whose_store_dies_under_it(home: Path) -> None:
    hunt, name = Hunt(), f"{NAME} with a blank"
    sse: list[str] = []
    hunt.canaries["contact"] = contact_of(name)
    write_config(home, "[queue]\nlease_s = 1\n[delivery]\ntimeout_s = 0.2\n[limits]\nmessages = 1000\n[store]\ntimeout_s = 1\n")
    places = settings_of(home).places
    hunt.canaries["token"] = TokenFile(private_dir(places.data) / "api.token").ensure()
    async with AsyncExitStack() as open_, asyncio.TaskGroup() as group:
        api = await open_.enter_async_context(messages_api())
        api.outcomes = [Fail(401, TEXT), Fail(529, KEY), Say(f"{TEXT} too")]
        server, raw = await open_.enter_async_context(locked_server(home))
        env = {
            "SECONDME_REDIS_URL": f"unix://:{PASSWORD}@{home / 'own.sock'}",
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": api.url,
        }
        env |= {"SECONDME_API__LISTEN": f"127.0.0.1:{(port := a_free_port())}", "SECONDME_LOG__LEVEL": "debug"}
        for watching in ("watch", "pairing watch", "security tail -f --json"):
            await open_.enter_async_context(running(home, watching, *watching.split(), **env))
        listening = group.create_task(stream(places.api_socket, sse))
        person = await open_.enter_async_context(contact(home, name))
        with GatewayProcess(home, "all", "worker.composed:KILL:1", **env) as dying:
            await eventually(lambda: sse)
            await knock_and_be_let_in(hunt, person, raw, port)
            for text in TEXTS:
                person.say(text)
            assert await dying.ended() == -9
        async with running(home, "serve", "serve", **env) as second:
            await until(person, "accepted", len(TEXTS))
            await eventually(lambda: '"event": "ready"' in (home / "serve.err").read_text())
            os.kill(raw.info("server")["process_id"], signal.SIGKILL)
            person.say(f"{TEXT} while the store is away")
            await until(person, "refused")
            await server.ensure()
            raw.config_set("requirepass", PASSWORD)
            await until(person, "accepted")
            second.terminate()
            await eventually(lambda: second.poll() is not None)
        await asyncio.to_thread(ask_for_reports, hunt, home, env)
        listening.cancel()
    look_everywhere(hunt, home, sse)
    assert hunt.hits() == {}
    for place in ("logs/secondme", "logs/security", "serve.err", "events:pairing", "events:status", "security tail", "stderr of"):
        assert hunt.size_of(place), place


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def knock_and_be_let_in(hunt: Hunt, person: LocalClient, raw: Redis, port: int) -> None:
    """With wrong codes, wrong tokens and wrong requests on the way."""
    token, who = hunt.canaries["token"], hunt.canaries["contact"]
    for text in (TEXTS[0], "000000"):
        person.say(text)
        await until(person, "accepted")
    hunt.codes([code := code_of(raw, who), "000000"])
    person.say(code)
    await until(person, "accepted")
    wrong = [await call(port, "GET", "/api/pairing", each) for each in (None, token[:-1] + "-", f"{TEXT}{NAME}")]
    wrong += [await call(port, "POST", f"/api/pairing/{code}?token={token}", None, json={"notes": NOTE})]
    right = [await call(port, "PATCH", f"/api/pairing/approved/{TEXT}", token, json={"tier": TEXT, NOTE: NOTE})]
    right += [await call(port, "POST", f"/api/pairing/{code}", token, json={"notes": NOTE})]
    assert (wrong, right) == ([401] * 4, [422, 200])


def ask_for_reports(hunt: Hunt, home: Path, env: dict[str, str]) -> None:
    for words in ("status --json", "security report --json", "security tail -n 10000 --json"):
        done = command(home, *words.split(), **env)
        hunt.look(words, done.stdout + done.stderr)
        assert done.returncode in {0, 1}


def look_everywhere(hunt: Hunt, home: Path, sse: list[str]) -> None:
    said = [json.loads(line) for each in ("watch", "pairing watch") for line in (home / f"{each}.out").read_text().splitlines()]
    said += [json.loads(line.removeprefix("data: ")) for line in sse if line.startswith('data: {"')]
    hunt.look_into_events(said)
    assert {"pairing_request", "pairing_approved"} <= {each.get("type") for each in said}
    hunt.look_into_logs(settings_of(home).places.logs)
    for path in (*sorted(home.glob("*.err")), home / "security tail -f --json.out", home / "serve.out"):
        hunt.look(path.name, path.read_bytes())
    hunt.look("stderr of a gateway that announces", (home / "stderr-all.log").read_bytes(), {"name", "contact"})
