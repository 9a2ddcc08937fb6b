"""The reference of `--json` is what the commands print."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import opus
from fakes.commands_page import leaves
from fakes.json_page import ELSEWHERE, STORY, json_page, run_story
from fakes.kept import DOCS, is_kept
from fakes.wizard import model_server
from redis import Redis

from secondme.core.config.loader import Setup
from secondme.core.store.server import EmbeddedServer, Role


@pytest.fixture(scope="module")
def other_url(server_home: Path) -> Iterator[str]:
    """A second server, to migrate from."""
    server = EmbeddedServer(server_home / "elsewhere", server_home / "elsewhere.sock", role=Role.OWN)
    asyncio.run(server.ensure())
    yield f"unix://{server_home / 'elsewhere.sock'}"
    asyncio.run(server.stop())


@pytest.fixture(scope="module")
def cache() -> dict[str, Any]:
    return {}


@pytest.fixture
def story(
    cache: dict[str, Any], other_url: str, setup: Setup, raw: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What every command printed; run once."""
    if not cache:
        with model_server() as api:
            home = setup.places.config
            home.mkdir(parents=True, exist_ok=True)
            environ = {
                "HOME": home,
                "REDIS_URL": redis_url,
                "MODEL__API_KEY": "sk-good",
                "MODEL__BASE_URL": api.url,
                "MIGRATE_FROM": other_url,
            }
            spoken = tmp_path / "spoken.ogg"
            spoken.write_bytes(opus.silence())
            environ |= {"SPEECH__CONSENT": "stock-voice", "SPEECH__PROVIDER": "command", "SPEECH__COMMAND": f"cat {spoken}"}
            for name, value in environ.items():
                monkeypatch.setenv(f"SECONDME_{name}", str(value))
            monkeypatch.setenv("EDITOR", "true")
            monkeypatch.chdir(tmp_path)
            cache.update(run_story(setup, raw, home))
    return cache


def test_the_page_is_of_today_and_every_envelope_has_the_same_five_keys(story: dict[str, Any]) -> None:
    assert is_kept("reference/json.md", json_page(story))
    assert {tuple(sorted(envelope)) for envelope in story.values()} == {("data", "errors", "exit_code", "schema", "status")}


def test_every_command_is_on_it() -> None:
    told = {" ".join(word for word in name.split() if not word.startswith("-")) for name, *_ in STORY} | set(ELSEWHERE)
    assert sorted(path for path, _ in leaves() if path not in told) == []


def test_which_commands_take_json_is_told_as_it_is() -> None:
    (told,) = re.findall(
        r"^Every command takes `--json` but these, .*?: (.*)\. With", (DOCS / "scripts.md").read_text("utf-8"), re.MULTILINE
    )
    without = [
        path for path, context in leaves() if "--json" not in {each for option in context.command.params for each in option.opts}
    ]
    assert sorted(told.replace("`", "").split(", ")) == sorted(without)
