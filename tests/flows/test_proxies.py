"""A gateway whose environment names a proxy: people are answered through it, this machine is asked directly, and what cannot be used is named."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fakes.process import command, eventually
from fakes.proxies import Kind, proxy
from fakes.telegram_town import TelegramTown, telegram_town

ANNA = 4_500_001
_CONFIG = "[delivery]\ntimeout_s = 5\n"
_FAR = {"SECONDME_TELEGRAM__API_URL": "http://bot.example:8081", "SECONDME_MODEL__BASE_URL": "http://model.example:8080"}
"""Names that nobody but the proxy knows."""


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="smh-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def hosts_of(town: TelegramTown) -> dict[str, int]:
    return {"bot.example:8081": town.road.port, "model.example:8080": int(urlsplit(town.model.url).port or 0)}


@pytest.mark.parametrize(
    ("kind", "said"), [("socks", "socks://127.0.0.1:{}/"), ("socks", "socks5h://127.0.0.1:{}"), ("http", "http://127.0.0.1:{}")]
)
async def test_people_are_answered_through_the_proxy(kind: Kind, said: str, home: Path, redis_url: str) -> None:
    async with telegram_town(home, redis_url, _CONFIG) as town, proxy(kind, hosts_of(town)) as way:
        await town.let_in(ANNA)
        with town.gateway(ALL_PROXY=said.format(way.port), **_FAR):
            town.writes(ANNA, "are you there")
            assert await town.shown(ANNA) == ["re: are you there"]
        assert set(way.asked) == {"bot.example:8081", "model.example:8080"}


async def test_this_machine_is_asked_directly_whatever_the_environment_says(home: Path, redis_url: str) -> None:
    async with telegram_town(home, redis_url, _CONFIG) as town:
        await town.let_in(ANNA)
        with town.gateway(ALL_PROXY="nonsense://127.0.0.1:1"):
            town.writes(ANNA, "are you there")
            assert await town.shown(ANNA) == ["re: are you there"]


@pytest.mark.parametrize(
    ("variable", "said", "code", "finding"),
    [("ALL_PROXY", "socks4://me:hunter2@127.0.0.1:1", "proxy_unusable", "proxy-unusable"),
     ("HTTPS_PROXY", "http://me:hunter2", "proxy_unusable", "proxy-unusable"),
     ("SSL_CERT_FILE", "/nowhere.pem", "certificates_unusable", "certificates-unusable")],
)  # fmt: skip
async def test_what_cannot_be_used_is_one_finding_and_a_state_of_its_own(
    variable: str, said: str, code: str, finding: str, home: Path, redis_url: str
) -> None:
    far = {name: value.replace("http:", "https:") for name, value in _FAR.items()}
    async with telegram_town(home, redis_url, _CONFIG) as town:
        with town.gateway(**{variable: said, **far}):
            assert await eventually(lambda: _state_after(town, "connecting")) == ("needs_owner", code)
            environment = {**town._environment, **far, variable: said}
            looked = command(home, "doctor", "--timeout", "50", "--json", **environment)
        assert "hunter2" not in looked.stdout + looked.stderr + "".join(map(str, town.logged("channel_needs_owner")))
        checks = {check["id"]: check for check in json.loads(looked.stdout)["data"]["checks"]}
        named = [each for check in checks.values() for each in check["findings"] if each["severity"] == "error"]
        assert [each["id"] for each in named] == [finding]
        assert named[0]["what"].startswith(f"{variable} ")
        assert variable in named[0]["fix"]
        assert {checks[name]["status"] for name in ("telegram", "model-key", "model", "clock")} == {"not_checked"}
        assert checks["telegram"]["detail"] == f"{variable} cannot be used"


async def _state_after(town: TelegramTown, before: str) -> tuple[str, str] | None:
    state, code = await town.state()
    return (state, code) if code and state != before else None


async def test_a_model_that_cannot_be_reached_so_costs_no_message(home: Path, redis_url: str) -> None:
    async with telegram_town(home, redis_url, _CONFIG) as town:
        await town.let_in(ANNA)
        with town.gateway(ALL_PROXY="socks4://127.0.0.1:1", SECONDME_MODEL__BASE_URL=_FAR["SECONDME_MODEL__BASE_URL"]):
            town.writes(ANNA, "are you there")
            await eventually(lambda: [each for each in town.logged("put_off") if each["reason"] == "proxy_unusable"])
        with town.gateway():
            assert await town.shown(ANNA) == ["re: are you there"]
