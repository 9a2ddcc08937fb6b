"""Homes, and the servers around them."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.bot_api import BotApi, bot_api
from fakes.messages_api import MessagesApi, messages_api
from fakes.process import let_in, settings_of
from health.rig import KEY, Background, Ward, address_of, valkey
from health.servers import Http, http_server
from redis import Redis

LEDGER: list[tuple[str, str, str, str]] = []
"""What was planted, what was found, how bad it is said to be, and the fix that was then typed."""


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    made = Background()
    yield made
    made.close()


@pytest.fixture(scope="session")
def messages(background: Background) -> MessagesApi:
    return background.open(messages_api())


@pytest.fixture
def vendor(messages: MessagesApi) -> Iterator[MessagesApi]:
    """A model's server that takes one key and offers one model."""
    messages.keys, messages.models = {KEY}, ["claude-test"]
    usual = messages.script
    yield messages
    messages.keys, messages.knows_effort, messages.script = None, True, usual


@pytest.fixture(scope="session")
def bot(background: Background) -> BotApi:
    return background.open(bot_api())


@pytest.fixture
def http() -> Iterator[Http]:
    with http_server() as running:
        yield running


@pytest.fixture(scope="session")
def spare_server() -> Iterator[Redis]:
    """A Redis of the owner's own, as far as we can tell."""
    with tempfile.TemporaryDirectory(prefix="smr-", dir="/tmp") as directory, valkey(Path(directory)) as client:
        yield client


@pytest.fixture
def spare(spare_server: Redis) -> Iterator[Redis]:
    """The same, empty and as it was afterwards, whatever a test does to it."""
    spare_server.flushall()
    yield spare_server
    for name, value in (("requirepass", ""), ("maxmemory", "0"), ("maxmemory-policy", "noeviction"), ("appendonly", "yes")):
        spare_server.config_set(name, value)
    spare_server.replicaof("NO", "ONE")
    spare_server.execute_command("ACL", "DELUSER", "narrow")


@pytest.fixture
def ward(home: Path, vendor: MessagesApi, redis_url: str, raw: Redis, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """A home in good order just after onboarding, on the shared server: nobody runs a gateway there yet."""
    del raw  # emptied by its fixture
    monkeypatch.setenv("SECONDME_HOME", str(home))
    monkeypatch.delenv("SECONDME_REDIS_URL", raising=False)
    made = Ward(home, LEDGER)
    made.configure(redis_url=redis_url, model__api_key=KEY, model__base_url=vendor.url)
    return made


@pytest.fixture
def elsewhere(ward: Ward, spare: Redis) -> Ward:
    """The same home on a Redis of the owner's own."""
    ward.configure(redis_url=address_of(spare))
    return ward


@pytest.fixture
def own(ward: Ward) -> Ward:
    """A home whose store is the private server, with data in it; nothing runs."""
    del ward.secrets["redis_url"]
    ward.configure()
    asyncio.run(let_in(settings_of(ward.home), "anna"))
    return ward


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LEDGER and "PYTEST_XDIST_WORKER" not in os.environ:
        terminalreporter.section(f"doctor: {len(LEDGER)} planted faults, each found alone, mended by its own words, and gone")
        for what, identity, severity, fix in sorted(LEDGER):
            terminalreporter.write_line(f"{what:<44} {identity:<22} {severity:<8} {fix[:90]}")
