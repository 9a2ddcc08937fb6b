"""What can be wrong with the gateway, its channels and what waits, and what the owner has stopped and forgotten."""

import asyncio
import json
import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.bot_api import TOKEN, BotApi
from fakes.process import GatewayProcess, let_in, settings_of
from health.rig import KEY, Ward, holding, until
from redis import Redis

from secondme import __version__
from secondme.cli.command import Invocation
from secondme.cli.service.manager import manager_for
from secondme.cli.service.program import program_of
from secondme.core.admit.control_store import ControlStore
from secondme.core.send.pacing import machine_zone
from secondme.core.store import keys
from secondme.core.store.client import Store
from secondme.core.store.server import Role

MINUTE_MS = 60_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def sign(ward: Ward, instance: str = "g", part: str = "all", version: str = __version__, **channels: Any) -> None:
    """A process of this test's gives a sign of life as a gateway does."""
    facts = {"part": part, "host": socket.gethostname(), "pid": os.getpid(), "version": version, "startedAt": now_ms()}

    async def beat() -> None:
        async with Store(settings_of(ward.home), Role.ATTACH) as store:
            await ControlStore(store).beat(instance, {**facts, "channels": channels})

    asyncio.run(beat())


@pytest.mark.heavy  # 4 s: two gateways, and the doctor until each is there
def test_a_gateway_that_has_stopped(ward: Ward) -> None:
    with GatewayProcess(ward.home) as gateway:
        until(lambda: ward.doctor("gateway").status("gateway") == "ok")
        gateway.kill(signal.SIGTERM)
        gateway.process.wait(20)
    finding = ward.is_found("gateway-down", "the gateway was stopped")
    assert finding["fix"] == "secondme serve"
    with GatewayProcess(ward.home):
        until(lambda: ward.doctor("gateway").status("gateway") == "ok")
        ward.is_clean()


def test_a_gateway_that_hangs(ward: Ward) -> None:
    lock = ward.home / "data" / "gateway.lock"
    process = holding(lock, "1")
    try:
        finding = ward.is_found("gateway-silent", "a process holds the gateway's lock and hangs")
        assert finding["fix"] == f"kill -9 {process.pid}"
        ward.mend(finding)
    finally:
        process.kill()
        process.wait()
    assert list(ward.doctor().findings) == ["gateway-down"]
    sign(ward)
    ward.is_clean()


def test_a_gateway_whose_api_does_not_answer(ward: Ward) -> None:
    process = holding(ward.home / "data" / "gateway.lock", str(os.getpid()))
    try:
        sign(ward)
        raw = Redis.from_url(ward.secrets["redis_url"])
        facts = json.loads(raw.hget(keys.GATEWAYS, "g") or b"")
        raw.hset(keys.GATEWAYS, "g", json.dumps({**facts, "startedAt": now_ms() - MINUTE_MS}))
        settled(ward)
        ward.is_found("api-not-answering", "the gateway's API does not answer")
    finally:
        process.kill()
        process.wait()
    ward.is_clean()


def settled(ward: Ward) -> None:
    """Nothing was changed since the gateway started."""
    for name in ("config.toml", ".env"):
        if (ward.home / name).exists():
            os.utime(ward.home / name, (0, 0))


def test_a_gateway_with_settings_that_were_changed_since(ward: Ward) -> None:
    process = holding(ward.home / "data" / "gateway.lock", str(os.getpid()))
    try:
        sign(ward)
        raw = Redis.from_url(ward.secrets["redis_url"])
        facts = json.loads(raw.hget(keys.GATEWAYS, "g") or b"")
        raw.hset(keys.GATEWAYS, "g", json.dumps({**facts, "startedAt": now_ms() - MINUTE_MS}))
        os.utime(ward.home / "config.toml")
        seen = ward.doctor("gateway")
        assert list(seen.findings) == ["gateway-stale"]
        settled(ward)
        assert list(ward.doctor("gateway").findings) == []
    finally:
        process.kill()
        process.wait()


@pytest.mark.heavy  # a gateway that starts anew
@pytest.mark.parametrize("words", [None, ("reload",)], ids=["the fix", "reload"])
def test_a_gateway_takes_changed_settings_over_by_a_command(ward: Ward, words: tuple[str, ...] | None) -> None:
    with GatewayProcess(ward.home) as gateway:
        until(lambda: ward.doctor("gateway").status("gateway") == "ok")
        ward.configure("[limits]\nmessages = 20\n")
        changed = time.time() + 1.5
        os.utime(ward.home / "config.toml", (changed, changed))
        finding = ward.doctor("gateway").only("gateway-stale")
        assert finding["fix"] == "secondme restart"
        until(lambda: time.time() > changed)
        if words is None:
            ward.mend(finding)
        else:
            assert ward.run(*words).exit_code == 0
        assert ward.doctor("gateway").findings == {}
        assert gateway.process.poll() is None


def test_a_gateway_without_a_worker(ward: Ward) -> None:
    sign(ward, part="gateway")
    ward.is_found("no-worker", "a gateway runs without a worker")
    sign(ward, "w", part="worker")
    ward.is_clean()


def test_a_gateway_of_another_version(ward: Ward) -> None:
    sign(ward, version="0.0.9")
    finding = ward.is_found("gateway-outdated", "an old version still runs")
    assert "0.0.9" in finding["what"]
    sign(ward)
    ward.is_clean()


def test_a_gateway_without_a_key(ward: Ward) -> None:
    del ward.secrets["model__api_key"]
    ward.configure()
    ward.is_clean()  # nothing runs that needs it: not set up yet
    sign(ward)
    ward.mend(ward.is_found("model-key-missing", "a gateway runs and there is no key"), stdin=f"{KEY}\n")
    ward.is_clean()


@pytest.fixture
def telegram(ward: Ward, bot: BotApi) -> Ward:
    bot.token = TOKEN
    ward.configure(f'[telegram]\napi_url = "{bot.url}"\n', telegram__token=TOKEN)
    return ward


def connected(alive_ago_ms: int, **facts: Any) -> dict[str, Any]:
    now = now_ms()
    return {"state": "connected", "lastAliveAt": now - alive_ago_ms, "lastReceivedAt": now - 3 * MINUTE_MS, "since": now, **facts}


def test_a_channel_that_is_deaf(telegram: Ward) -> None:
    sign(telegram, telegram=connected(7 * MINUTE_MS))
    finding = telegram.is_found("channel-deaf", "Telegram says it is connected and hears nothing")
    assert "7 min" in finding["what"]
    sign(telegram, telegram=connected(10_000))
    telegram.is_clean()
    detail = telegram.doctor().checks["telegram"]["detail"]
    assert re.search(r"@clone_bot; connected, last sign of life \d\d s ago, last message 3 min ago", detail)


@pytest.mark.parametrize(
    ("facts", "identity", "words"),
    [
        ({"state": "needs_owner", "code": "telegram_conflict"}, "channel-needs-you", "Another program reads this bot's messages."),
        ({"state": "waiting", "code": "telegram_unreachable"}, "channel-failing", "Telegram does not answer"),
        ({"state": "connecting", "since": 1}, "channel-failing", "not connected (connecting)"),
        ({"state": "deaf"}, "channel-deaf", "some time old"),
        ({"state": "off"}, "channel-not-running", "does not run it"),
    ],
)
def test_a_channel_that_its_gateway_says_is_not_well(telegram: Ward, facts: dict[str, Any], identity: str, words: str) -> None:
    sign(telegram, telegram=facts)
    assert words in telegram.is_found(identity, f"Telegram is {facts['state']}")["what"]
    sign(telegram, telegram=connected(1000))
    telegram.is_clean()


def test_a_channel_that_the_owner_disconnected_is_no_finding(telegram: Ward) -> None:
    sign(telegram, telegram={"state": "off"})
    assert telegram.run("channels", "disconnect", "telegram").exit_code == 0
    telegram.is_clean()


@pytest.mark.parametrize(
    ("words", "identity"),
    [("pause", "paused"), ("pause --for 2h", "paused"), ("kill", "kill-switch-on"), ("channels pause telegram", "channel-paused")],
)
def test_what_the_owner_stopped(ward: Ward, words: str, identity: str) -> None:
    assert ward.run(*words.split()).exit_code == 0
    ward.mend(ward.is_found(identity, f"`secondme {words}` was forgotten"))
    ward.is_clean()


def test_a_door_that_strangers_open(ward: Ward) -> None:
    ward.configure('[pairing]\nmode = "self_verify"\n')
    ward.mend(ward.is_found("pairing-self-verify", "strangers let themselves in"))
    ward.is_clean()


def mail(contact: str, ago_ms: int) -> str:
    return json.dumps(
        {
            "messageId": f"m{ago_ms}",
            "contactId": contact,
            "channelId": "local",
            "normalizedContactId": contact,
            "content": "zqWordsOfAnnazq",
            "timestamp": now_ms() - ago_ms,
        }
    )


def test_messages_that_were_set_aside(ward: Ward, raw: Redis) -> None:
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    raw.rpush(keys.dead("local:anna"), mail("local:anna", 1000), mail("local:anna", 900))
    raw.zadd(keys.DEAD_INDEX, {"local:anna": now_ms()})
    finding = ward.is_found("dead-letters", "two messages were set aside")
    assert finding["what"].startswith("2 messages")
    assert "Annazq" not in ward.run("doctor").output
    ward.mend(finding)
    ward.is_clean()
    assert raw.llen(keys.inbox("local:anna")) == 2


def test_messages_that_wait_too_long(ward: Ward, raw: Redis) -> None:
    raw.rpush(keys.inbox("local:anna"), mail("local:anna", 25 * MINUTE_MS))
    raw.sadd(keys.QUEUE_ACTIVE, "local:anna")
    raw.hset(keys.mailbox("local:anna"), "waiting", "model_key_refused")
    ward.is_clean()  # nobody works on them: that is said elsewhere
    sign(ward)
    finding = ward.is_found("queue-waiting", "a message waits for 25 minutes")
    assert "the oldest for 25 min: the model's server refuses the key" in finding["what"]
    ward.mend(finding)
    raw.hset(keys.mailbox("local:anna"), "waiting", "asleep")
    ward.is_clean()


def test_a_budget_that_is_spent(ward: Ward, raw: Redis) -> None:
    raw.hset(keys.token_stats(time.strftime("%Y-%m-%d", time.gmtime())), mapping={"micros": 5_200_000, "calls": 9})
    finding = ward.is_found("budget-spent", "today's budget is spent")
    assert "5.20 of 5.00 dollars" in finding["what"]
    ward.mend(finding)
    ward.is_clean()


def test_a_persona_that_cannot_speak(ward: Ward, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = ward.home / "personas"
    folder.mkdir(mode=0o700)
    (folder / "work.md").write_text("---\nrelationships: [nonsense]\n---\nBe brief.\n")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf -- "---\\nrelationships: [colleague]\\n---\\nBe brief.\\n" > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    ward.mend(ward.is_found("persona-broken", "a persona file is broken"))
    ward.is_clean()


def test_a_persona_that_is_not_there(ward: Ward) -> None:
    ward.configure('[persona]\nfile = "gone.md"\n')
    ward.mend(ward.is_found("persona-missing", "persona.file names no file"))
    ward.is_clean()


def test_a_night_by_utc(ward: Ward) -> None:
    if str(machine_zone()) not in {"UTC", "Etc/UTC"}:
        pytest.skip("this machine has a zone of its own")
    ward._write("config.toml", (ward.home / "config.toml").read_text().replace('timezone = "Europe/Madrid"', ""))
    ward.mend(ward.is_found("timezone-unset", "the machine is in UTC, and no zone is set"))
    ward.is_clean()


def test_a_service_that_was_stopped(ward: Ward, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for home, is_ours in ((tmp_path / "other", False), (ward.home, True)):
        unit = manager_for(program_of(Invocation(home, ()), "all"), home / "logs").path
        unit.parent.mkdir(parents=True, exist_ok=True)
        unit.touch()
        assert (ward.doctor().findings != {}) is is_ours
    finding = ward.is_found("gateway-stopped-service", "the service is installed and does not run")
    assert finding["fix"] == "secondme service start"
    sign(ward)
    ward.is_clean()


def test_webhooks_that_take_nothing(ward: Ward, raw: Redis) -> None:
    def stand(**state: str) -> str:
        endpoint = "3f2a91c0b7de"
        url = "https://hooks.example.com/zqSecretPathzq"
        raw.set(
            keys.webhook(endpoint), json.dumps({"id": endpoint, "url": url, "events": ["*"], "createdAt": 1, "createdBy": "cli"})
        )
        raw.zadd(keys.WEBHOOK_INDEX, {endpoint: 1})
        raw.hset(keys.webhook_state(endpoint), mapping={"cursor": "0-0", **state})
        return endpoint

    letter = {"message": {"id": "msg_1", "type": "draft.held", "at": 1}, "tries": 10, "why": "500", "diedAt": 2}
    raw.lpush(keys.webhook_dead(stand()), json.dumps(letter))
    finding = ward.is_found("webhook-dead", "a delivery never arrived")
    assert "hooks.example.com" in finding["what"]
    ward.mend(finding)
    ward.is_clean()
    stand(disabledAt="5", disabledWhy="gone")
    finding = ward.is_found("webhook-disabled", "its server wants no more")
    assert "zqSecretPathzq" not in ward.run("doctor").output
    ward.mend(finding)
    ward.is_clean()
