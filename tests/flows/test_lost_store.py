"""A store that comes back without people who were approved: nothing is received until the owner decides, and nothing else stops it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fakes.house import house
from fakes.model import ScriptedModel
from fakes.process import WITHOUT_API, GatewayProcess, command, environment, eventually, server_pids, settings_of, write_config
from fakes.town import Town

from secondme.core.admit.witness import Loss
from secondme.core.config.loader import Setup
from secondme.core.ids import ContactId
from secondme.core.messages import Admission
from secondme.core.store import keys
from secondme.core.store.client import Store

ANNA = ContactId("local:anna")


async def _lived(town: Town, *people: str) -> None:
    """A gateway ran and ended while these people were approved."""
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        for who in people:
            await town.let_in(who)
        seen = town.setup.places.witness
        await eventually(lambda: seen.exists() and json.loads(seen.read_text())["approved"] == len(people))
    assert seen.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def town(setup: Setup, store: Store, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> Town:
    for often in ("_SWEEP_S", "_LOOK_S"):
        monkeypatch.setattr(f"secondme.core.gateway.gateway.{often}", 0.05)  # seconds of which nothing here is about
    return Town(setup, store, model, Random(7))


async def _is_held(town: Town, was: int, has: int) -> None:
    async with house(town, town.channel.factory()) as held:
        assert held.state("local") == ("off", "")

        async def lost() -> Any:
            return (await town.services.status()).report().loss

        loss = await eventually(lost)  # by the gateway's first sign of life
        assert (loss.was, loss.has) == (was, has)
        status = (await town.services.status()).report()
        assert [each.state for each in status.channels if each.id == "local"] == ["off"]
        await town.services.witness.accept()
        await held.connected("local")


async def test_a_flushed_store_receives_nothing_until_the_owner_accepts_it(town: Town) -> None:
    await _lived(town, "anna", "ben")
    await town.store.client.flushall()
    await _is_held(town, 2, 0)
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")


async def test_a_store_that_lost_some_is_held_and_one_that_lost_none_is_not(town: Town) -> None:
    await _lived(town, "anna", "ben", "cleo")
    kept = await town.store.client.dump(keys.approved(ANNA))
    await town.store.client.delete(keys.approved(ANNA))
    await town.store.client.zrem(keys.INDEX_APPROVED, ANNA)
    assert await town.services.witness.loss() is not None
    async with house(town, town.channel.factory()) as held:
        assert held.state("local") == ("off", "")
        await town.store.client.restore(keys.approved(ANNA), 0, kept)  # the data is put back meanwhile
        await town.store.client.zadd(keys.INDEX_APPROVED, {ANNA: 1})
        await held.connected("local")


async def test_another_store_is_noticed_however_many_are_approved_there(town: Town) -> None:
    await _lived(town, "anna")
    await town.store.client.flushall()
    for who in ("x", "y", "z"):
        await town.let_in(who)
    assert (await town.services.witness.loss()) is not None
    await _is_held(town, 1, 3)


@pytest.mark.parametrize("how", ["revoke", "deny", "forget"])
async def test_what_the_owner_takes_back_while_nothing_runs_is_no_loss(town: Town, how: str) -> None:
    await _lived(town, "anna", "ben")
    match how:
        case "revoke":
            await town.owner.revoke(ANNA)
        case "deny":
            await town.owner.deny(ANNA)
        case _:
            await town.services.persons.forget(ANNA, "local")
    assert await town.services.witness.loss() is None
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        assert await town.writes("ben", "hi") is Admission.QUEUED
    await town.store.client.delete(keys.WITNESS)
    assert await town.services.witness.loss() is not None


@pytest.mark.parametrize("text", [None, "", "garbage", "[]", '{"home": "x"}', '{"home":"x","approved":"many","removed":0,"at":1}'])
async def test_a_home_without_a_witness_that_can_be_read_is_never_stopped(town: Town, text: str | None) -> None:
    town.setup.places.witness.parent.mkdir(parents=True, mode=0o700)
    if text is not None:
        town.setup.places.witness.write_text(text)
        town.setup.places.witness.chmod(0o600)
    async with house(town, town.channel.factory()) as running:
        await running.connected("local")
        await town.let_in("anna")
    assert await town.services.witness.loss() is None


async def test_a_store_that_is_emptied_while_a_gateway_runs_does_not_count_as_how_it_is(town: Town) -> None:
    await _lived(town, "anna")
    await town.store.client.flushall()
    await town.services.witness.keep()
    loss = await town.services.witness.loss()
    assert isinstance(loss, Loss)
    assert (loss.was, loss.has) == (1, 0)


# The embedded server's own files, damaged between two starts


def _damages(files: Path) -> dict[str, Callable[[], object]]:
    incr = max(files.glob("*.incr.aof"))
    base = max(files.glob("*.base.rdb"))
    manifest = next(files.glob("*.manifest"))
    raw = incr.read_bytes()
    begins = raw.index(b"\r\n*", len(raw) // 2) + 2
    return {
        "tail": lambda: incr.write_bytes(raw[:-37]),
        "half": lambda: incr.write_bytes(raw[: len(raw) // 4 - 3]),
        "junk": lambda: incr.write_bytes(raw[:begins] + os.urandom(64) + raw[begins + 64 :]),
        "no incr": incr.unlink,
        "no manifest": manifest.unlink,
        "junk manifest": lambda: manifest.write_bytes(b"junk\n"),
        "junk base": lambda: base.write_bytes(b"junkjunk"),
        "all gone": lambda: [each.unlink() for each in files.iterdir()],
    }


OUTCOMES = {
    "tail": "whole", "half": "held", "junk": "damaged", "no incr": "damaged", "no manifest": "damaged", "junk manifest": "damaged",
    "junk base": "damaged", "all gone": "held",
}  # fmt: skip


@pytest.fixture(scope="module")
def once_lived() -> Iterator[Path]:
    """A home with a private server, where three people were approved and one wrote last. Nothing of it runs any more."""
    made = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    write_config(made, WITHOUT_API)
    with GatewayProcess(made):
        for number in (1001, 1002, 1003):
            assert command(made, "pairing", "approve", f"telegram:{number}").returncode == 0
        seen = settings_of(made).places.witness
        _wait(lambda: seen.exists() and json.loads(seen.read_text())["approved"] == 3)
        assert command(made, "pairing", "invite").returncode == 0  # what is written last is nobody's approval
    _wait(lambda: not server_pids(made))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def lived(home: Path, once_lived: Path) -> Path:
    """A copy of it: each test damages its own."""
    shutil.copytree(once_lived, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))
    return home


def _wait(true: Callable[[], bool]) -> None:
    asyncio.run(eventually(true))


@pytest.mark.heavy  # each starts and stops a gateway twice
@pytest.mark.parametrize("damage", OUTCOMES)
def test_damage_to_the_private_servers_files_is_said_and_nobody_is_taken_for_a_stranger(lived: Path, damage: str) -> None:
    files = settings_of(lived).places.store / "appendonlydir"
    _damages(files)[damage]()
    spoilt = {each.name: each.read_bytes() for each in files.iterdir()}
    doctor = command(lived, "doctor", "store", "--json")
    (check,) = json.loads(doctor.stdout)["data"]["checks"]
    findings = {each["id"]: each for each in check["findings"]}
    with subprocess.Popen(
        [sys.executable, "-m", "secondme", "--home", str(lived), "serve"],
        env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as serving:  # fmt: skip
        _wait(
            lambda: serving.poll() is not None or settings_of(lived).places.control_sockets()
        )  # a command each time would starve it
        _wait(lambda: serving.poll() is not None or _state_of(lived) is not None)
        state = _state_of(lived) if serving.poll() is None else None
        if serving.poll() is None:
            serving.terminate()
        assert serving.stderr is not None
        said = serving.stderr.read().decode()
        code = serving.wait(20)
    people = None if state is None else (state["pairing"]["approved"], bool(state["loss"]))
    after = {each.name: each.read_bytes() for each in files.iterdir()}
    print(f"{damage}: doctor {sorted(findings) or check['detail']}; serve {code if state is None else people}")
    match OUTCOMES[damage]:
        case "whole":
            assert (people, code, findings) == ((3, False), 0, {})
            again = json.loads(command(lived, "doctor", "store", "--json").stdout)["data"]
            assert (again["healthy"], "cut off at its end" in again["checks"][0]["detail"]) == (True, True)
        case "held":
            assert (people is not None and people[1], code, list(findings)) == (True, 0, ["store-lost-people"])
            assert "store_lost_people" in said
            assert json.loads(settings_of(lived).places.witness.read_text())["approved"] == 3
        case _:
            assert (people, code, list(findings)) == (None, 78, ["store-damaged"])  # and no service starts it again and again
            assert " restore FILE" in said
            assert all(after.get(name) == raw for name, raw in spoilt.items()), "what is left was changed"
    if OUTCOMES[damage] == "held":
        accepted = command(lived, "doctor", "store", "--accept-empty", "--json")
        assert (accepted.returncode, json.loads(accepted.stdout)["data"]["findings"]) == (0, 0)
        with GatewayProcess(lived):
            _wait(settings_of(lived).places.local_socket.exists)


def _state_of(home: Path) -> dict[str, Any] | None:
    """What status says of a gateway that runs and has either been stopped or begun; None before."""
    done = command(home, "status", "--json")
    data = json.loads(done.stdout)["data"] if done.stdout else {}
    has_begun = any(channel["state"] == "connected" for channel in data.get("channels", []))
    return data if data.get("processes") and (data["loss"] or has_begun) else None


@pytest.mark.heavy  # 7 s: two gateways and five commands
def test_a_backup_with_fewer_people_is_put_back_and_that_is_the_owners_decision(home: Path) -> None:
    write_config(home, WITHOUT_API)
    assert command(home, "pairing", "approve", "telegram:1001").returncode == 0
    assert command(home, "backup", str(home / "backup.tar.gz")).returncode == 0
    assert command(home, "pairing", "approve", "telegram:1002").returncode == 0
    seen = settings_of(home).places.witness
    with GatewayProcess(home):
        _wait(lambda: seen.exists() and json.loads(seen.read_text())["approved"] == 2)
    assert command(home, "restore", str(home / "backup.tar.gz"), "--yes", "--overwrite").returncode == 0
    assert not seen.exists()
    with GatewayProcess(home):
        _wait(lambda: seen.exists() and json.loads(seen.read_text())["approved"] == 1)
