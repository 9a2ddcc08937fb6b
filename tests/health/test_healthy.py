"""Five homes in good order: nothing is found, and what is not there is `not set up`. Nothing is changed by looking."""

import asyncio
import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.bot_api import TOKEN, BotApi
from fakes.process import GatewayProcess, let_in, settings_of
from health.rig import Ward, address_of, until
from health.servers import Http, array, bulk, little_redis, number
from redis import Redis

from secondme.core.store import keys

OPTIONAL = {"graph", "automem", "whatsapp", "telegram", "whatsapp_cloud"}


@contextmanager
def running(ward: Ward) -> Iterator[None]:
    with GatewayProcess(ward.home):
        until(lambda: ward.doctor("gateway").status("gateway") == "ok")
        yield


def test_a_home_just_after_onboarding(ward: Ward) -> None:
    del ward.secrets["redis_url"]
    ward.configure()
    seen = ward.doctor()
    assert (seen.findings, seen.exit_code) == ({}, 0)
    assert {name for name, check in seen.checks.items() if check["status"] == "not_set_up"} >= {*OPTIONAL, "gateway"}
    assert seen.checks["gateway"]["detail"] == "never started here: secondme serve"
    text = ward.run("doctor").stdout.splitlines()
    assert text[:2] == ["SecondMe Doctor", "==============="]
    assert (f"{chr(0x2013)} FalkorDB: not set up" in text, text[-1]) == (True, "No issues found.")


def test_a_private_server_with_its_gateway(ward: Ward) -> None:
    del ward.secrets["redis_url"]
    ward.configure()
    with running(ward):
        asyncio.run(let_in(settings_of(ward.home), "anna"))
        ward.is_clean()


@pytest.mark.heavy  # 4 s: a gateway, a worker and a bot
def test_a_shared_redis_with_gateway_and_worker_and_telegram(ward: Ward, bot: BotApi, spare: Redis) -> None:
    bot.token = TOKEN
    ward.configure(f'[telegram]\napi_url = "{bot.url}"\nowner_id = 77\n', telegram__token=TOKEN, redis_url=address_of(spare))
    with GatewayProcess(ward.home, "gateway"), GatewayProcess(ward.home, "worker"):
        until(lambda: "worker runs" in ward.doctor("gateway").checks["gateway"]["detail"])
        until(lambda: "connected, last sign of life" in ward.doctor("telegram").checks["telegram"]["detail"])
        ward.is_clean()


def test_a_local_model_and_everything_optional(ward: Ward, http: Http) -> None:
    module = array(array(bulk("name"), bulk("graph"), bulk("ver"), number(41_603)))
    http.answers = {  # no list of models; and an AutoMem on the same port
        "/health": (200, {"status": "healthy", "falkordb": "connected", "qdrant": "connected"}),
        "/memory/by-tag": (200, {"status": "success", "memories": []}),
        "/v1/messages": (200, {"type": "message", "content": "Hi", "stop_reason": "end_turn"}),
    }
    with little_redis(lambda words: module if words[0].upper() == "MODULE" else b"+OK\r\n") as port:
        ward.configure(
            basics='[sleep]\nenabled = false\n[model]\nname = "llama"\nsmall = "llama"\n[pairing]\nprompt = "silent"\n',
            model__base_url=http.url,
            memory__graph_url=f"redis://127.0.0.1:{port}",
            memory__automem_url=http.url,
        )
        ward.is_clean()


def test_a_home_with_drafts_denials_and_waiting_people_whose_gateway_runs(ward: Ward, raw: Redis) -> None:
    asyncio.run(let_in(settings_of(ward.home), "anna", "ben"))
    row = {"rowId": "r", "replyId": "r", "contactId": "local:anna", "channelId": "local", "kind": "reply", "text": "zq"}
    held = {
        "row": {**row, "composedAt": 1, "typingFrom": 1, "dueAt": 1},
        "reason": "tier",
        "heldAt": time.time_ns() // 1_000_000 - 30 * 3_600_000,
    }
    raw.rpush(keys.held("local:anna"), json.dumps(held))
    raw.zadd(keys.HELD_INDEX, {"local:anna": 1})
    with running(ward):
        ward.is_clean()
        assert ward.doctor().checks["drafts"]["detail"] == "1 wait for you, the oldest for 1 d: secondme drafts list"


def picture(home: Path) -> dict[str, tuple[int, int, str]]:
    """Every file below `home`: mode, time of its last change, and a hash of what is in it."""
    found = {}
    for path in sorted(home.rglob("*")):
        facts = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        found[str(path)] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


def dump(url: str) -> dict[bytes, tuple[bytes, bool]]:
    """Every key with its value, and whether it lives for ever."""
    with Redis.from_url(url) as client:
        return {key: (client.dump(key) or b"", client.pttl(key) == -1) for key in client.scan_iter()}


def test_not_a_byte_of_a_home_changes_while_nothing_runs(ward: Ward) -> None:
    """Not even of the private server's own files: what is looked at is a copy."""
    del ward.secrets["redis_url"]
    ward.configure("[limits]\nmessages = 5\n")
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    (ward.home / "logs").mkdir(mode=0o755)
    before, left = picture(ward.home), _temporary()
    seen = ward.doctor()
    assert seen.checks["store"]["detail"].startswith("Readable (private server, not running; looked at in a copy")
    assert "1 approved" in seen.checks["pairing"]["detail"]
    assert list(seen.findings) == ["open-directory"]
    assert (picture(ward.home), _temporary()) == (before, left)


def test_not_a_key_of_a_store_changes(ward: Ward, raw: Redis) -> None:
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    raw.set(keys.channel_pause("telegram"), 1)
    raw.hset(keys.GATEWAYS, "old", json.dumps({"at": 1}))
    before, home = dump(ward.secrets["redis_url"]), picture(ward.home)
    assert list(ward.doctor().findings) == ["channel-paused"]
    assert (dump(ward.secrets["redis_url"]), picture(ward.home)) == (before, home)


def test_a_home_that_is_not_there_is_not_made(ward: Ward, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECONDME_HOME", str(tmp_path / "nowhere"))
    ward.is_clean()
    assert not (tmp_path / "nowhere").exists()


def _temporary() -> set[str]:
    return {each.name for folder in ("/dev/shm", "/tmp") for each in Path(folder).glob("secondme-doctor-*")}
