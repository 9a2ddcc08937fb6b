"""The settings: loaded with the source of each value, and changed after a check of the whole.

Precedence: flags the owner typed > `SECONDME_*` (with `__` for nesting) > the same names in `.env` > the keyring, where `secrets` says
so > `config.toml` > `credentials.json`, which linking a channel writes > defaults. Built once, frozen, passed down; nothing else reads the environment. Unknown keys are errors, with the nearest known one named.
"""

import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import time
from enum import Enum
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationError, create_model

from secondme.core.config.files import (
    ConfigEdit,
    Value,
    plan,
    read_credentials,
    read_env_file,
    read_keyring,
    save_env_file,
    save_keyring,
)
from secondme.core.config.models import (
    ApiSettings,
    AttachmentSettings,
    BudgetSettings,
    ContentSettings,
    DeliverySettings,
    DisclosureSettings,
    DraftSettings,
    HearingSettings,
    JobSettings,
    LearningSettings,
    LimitSettings,
    LogSettings,
    MemorySettings,
    ModelSettings,
    PacingSettings,
    PairingSettings,
    PersonaSettings,
    QueueSettings,
    Section,
    SightSettings,
    SkillSettings,
    SleepSettings,
    SpeechSettings,
    StoreSettings,
    TakeoverSettings,
    TuiSettings,
    WebhookSettings,
)
from secondme.core.config.paths import Places, find_places
from secondme.core.errors import ConfigError
from secondme.core.text import EncodingError, near, plain_text
from secondme.core.validation import complaint

_PREFIX = "SECONDME_"
_PLUGINS = "plugins."
_RESTORE = "Edit it, or put the last good one back: secondme config restore"
_NOT_SETTINGS = {"SECONDME_HOME", "SECONDME_MIGRATE_FROM", "SECONDME_BACKUP_PASSPHRASE"}
"""Names of ours in the environment that stand for no setting."""
_ONBOARD = "SECONDME_ONBOARD_"
"""As do answers for the wizard."""
_VENDOR_NAMES = {"ANTHROPIC_API_KEY": "model.api_key", "ANTHROPIC_BASE_URL": "model.base_url"}
"""Names the vendor's own SDK honours; ours win over them."""


class Settings(Section):
    """Every decision of the owner. `load` builds it; sections have no defaults of their own, which would each cost a validator.

    Channels bring their own sections: a subclass has those that are written somewhere.
    """

    redis_url: SecretStr | None = None
    """`redis://`, `rediss://` or `unix://`; unset: a private server runs as a child of ours."""
    redis_namespace: str = Field("", pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$")
    """The home's name in a Redis that several homes share: each of its keys then begins with it in braces. Empty: none, one home to a database."""
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
    tui: TuiSettings
    webhooks: WebhookSettings
    plugins: dict[str, dict[str, str | int | float | bool]] = Field(default_factory=dict)
    """Settings of channels that came as packages of their own, by channel id."""
    store: StoreSettings
    memory: MemorySettings
    learning: LearningSettings
    hearing: HearingSettings
    sight: SightSettings
    speech: SpeechSettings
    attachments: AttachmentSettings
    jobs: JobSettings
    skills: SkillSettings
    skill_secrets: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)
    """Keys that skills need, by skill (`-` written `_`) and name; `secondme skills config` keeps them. They are put into requests, and no
    skill sees one."""
    secrets: Literal["file", "keyring"] = "file"
    """Where `onboard` and `config set` leave keys: `.env` beside the configuration, or the operating system's keyring."""
    log: LogSettings


class Sources(dict[str, str]):
    """Dotted name -> `flag`, an environment variable's name, or the file's path, of what somebody chose. Of all others: `default`."""

    def __missing__(self, dotted: str) -> str:
        """What nobody chose."""
        return "default"


class Setup(Section):
    """The settings together with where they came from and where things live."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    settings: Settings
    sources: Sources
    places: Places
    again: Callable[[], "Setup"] = Field(exclude=True, repr=False)
    """The settings as the files say now, with the same flags and environment. Raises as `load`."""


def load(
    flags: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    config: str | None = None,
    even_open: bool = False,
) -> Setup:
    """The owner's settings. `flags` are dotted names the owner typed (`pairing.mode`); `home` is the typed `--home`; `config` stands for
    the text of `config.toml`, to know what it would come to. `even_open`: a file of secrets that others can read counts too, so that who
    reports that can look at everything else.

    Raises ConfigError naming the setting and its source when a value or a key is wrong, or the file cannot be read. Reads, never
    writes.
    """
    environ = os.environ if environ is None else environ
    if home is None and environ.get("SECONDME_HOME"):
        home = Path(environ["SECONDME_HOME"])
    places = find_places(home)
    written = _read_file(places.config_file) if config is None else _parse(config, places.config_file)
    kept = read_env_file(places.env_file, even_open=even_open)
    above = [
        (str(places.env_file), _of_environment(kept)),
        ("", _of_environment(environ)),
        ("flag", dict(flags)),
    ]
    layers = [
        (str(places.credentials), read_credentials(places.credentials, even_open=even_open)),
        (str(places.config_file), written),
        ("keyring", read_keyring(places.config) if _asks_keyring([written, *(layer for _, layer in above)]) else {}),
        *above,
    ]
    values: dict[str, Any] = {}
    sources = Sources()
    channels = _written_sections(layers)
    for source, layer in layers:
        for name, value in layer.items():
            short = name.removeprefix(_PLUGINS)
            dotted = short if short.partition(".")[0] in channels else name
            values[dotted] = value
            sources[dotted] = source or _environment_name(name, environ)
    try:
        settings = _composed(tuple(channels.items())).model_validate(_nest(values))
    except ValidationError as error:
        raise _explain(error, sources) from None  # the original repeats values, and one may be a secret
    return Setup(
        settings=settings,
        sources=sources,
        places=places,
        again=lambda: load(flags, environ, home=home, config=config, even_open=even_open),
    )


def _channel_sections(names: Collection[str] | None = None) -> dict[str, type[Section]]:
    """The sections that channels bring, of all or of those in `names`. Other packages are looked at only when one of theirs may be meant."""
    from secondme.core import channel_manifest  # noqa: PLC0415  only who has settings of channels pays for it

    known: Sequence[channel_manifest.Manifest] = channel_manifest.built_in()
    if names is None or not {each.id for each in known}.issuperset(names):
        known = channel_manifest.manifests()
    sections = {}
    for manifest in known:
        if manifest.settings and manifest.id not in Settings.model_fields and (names is None or manifest.id in names):
            module, _, name = manifest.settings.partition(":")
            try:
                sections[manifest.id] = getattr(import_module(module), name)
            except Exception as error:  # noqa: BLE001  another author's code
                channel_manifest.log_broken(error, manifest.id)
    return sections


def _written_sections(layers: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, type[Section]]:
    """The sections of the channels that some layer sets, by either form: `[<id>]` or, as a package without a model, `[plugins.<id>]`."""
    names = {
        dotted.removeprefix(_PLUGINS).partition(".")[0] for _, layer in layers for dotted in layer
    } - Settings.model_fields.keys()
    return _channel_sections(names) if names else {}


@cache
def _composed(sections: tuple[tuple[str, type[Section]], ...]) -> type[Settings]:
    fields: dict[str, Any] = {name: (section, ...) for name, section in sections}
    return create_model("Settings", __base__=Settings, **fields) if fields else Settings


def channel_section(name: str) -> str:
    """Under which name the settings of the channel `name` are kept."""
    return name if name in _channel_sections({name}) else f"plugins.{name}"


def channel_settings(settings: Settings, name: str) -> dict[str, Any]:
    """One channel's own settings as plain values, secrets included: never to be logged."""
    model = _channel_sections({name}).get(name)
    section = settings.plugins.get(name, {}) if model is None else getattr(settings, name, None) or model()
    return {each: value.get_secret_value() if isinstance(value, SecretStr) else value for each, value in dict(section).items()}


def sections() -> Iterator[tuple[str, type[Section] | None]]:
    """Every group of settings in the order of the reference; None: one value that stands alone."""
    for name, field in Settings.model_fields.items():
        if name == "webhooks":  # where some channels are called
            yield from sorted(_channel_sections().items())
        yield name, _section(field.annotation)


def known_names() -> Iterator[str]:
    """Every setting as a dotted name, in order."""
    for name, section in sections():
        yield from (name,) if section is None else _names_in(section, f"{name}.")


def _names_in(section: type[Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        yield from (prefix + name,) if inner is None else _names_in(inner, f"{prefix}{name}.")


def _section(annotation: Any) -> type[Section] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def annotation_of(dotted: str) -> Any:  # a type form
    """The type of a setting, or of a group of them; None when there is none of that name."""
    name, *inner = dotted.split(".")
    field = Settings.model_fields.get(name)
    annotation = _channel_sections({name}).get(name) if field is None else field.annotation
    for each in inner:
        if (section := _section(annotation)) is None:
            break  # a table, whose values are of one type
        annotation = found.annotation if (found := section.model_fields.get(each)) else None
    return annotation


def is_secret(dotted: str) -> bool:
    """True when the setting holds something that no command line and no listing may show. A package's own settings may all be."""
    return dotted.partition(".")[0] == "plugins" or "SecretStr" in str(annotation_of(dotted))


def value_of(settings: Settings, dotted: str) -> Any:  # settings have many types; the caller only shows it
    """The value of one dotted name."""
    name, *inner = dotted.split(".")
    value = getattr(settings, name, None)
    if value is None and name not in Settings.model_fields:
        value = _channel_sections({name})[name]()
    return reduce(getattr, inner, value)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return _parse(plain_text(path.read_bytes()), path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError("unreadable_config", f"{path} cannot be read: {error.strerror}.", "Check its owner and mode.") from error
    except EncodingError as error:
        raise ConfigError("malformed_config", f"{path} is not valid TOML: it is {error.words}.", _RESTORE) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    """Every value by its dotted name."""
    try:
        return _flatten(tomllib.loads(text.removeprefix("\ufeff")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("malformed_config", f"{path} is not valid TOML: {error}.", _RESTORE) from error
    except RecursionError as error:
        raise ConfigError("malformed_config", f"{path} is not valid TOML: it is nested too deeply.", _RESTORE) from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _of_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that an environment, or a file like one, names; ours win over the vendor's."""
    ours = {
        name.removeprefix(_PREFIX).lower().replace("__", "."): value
        for name, value in environ.items()
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS and not name.startswith(_ONBOARD)
    }
    return {**{dotted: environ[name] for name, dotted in _VENDOR_NAMES.items() if environ.get(name)}, **ours}


def _asks_keyring(layers: list[dict[str, Any]]) -> bool:
    """True when the last layer that speaks of it wants the keyring."""
    said = [layer["secrets"] for layer in layers if "secrets" in layer]
    return bool(said) and said[-1] == "keyring"


def _variable(dotted: str) -> str:
    """The environment's name for `dotted`."""
    return _PREFIX + dotted.upper().replace(".", "__")


def nearest_name(dotted: str) -> str | None:
    """The setting that is spelt most like `dotted`; None when none is."""
    return next(iter(near(dotted, known_names(), cutoff=0.5)), None)


def home_of(typed: Path | None) -> Path | None:
    """The home that counts: the typed one, else the environment's; None: the platform's own directories."""
    if typed is None and os.environ.get("SECONDME_HOME"):
        return Path(os.environ["SECONDME_HOME"])
    return typed


def written_setup(home: Path | None) -> Setup:
    """The home as its files say it is; what the environment says is left out. `home` is the typed one. Raises ConfigError, or CredentialsError
    for a keyring that does not open."""
    return load({}, {}, home=home_of(home))


def plan_settings(places: Places, changes: Mapping[str, str | Value | None], *, home: Path | None) -> ConfigEdit:
    """The edit of config.toml that gives every setting in `changes` its value, checked as a whole. Raises ConfigError."""
    typed = load({name: value for name, value in changes.items() if value is not None}, {}, home=home_of(home), config="")
    plain = {name: None if value is None else _plain(value_of(typed.settings, name)) for name, value in changes.items()}
    edit = plan(places.config_file, plain)
    load({}, {}, home=home_of(home), config=edit.after)
    return edit


def keep_secret(places: Places, name: str, value: str | None, *, home: Path | None, kept_in: str = "") -> str:
    """The secret is kept where `kept_in` says, else the setting `secrets`; returns the place in words. None: it is kept nowhere any more."""
    if value is not None:
        load({name: value}, {}, home=home_of(home), config="")
    ours = _variable(name)
    others = dict.fromkeys((other for other, target in _VENDOR_NAMES.items() if target == name), None)
    if (kept_in or written_setup(home).settings.secrets) == "keyring":
        save_keyring(places.config, {name: value})
        if {ours, *others} & set(read_env_file(places.env_file)):
            save_env_file(places.env_file, {ours: None, **others})  # it would win
        return "the keyring"
    save_env_file(places.env_file, {**others, ours: value})
    return str(places.env_file)


def _plain(value: Any) -> Value:  # settings have many types
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second else "seconds")
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, bool | int | float) else str(value)


def _environment_name(dotted: str, environ: Mapping[str, str]) -> str:
    ours = _variable(dotted)
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
    written = next((name for name in sources if name == dotted or name.startswith(dotted + ".")), dotted)
    source = sources.get(written, "the settings")
    where = f"{dotted} (from {source})" if source not in {"default", "flag", "the settings"} else dotted
    if first["type"] == "extra_forbidden":
        where = where.replace(dotted, written, 1)  # of a section that is misspelt, the setting as it was typed
        near = nearest_name(written)
        hint = f"Did you mean {near}?" if near else _way_out(written, source)
        return ConfigError("unknown_setting", f"There is no setting {where}.", hint)
    return ConfigError("bad_setting", f"{complaint(where, first)}.", _way_out(written, source))


def _way_out(name: str, source: str) -> str:
    """What mends a setting that cannot be used. Where it is in the file, no command that reads the settings helps."""
    if source.endswith(".toml"):
        return f"secondme config unset {name}"
    if source.startswith("SECONDME_") or source.isupper():
        return f"Change or unset the variable {source}."
    return f"Change it in {source}." if "/" in source else "secondme config show lists the settings."
