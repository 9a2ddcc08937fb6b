"""What did the owner decide, and where did each decision come from?

Precedence: flags the owner typed > `SECONDME_*` (with `__` for nesting) > `config.toml` > `credentials.json`, which linking a
channel writes > defaults. Built once, frozen, passed down; nothing else reads the environment. Unknown keys are errors, with the nearest known one named.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, SecretStr, ValidationError

from secondme.core.credentials import read_credentials
from secondme.core.errors import ConfigError
from secondme.core.paths import Places, find_places
from secondme.core.sections import (
    ApiSettings,
    BudgetSettings,
    ContentSettings,
    DeliverySettings,
    DisclosureSettings,
    DraftSettings,
    LimitSettings,
    LogSettings,
    ModelSettings,
    PacingSettings,
    PairingSettings,
    PersonaSettings,
    QueueSettings,
    Section,
    SleepSettings,
    StoreSettings,
    TakeoverSettings,
    TelegramSettings,
    WebhookSettings,
    WhatsAppCloudSettings,
    WhatsAppSettings,
)

_PREFIX = "SECONDME_"
_VENDOR_NAMES = {"ANTHROPIC_API_KEY": "model.api_key", "ANTHROPIC_BASE_URL": "model.base_url"}
"""Names the vendor's own SDK honours; ours win over them."""


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
    disclosure: DisclosureSettings
    budget: BudgetSettings
    drafts: DraftSettings
    content: ContentSettings
    api: ApiSettings
    telegram: TelegramSettings
    whatsapp: WhatsAppSettings
    whatsapp_cloud: WhatsAppCloudSettings
    webhooks: WebhookSettings
    plugins: dict[str, dict[str, str | int | float | bool]] = Field(default_factory=dict)
    """Settings of channels that came as packages of their own, by channel id."""
    store: StoreSettings
    log: LogSettings


class Setup(Section):
    """The settings together with where they came from and where things live."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    settings: Settings
    sources: Mapping[str, str]
    """Dotted name -> `flag`, an environment variable's name, the file's path, or `default`."""
    places: Places
    again: Callable[[], "Setup"] = Field(exclude=True, repr=False)
    """The settings as the files say now, with the same flags and environment. Raises as `load`."""


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
        (str(places.credentials), read_credentials(places.credentials)),
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
    return Setup(settings=settings, sources=sources, places=places, again=lambda: load(flags, environ, home=home))


def known_names() -> Iterator[str]:
    """Every setting as a dotted name, in order."""
    for name, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from (f"{name}.{inner}" for inner in annotation.model_fields)
        else:
            yield name


def is_secret(dotted: str) -> bool:
    """True when the setting holds something that no command line and no listing may show. A package's own settings may all be."""
    section, _, leaf = dotted.partition(".")
    field = Settings.model_fields.get(section)
    if field is None or section == "plugins":
        return section == "plugins"
    annotation = field.annotation
    if leaf and isinstance(annotation, type) and issubclass(annotation, Section):
        field = annotation.model_fields.get(leaf)
    return field is not None and "SecretStr" in str(field.annotation)


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
