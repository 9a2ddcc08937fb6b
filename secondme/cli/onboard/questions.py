"""The wizard's smaller questions: prerequisites, the store, the owner's voice, who is approved, sleep hours, and containers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
import secrets
import shutil
import socket
from datetime import time, timedelta
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from secondme.cli.commands.config import people_in, say_who_stays
from secondme.cli.onboard.authors import who_are_you
from secondme.cli.onboard.prompts import WizardChoice, WizardQuestion
from secondme.cli.onboard.site import Unproven
from secondme.cli.output import program_for
from secondme.core.clock import SystemClock
from secondme.core.config.files import read_env_file, save_env_file
from secondme.core.config.loader import Setup, home_of, load, written_setup
from secondme.core.config.models import SleepSettings
from secondme.core.dates.zones import near_zones, zones_of
from secondme.core.errors import ConfigError, SecondmeError, UnavailableError
from secondme.core.exports.authors import authors_of
from secondme.core.files import private_dir, write_private
from secondme.core.format import size
from secondme.core.reply.persona import DEFAULT_STYLE, LANGUAGE
from secondme.core.send.pacing import UNIVERSAL, SleepSchedule, machine_zone
from secondme.core.store.client import Store
from secondme.core.store.server import Role, find_server
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from secondme.cli.onboard.site import Site


_LEAST_FREE = 200 * 1024 * 1024


async def ask_prerequisites(site: Site) -> None:
    """What is needed is there. Raises ConfigError for what would stop everything; what is only nice to have is said."""
    places = site.setup.places
    for directory in dict.fromkeys((places.config, places.data, places.logs)):
        _writable(private_dir(directory))
    free = shutil.disk_usage(places.data).free
    if free < _LEAST_FREE:
        raise ConfigError(
            "disk_full", f"Only {size(free)} are free at {places.data}.", "Make room, or set SECONDME_HOME elsewhere."
        )
    site.good(f"Python {platform.python_version()}, {size(free)} free, settings in {places.config}")
    server = _server()
    (site.good if server else site.aside)(f"A private store: {server or 'no server program for this machine, so you need a Redis'}")
    found = {"docker": shutil.which("docker") is not None, "keyring": find_spec("keyring") is not None}
    missing = [name for name, there in found.items() if not there]
    if missing:
        site.aside(f"  Not here, and not needed: {', '.join(missing)}")
    site.plan.report["prerequisites"] = {
        "python": platform.python_version(),
        "freeBytes": free,
        "storeServer": bool(server),
        **found,
    }


def _writable(directory: Path) -> None:
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigError(
            "unusable_directory", f"Nothing can be written below {directory}.", "Set SECONDME_HOME to a directory of yours."
        )
    probe = directory / f".{os.getpid()}.probe"
    try:
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            "unusable_directory",
            f"Nothing can be written below {directory}: {error.strerror}.",
            "Set SECONDME_HOME to a directory of yours.",
        ) from error


def _server() -> str:
    try:
        return os.path.basename(find_server())  # noqa: PTH119  a name to show
    except ConfigError:
        return ""


_NAMESPACE = re.compile("[a-z0-9][a-z0-9._-]{0,63}")
_SCHEMES = ("redis://", "rediss://", "unix://")


async def ask_store(site: Site) -> None:
    """The store is decided and was reached. Raises as reaching it does when nobody can be asked again."""
    present = written_setup(site.invocation.home)
    interview, known = site.interview, present.settings.redis_url
    why_not = await why_no_containers()
    default = "url" if known is not None or interview.has("redis_url") else "embedded"
    question = WizardQuestion("store", "Where should everything be kept?", "--store", default=default)
    kind = await interview.choose(
        question,
        [
            WizardChoice("embedded", "Here (a private server; nothing to install)"),
            WizardChoice("url", "In a Redis of mine"),
            WizardChoice("docker", "In containers: Redis, and FalkorDB and AutoMem for later", why_not),
        ],
    )
    site.plan.report["store"] = {"kind": kind}
    if (kind != "embedded") != (known is not None) and not await _leaves_people(site, present):
        interview.drop("store")
        interview.drop("leave_people")
        await ask_store(site)
        return
    match kind:
        case "embedded":
            if known is not None:
                site.plan.secrets["redis_url"] = None
                site.plan.settings["redis_url"] = None
            site.good("Contacts and conversations are kept on this machine")
            if not interview.is_quick:
                site.aside("  What is said is remembered there, a file a person: secondme memory status")
            if os.environ.get("SECONDME_REDIS_URL"):
                site.bad("SECONDME_REDIS_URL is set in this shell, and wins as long as it is.")
        case "url":
            if await _ask_url(site) is Unproven.WITHOUT:
                interview.drop("store")
                await ask_store(site)
        case _:
            await start(site)


async def _leaves_people(site: Site, present: Setup) -> bool:
    """True when the owner moves to another store all the same, or nobody is in the present one."""
    people = await people_in(present)
    site.plan.report["store"]["leavesBehind"] = people
    if not people:
        return True
    say_who_stays(site.screen, people, program_for(site.invocation.home), "leave now", "onboard")
    if not site.interview.is_live:
        return True
    return await site.interview.confirm(
        WizardQuestion("leave_people", "Go on, and leave them behind?", "", default="no", is_quick=True)
    )


async def _ask_url(site: Site) -> Unproven | None:
    """The address is planned; WITHOUT when the owner wants to keep everything somewhere else after all."""
    known = site.setup.settings.redis_url
    while True:
        question = WizardQuestion(
            "redis_url",
            "Its address:",
            "SECONDME_REDIS_URL",
            default=known.get_secret_value() if known else None,
            check=lambda answer: "" if answer.startswith(_SCHEMES) else "it begins with redis://, rediss:// or unix://",
            secret=True,
        )
        url = await site.interview.text(question)
        answers = ("store", url)
        settled = site.settled(answers)
        if settled is None:
            try:
                await _reached(site, url)
                site.good("It answers")
            except SecondmeError as error:
                other = "Keep everything somewhere else"
                settled = await site.ask_unproven(error, answers, other, ("redis_url", "redis_namespace"))
        if settled is Unproven.ELSE:
            known = None
        if settled is Unproven.WITHOUT:
            site.interview.drop("redis_url")
            return settled
        if settled not in {Unproven.AGAIN, Unproven.ELSE}:
            site.plan.secrets["redis_url"] = url
            return settled


async def _reached(site: Site, url: str) -> None:
    """As `reach`; a namespace is asked for where the server needs one, or somebody gave one."""
    namespace = site.setup.settings.redis_namespace
    if not site.interview.has("redis_namespace"):
        try:
            await site.proof(("store", url, namespace), lambda: reach(site, url, namespace))
        except ConfigError as error:
            if error.code != "store_is_cluster":
                raise
        else:
            return
    question = WizardQuestion(
        "redis_namespace",
        "The name of this home among those that share that Redis:",
        "SECONDME_REDIS_NAMESPACE",
        default=namespace or None,
        check=lambda answer: "" if _NAMESPACE.fullmatch(answer) else "small letters, digits, and . _ - between them",
    )
    named = await site.interview.text(question)
    await site.proof(("store", url, named), lambda: reach(site, url, named))
    site.plan.settings["redis_namespace"] = named


async def reach(site: Site, url: str, namespace: str = "") -> None:
    """The store at `url` answers and can be used. Raises as opening a store does."""
    found = load({"redis_url": url, "redis_namespace": namespace}, {}, home=home_of(site.invocation.home), config="")
    async with Store(found, Role.ATTACH):
        pass


_LONGEST_NAME, _LONGEST_LINE = 64, 200
_UNNAMED = "the owner"


async def ask_voice(site: Site) -> None:
    """Name, persona and export are decided."""
    interview, known = site.interview, site.setup.settings.persona
    name = await interview.text(
        WizardQuestion("persona_name", "What do people call you?", "--persona-name", _named(known.name), _name)
    )
    site.plan.settings["persona.name"] = name
    await _persona(site, name)
    await _export(site, name)


def _named(name: str) -> str | None:
    return name if name != _UNNAMED else None


async def _persona(site: Site, name: str) -> None:
    interview = site.interview
    path = site.setup.places.personas / site.setup.settings.persona.file
    said = any(interview.has(each) for each in ("tone", "language", "about"))
    if path.exists() and not said:
        site.good(f"Your persona stays as it is: {path}")
        site.plan.report["persona"] = {"path": str(path), "made": False}
        return
    tone = await interview.text(WizardQuestion("tone", "How do you write, in a few words?", "--tone", "warm and brief", _line))
    language = await interview.text(
        WizardQuestion("language", "In which language? A tag like en or es; Enter answers in theirs:", "--language", "", _language)
    )
    about = await interview.text(
        WizardQuestion("about", "What should it always do, or never? One line, or Enter:", "--about", "", _line)
    )
    guide = f"{DEFAULT_STYLE}\n{safe_text(about)}" if about else DEFAULT_STYLE
    site.plan.persona = {"name": name, "tone": tone, "language": language, "guide": guide}
    site.plan.report["persona"] = {"path": str(path), "made": True}


async def _export(site: Site, name: str) -> None:
    interview, plan = site.interview, site.plan
    plan.exports, plan.export_owner = [], ""
    typed = await interview.text(
        WizardQuestion(
            "import", "A chat exported from WhatsApp or Telegram to learn from? Its path, or Enter:", "--import", "", _a_file
        )
    )
    if not typed:
        return
    path = _path(typed)
    if not interview.is_live or interview.has("import_me"):
        plan.export_owner = await interview.text(WizardQuestion("import_me", "Your name in it:", "--import-me", name, _line))
        plan.exports = [path]
        return
    answers = ("authors", typed)
    if site.settled(answers) is not None:
        return
    try:
        authors = await site.proof(answers, lambda: authors_of(path, SystemClock().now().date()))
    except SecondmeError as error:
        without = "Go on without it: it can be imported later"
        if await site.ask_unproven(error, answers, without, ("import",), can_keep=False) is not Unproven.WITHOUT:
            await _export(site, name)
        return
    plan.exports = [path]
    if authors.owner:
        site.good(f"You are {safe_name(authors.owner)} in it, as the file says")
        return
    question, choices = who_are_you(authors, name)
    plan.export_owner = await interview.choose(question, choices)


def _path(typed: str) -> Path:
    return Path(typed).expanduser()


def _name(answer: str) -> str:
    return "" if 0 < len(answer) <= _LONGEST_NAME and answer.isprintable() else f"a name has 1 to {_LONGEST_NAME} characters"


def _line(answer: str) -> str:
    return "" if (len(answer) <= _LONGEST_LINE and answer.isprintable()) or not answer else f"at most {_LONGEST_LINE} characters"


def _language(answer: str) -> str:
    return "" if not answer or LANGUAGE.fullmatch(answer) else "a language tag looks like en, es or pt-BR"


def _a_file(answer: str) -> str:
    try:
        return "" if not answer or Path(answer).expanduser().is_file() else "there is no such file"
    except (OSError, ValueError, RuntimeError):
        return "there is no such file"


async def ask_pairing(site: Site) -> None:
    """Pairing is decided."""
    interview, known, settings = site.interview, site.setup.settings.pairing, site.plan.settings
    settings["pairing.mode"] = await interview.choose(
        WizardQuestion("pairing_mode", "Who approves people?", "--pairing-mode", known.mode.value),
        [
            WizardChoice("owner", "Only I do, one by one"),
            WizardChoice("self_verify", "Whoever repeats the code they were sent (any stranger can, with two messages)"),
        ],
    )
    settings["pairing.prompt"] = await interview.choose(
        WizardQuestion("prompt", "What does a stranger get?", "--prompt", known.prompt),
        [
            WizardChoice("contact", "One message: an AI, waiting for my approval"),
            WizardChoice("silent", "Nothing; only I see that they wrote"),
        ],
    )
    if _may_know_somebody(site):
        existing = WizardQuestion(
            "approve_existing",
            "Approve whoever you already talked to here?",
            "--approve-existing",
            "yes" if known.auto_approve_existing else "no",
        )
        settings["pairing.auto_approve_existing"] = await interview.confirm(existing)
    site.plan.report["door"] = {name.partition(".")[2]: settings[name] for name in settings if name.startswith("pairing.")}


def _may_know_somebody(site: Site) -> bool:
    """False where it would be asked in vain: a private store that was never used."""
    if not site.interview.is_live or site.interview.has("approve_existing"):
        return True
    present = "embedded" if site.setup.settings.redis_url is None else "url"
    is_private = site.plan.report.get("store", {"kind": present})["kind"] == "embedded"
    return not is_private or site.setup.places.store.exists()


_OFF = "off"
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]) ?- ?([01][0-9]|2[0-3]):([0-5][0-9])")


async def ask_hours(site: Site) -> None:
    """Time zone and sleep are decided; and, by night, whether they stay awake for the first hour."""
    interview, known, settings = site.interview, site.setup.settings.sleep, site.plan.settings
    machine = str(machine_zone())
    zone = await _zone_of_place(site, known.timezone or machine)
    present = f"{known.start:%H:%M}-{known.end:%H:%M}" if known.enabled else _OFF
    hours = await interview.text(WizardQuestion("sleep", "When do you sleep? 23:00-07:00, or off:", "--sleep", present, _hours))
    is_guess = interview.is_quick and not known.timezone and machine in UNIVERSAL  # then doctor asks whose it is
    settings["sleep.timezone"] = None if is_guess else zone
    settings["sleep.enabled"] = hours != _OFF
    settings["sleep.awake_until"] = None
    if hours != _OFF:
        start, _, end = hours.partition("-")
        settings["sleep.start"], settings["sleep.end"] = start.strip(), end.strip()
        await _stay_awake(site, zone, start.strip(), end.strip())
    site.plan.report["hours"] = {"timezone": zone, "sleep": hours}


async def _zone_of_place(site: Site, default: str) -> str:
    """The zone of the place that was answered; where it may mean several, the one that was chosen."""
    interview = site.interview
    place = await interview.text(
        WizardQuestion("timezone", "Your time zone, or a city in it:", "--timezone", default, check=_place)
    )
    zones = zones_of(place)
    if len(zones) == 1:
        if zones[0] != place:
            site.good(zones[0])
        return zones[0]
    if not interview.is_live:
        raise ConfigError("bad_answer", f"--timezone: {place} may mean {', '.join(zones)}.", "Give one of them.")
    if (chosen := interview.answer("zone")) is not None and chosen not in zones:
        interview.drop("zone")
    question = WizardQuestion("zone", f"Which {place}?", "--timezone", zones[0], is_quick=True)
    return await interview.choose(question, [WizardChoice(zone, zone) for zone in zones])


async def _stay_awake(site: Site, zone: str, start: str, end: str) -> None:
    """Asked by night only: whoever sets it up then wants to see it answer."""
    now = SystemClock().now()
    schedule = SleepSchedule(SleepSettings.model_validate({"start": start, "end": end, "timezone": zone}))
    if not site.interview.is_live or not schedule.is_asleep(now):
        return
    site.aside(f"It is {now.astimezone(ZoneInfo(zone)):%H:%M} there: you sleep, so nobody would be answered before {end}.")
    question = WizardQuestion("awake", "Stay awake for an hour, to try it?", "", default="yes", is_quick=True)
    if await site.interview.confirm(question):
        until = (now + timedelta(hours=1)).replace(microsecond=0).astimezone(ZoneInfo(zone))
        site.plan.settings["sleep.awake_until"] = until.isoformat()


def _place(answer: str) -> str:
    if zones_of(answer):
        return ""
    meant = near_zones(answer)
    return f"nobody knows that place; did you mean {' or '.join(meant)}?" if meant else "a city, or a time zone like Europe/Madrid"


def _hours(answer: str) -> str:
    found = _HOURS.fullmatch(answer)
    if answer == _OFF:
        return ""
    if found is None:
        return "hours look like 23:00-07:00"
    from_hour, from_minute, to_hour, to_minute = (int(part) for part in found.groups())
    return "" if time(from_hour, from_minute) != time(to_hour, to_minute) else "say off, if you never sleep"


COMPOSE_FILE, ENV_FILE = "compose.yaml", "stack.env"
_LOOK_S, _START_S = 5.0, 900.0
"""How long Docker may take to say whether it is there, and to fetch and start everything."""
_PORTS = {"STORE_PORT": 6390, "GRAPH_PORT": 6391, "MEMORY_PORT": 8011}
_PASSWORDS = ("STORE_PASSWORD", "GRAPH_PASSWORD", "MEMORY_TOKEN")
_WORD_BYTES = 24
_TRIES = 50


async def why_no_containers() -> str:
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
        write_private(compose, files("secondme.cli").joinpath("stack", COMPOSE_FILE).read_text("utf-8"))
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

    await reach(site, url)
    site.good("The containers run, and start again with Docker")
    site.aside("  What is said, and facts of it, is kept in them too: FalkorDB and AutoMem, on this machine")
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
