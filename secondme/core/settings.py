"""What did the owner decide, and where did each decision come from?

Precedence: flags the owner typed > `SECONDME_*` (with `__` for nesting) > `config.toml` > defaults. Built once, frozen, passed
down; nothing else reads the environment. Unknown keys are errors, with the nearest known one named.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import time
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from secondme.core.errors import ConfigError
from secondme.core.paths import Places, find_places
from secondme.core.tiers import PairingMode, Tier

_PREFIX = "SECONDME_"
_LAST_PORT = 65_535
_VENDOR_NAMES = {"ANTHROPIC_API_KEY": "model.api_key", "ANTHROPIC_BASE_URL": "model.base_url"}
"""Names the vendor's own SDK honours; ours win over them."""


class Section(BaseModel):
    """The base of every group of settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


class PairingSettings(Section):
    """Who is let in, and how many may knock."""

    enabled: bool = True
    """False: the door stays shut. Strangers are ignored and no request is made; approved contacts are answered as before."""
    mode: PairingMode = PairingMode.OWNER
    prompt: Literal["contact", "silent"] = "contact"
    """`silent`: the contact is told nothing, only the owner sees the request."""
    code_expiration_minutes: float = Field(30, gt=0, le=1440)
    denial_cooldown_hours: float = Field(24, gt=0, le=8760)
    max_pending_requests: int = Field(100, ge=0, le=10_000)
    max_prompts_per_hour: int = Field(30, ge=0, le=1000)
    prompt_max_age_minutes: float = Field(10, gt=0)
    """Nobody is prompted for a message older than this: a restarted gateway must not text the owner's friends."""
    wrong_codes_per_contact: int = Field(5, ge=1, le=5)
    wrong_codes_per_hour: int = Field(50, ge=1, le=50)
    self_verify_tier: Tier = Tier.STANDARD
    auto_approve_existing: bool = False
    """Let in who already has a history, as `standard`, at their next message."""


class PersonaSettings(Section):
    """Whose voice it is."""

    name: str = Field("the owner", min_length=1, max_length=64)
    file: str = "default.md"
    """A Markdown file in the personas directory; a plain default is used while it does not exist."""


class ModelSettings(Section):
    """Who writes the replies. Any server that speaks the Anthropic Messages API will do."""

    name: str = "claude-sonnet-5-5"
    api_key: SecretStr | None = None
    base_url: str | None = None
    timeout_s: float = Field(60, gt=0, le=600)
    max_tokens: int = Field(1024, ge=16, le=8192)
    history_turns: int = Field(40, ge=1, le=100)
    history_hours: float = Field(24, gt=0, le=168)


class QueueSettings(Section):
    """How messages are worked on."""

    slots: int = Field(8, ge=1, le=256)
    """Replies composed at the same time in one process."""
    lease_s: float = Field(15, ge=0.5, le=300)
    """A worker that says nothing for this long has lost its contact to another."""
    max_attempts: int = Field(5, ge=1, le=100)
    stale_after_hours: float = Field(6, gt=0)
    """Older messages are not answered after an outage; hours asleep do not count."""
    drain_s: float = Field(8, gt=0, le=60)
    """How long a stopping process may finish what it began. The whole stop stays below 10 s."""


class DeliverySettings(Section):
    """How replies leave."""

    ambiguous: Literal["resend", "hold"] = "resend"
    """When nobody knows whether a message went out: send it again under the same id, or hold it for the owner."""
    timeout_s: float = Field(20, gt=0, le=120)
    max_attempts: int = Field(12, ge=1, le=1000)
    concurrency: int = Field(16, ge=1, le=256)


class PacingSettings(Section):
    """How fast a person types. Defaults are the predecessor's."""

    enabled: bool = True
    think_min_s: float = Field(1.0, ge=0)
    think_max_s: float = Field(3.0, ge=0)
    typing_s_per_character: float = Field(0.24, ge=0, le=2)
    jitter: float = Field(0.15, ge=0, lt=1)
    min_s: float = Field(0.5, ge=0)
    max_s: float = Field(20.0, ge=0)
    pause_min_s: float = Field(2.0, ge=0)
    pause_max_s: float = Field(5.0, ge=0)
    pause_within_s: float = Field(30.0, ge=0)
    """A cognitive pause is added when the last reply left less than this ago."""
    scale: float = Field(1.0, ge=0, le=10)
    """Multiplies every duration; the demo uses a small one."""


class SleepSettings(Section):
    """When the owner sleeps, nobody is answered until they wake."""

    enabled: bool = True
    start: time = time(23, 0)
    end: time = time(7, 0)
    """Exclusive. Equal to `start`: never asleep."""
    timezone: str = ""
    """An IANA name; empty means this machine's."""
    spread_minutes: float = Field(20, ge=0, le=240)
    """After waking, answers are spread over this long."""

    @field_validator("start", "end")
    @classmethod
    def _on_the_wall(cls, value: time) -> time:
        if value.tzinfo is not None:
            raise ValueError("not a local time, like 23:00; the zone is sleep.timezone")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError("not an IANA time zone, like Europe/Madrid") from error
        return value


class LimitSettings(Section):
    """How much one contact may write before the clone steps back."""

    messages: int = Field(10, ge=1)
    window_s: int = Field(60, ge=1)
    pause_minutes: float = Field(60, gt=0)


class TakeoverSettings(Section):
    """The owner spoke themselves."""

    pause_minutes: float = Field(60, gt=0)


class StoreSettings(Section):
    """The embedded server, when `redis_url` is not set."""

    server: str = ""
    """Path of a valkey-server or redis-server; empty: the packaged one, else the first on PATH."""
    fsync: Literal["everysec", "always"] = "everysec"
    timeout_s: float = Field(2.0, gt=0, le=60)
    """How long one answer of the store may take."""


class ContentSettings(Section):
    """What is looked at in the messages of approved contacts. A flagged message is logged and answered as ever."""

    analyze: bool = True
    max_length: int = Field(4000, ge=1)
    """Longer messages, in characters, are flagged."""


class ApiSettings(Section):
    """The HTTP control plane of the gateway."""

    enabled: bool = True
    """On a unix socket that only the owner can open."""
    listen: str = ""
    """`127.0.0.1:8765` to listen on TCP as well, behind the bearer token of `secondme api token`. Empty: only the socket."""
    allow_remote: bool = False
    """Let `listen` name an address that other machines can reach. Put TLS in front of it."""

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        if value:
            host, _, port = value.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
                raise ValueError("not host:port, like 127.0.0.1:8765")
        return value


class LogSettings(Section):
    """What is written down. Never message text, names or codes."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Section):
    """Every decision of the owner. `load` builds it; sections have no defaults of their own, which would each cost a validator."""

    redis_url: SecretStr | None = None
    """`redis://`, `rediss://` or `unix://`; unset: a private server runs as a child of ours."""
    pairing: PairingSettings
    persona: PersonaSettings
    model: ModelSettings
    queue: QueueSettings
    delivery: DeliverySettings
    pacing: PacingSettings
    sleep: SleepSettings
    limits: LimitSettings
    takeover: TakeoverSettings
    content: ContentSettings
    api: ApiSettings
    store: StoreSettings
    log: LogSettings


class Setup(Section):
    """The settings together with where they came from and where things live."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    settings: Settings
    sources: Mapping[str, str]
    """Dotted name -> `flag`, an environment variable's name, the file's path, or `default`."""
    places: Places


def load(flags: Mapping[str, Any], environ: Mapping[str, str] | None = None, *, home: Path | None = None) -> Setup:
    """The owner's settings. `flags` are dotted names the owner typed (`pairing.mode`); `home` is the typed `--home`.

    Raises ConfigError naming the setting and its source when a value or a key is wrong, or the file cannot be read. Reads, never
    writes.
    """
    environ = os.environ if environ is None else environ
    if home is None and environ.get("SECONDME_HOME"):
        home = Path(environ["SECONDME_HOME"])
    places = find_places(home)
    layers = [
        (str(places.config_file), _flatten(_read_file(places.config_file))),
        ("", {dotted: environ[name] for name, dotted in _VENDOR_NAMES.items() if environ.get(name)}),
        ("", _from_environment(environ)),
        ("flag", dict(flags)),
    ]
    values: dict[str, Any] = {}
    sources = dict.fromkeys(known_names(), "default")
    for source, layer in layers:
        for dotted, value in layer.items():
            values[dotted] = value
            sources[dotted] = source or _environment_name(dotted, environ)
    try:
        settings = Settings.model_validate(_nest(values))
    except ValidationError as error:
        raise _explain(error, sources) from None  # the original repeats values, and one may be a secret
    return Setup(settings=settings, sources=sources, places=places)


def known_names() -> Iterator[str]:
    """Every setting as a dotted name, in order."""
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from (f"{name}.{inner}" for inner in annotation.model_fields)
        else:
            yield name


def value_of(settings: Settings, dotted: str) -> Any:  # settings have many types; the caller only shows it
    """The value of one dotted name."""
    value: Any = settings
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError("unreadable_config", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("malformed_config", f"{path} is not valid TOML: {error}.", f"Edit {path}.") from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        name.removeprefix(_PREFIX).lower().replace("__", "."): value
        for name, value in environ.items()
        if name.startswith(_PREFIX) and name not in {"SECONDME_HOME", "SECONDME_MIGRATE_FROM"}
    }


def _environment_name(dotted: str, environ: Mapping[str, str]) -> str:
    ours = _PREFIX + dotted.upper().replace(".", "__")
    if ours in environ:
        return ours
    return next((name for name, target in _VENDOR_NAMES.items() if target == dotted), ours)


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {name: {} for name, field in Settings.model_fields.items() if field.is_required()}
    for dotted, value in flat.items():
        *parents, leaf = dotted.split(".")
        node = tree
        for parent in parents:
            child = node.setdefault(parent, {})
            if not isinstance(child, dict):
                raise ConfigError("bad_setting", f"{parent} is one value and has no parts.", "secondme config show")
            node = child
        node[leaf] = value
    return tree


def _explain(error: ValidationError, sources: Mapping[str, str]) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    dotted = ".".join(str(part) for part in first["loc"])
    source = next((where for name, where in sources.items() if name == dotted or name.startswith(dotted + ".")), "the settings")
    where = f"{dotted} (from {source})" if source not in {"default", "the settings"} else dotted
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(dotted, list(known_names()), n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else "secondme config show lists the settings."
        return ConfigError("unknown_setting", f"There is no setting {where}.", hint)
    return ConfigError(
        "bad_setting", f"{where}: {first['msg'].removeprefix('Value error, ')}.", "secondme config show lists the settings."
    )
