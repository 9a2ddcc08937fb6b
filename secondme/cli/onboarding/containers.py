"""How are the containers started? By Docker Compose, with passwords of their own, and only when the owner said so."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
from importlib.resources import files
from typing import TYPE_CHECKING

from secondme.core.config.env_file import read_env_file, save_env_file
from secondme.core.config.paths import replace_private
from secondme.core.errors import ConfigError, UnavailableError
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from pathlib import Path

    from secondme.cli.onboarding.site import Site

COMPOSE_FILE, ENV_FILE = "compose.yaml", "stack.env"
_LOOK_S, _START_S = 5.0, 900.0
"""How long Docker may take to say whether it is there, and to fetch and start everything."""
_PORTS = {"STORE_PORT": 6390, "GRAPH_PORT": 6391, "MEMORY_PORT": 8011}
_PASSWORDS = ("STORE_PASSWORD", "GRAPH_PASSWORD", "MEMORY_TOKEN")
_WORD_BYTES = 24
_TRIES = 50


async def why_not() -> str:
    """Why containers cannot be started here; empty when they can."""
    if shutil.which("docker") is None:
        return "Docker is not installed here"
    try:
        if (await _docker("info", "--format", "{{.ServerVersion}}", wait_s=_LOOK_S))[0] != 0:
            return "Docker does not run here"
        if (await _docker("compose", "version", wait_s=_LOOK_S))[0] != 0:
            return "Docker Compose is not installed here"
    except UnavailableError:
        return "Docker does not answer"
    return ""


async def start(site: Site) -> None:
    """The containers run and are healthy; their addresses and passwords are in the plan. Repeatable: what runs goes on.

    Raises UnavailableError when Docker does not bring them up.
    """
    places = site.setup.places
    compose, env = places.config / COMPOSE_FILE, places.config / ENV_FILE
    known = read_env_file(env)
    values = {name: known.get(name) or secrets.token_urlsafe(_WORD_BYTES) for name in _PASSWORDS}
    values |= {name: known.get(name) or str(_free(port)) for name, port in _PORTS.items()}
    try:
        replace_private(compose, files("secondme.cli").joinpath("stack", COMPOSE_FILE).read_text("utf-8"))
    except OSError as error:
        raise ConfigError("unwritable_config", f"{compose} cannot be written: {error.strerror}.", "Check the disk.") from error
    save_env_file(env, values)
    site.aside("Starting the containers; the first time, Docker has to fetch them ...")
    status, said = await _docker(*_compose(compose, env), "up", "--detach", "--wait", wait_s=_START_S)
    if status != 0:
        raise UnavailableError(
            "containers_not_started",
            f"Docker did not start the containers: {said}",
            f"docker {' '.join(_compose(compose, env))} logs",
        )
    plan = site.plan
    url = f"redis://:{values['STORE_PASSWORD']}@127.0.0.1:{values['STORE_PORT']}/0"
    plan.secrets["redis_url"] = url
    plan.secrets["memory.graph_url"] = f"redis://:{values['GRAPH_PASSWORD']}@127.0.0.1:{values['GRAPH_PORT']}/0"
    plan.secrets["memory.automem_token"] = values["MEMORY_TOKEN"]
    plan.settings["memory.automem_url"] = f"http://127.0.0.1:{values['MEMORY_PORT']}"
    from secondme.cli.onboarding.store import reach

    await reach(site, url)
    site.good("The containers run, and start again with Docker")
    plan.report["store"]["compose"] = str(compose)


def _compose(compose: Path, env: Path) -> tuple[str, ...]:
    return ("compose", "--file", str(compose), "--env-file", str(env))


async def _docker(*words: str, wait_s: float) -> tuple[int, str]:
    """Docker's exit code and the last line it said. Raises UnavailableError when it takes too long; it is ended then."""
    process = await asyncio.create_subprocess_exec(
        "docker", *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(wait_s):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise UnavailableError("docker_timeout", "Docker did not answer in time.", "docker info") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return process.returncode or 0, safe_text(lines[-1])[:300] if lines else ""


def _free(port: int) -> int:
    """`port`, or the next one that nobody listens on."""
    for candidate in range(port, port + _TRIES):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", candidate))
            return candidate
    return port
