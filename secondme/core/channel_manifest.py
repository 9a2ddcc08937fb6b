"""Manifests: what each channel says of itself, and which channels there are.

A channel is a package with an entry point of the group `secondme.channels` that names a `Manifest`; those that ship are declared in
pyproject.toml in the same way. Light commands import this: what a manifest names is imported when it is used.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from secondme.core.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.metadata import EntryPoint


ENTRY_POINTS = "secondme.channels"
_PACKAGE = "secondme"
_ID = re.compile(r"(?!(?:api|control|store)$)[a-z][a-z0-9_]{1,31}")
"""Not the names of sockets of ours: a channel may listen on `<id>.sock`."""

Sentence = tuple[str, str]
"""What is the matter in plain words, and what mends it (empty: it mends itself)."""

_SENTENCES: dict[str, Sentence] = {
    "hangs": ("It neither connects nor fails, and is started again.", ""),
    "deaf": ("It was connected but heard nothing, and is connected anew.", ""),
    "silent": ("It is connected, but the platform has been silent for too long.", ""),
    "stuck": ("It would not stop.", "secondme restart"),
    "channel_in_use": ("Another gateway on this store serves it.", "Stop one of them, or give each home a store of its own."),
    "crashed": ("Its library failed; it is started again.", ""),
    "ended": ("It ended by itself; it is started again.", ""),
    "proxy_unusable": (
        "The environment of the gateway names a proxy that cannot be used.",
        "Correct its *_PROXY variables, where it is started from, and start it again there.",
    ),
    "certificates_unusable": (
        "The environment of the gateway names certificates that cannot be read.",
        "Correct its SSL_CERT_FILE or SSL_CERT_DIR, where it is started from, and start it again there.",
    ),
    "library_missing": ("A library it needs cannot be loaded.", "pip install --force-reinstall secondme"),
}
"""Codes that the gateway itself gives any channel."""


@dataclass(frozen=True)  # without slots: light commands read one
class Manifest:
    """What everybody may know about a channel without starting it."""

    id: str
    """2 to 32 characters of `a-z 0-9 _`; the first part of its contacts' ids."""
    title: str
    icon: str
    """One character for narrow places."""
    setup: str
    """The module that links the channel and builds it: a `SetupModule`."""
    settings: str = ""
    """`module:Class` of its settings, a `core.config.models.Section`: they are `[<id>]`, checked, listed and documented like all others.
    Empty: they are `[plugins.<id>]`, and only the channel knows which there are."""
    sentences: Mapping[str, Sentence] = field(default_factory=dict)
    """What the codes mean that the channel reports or raises."""
    rank: int = 100
    """Where it stands in lists, the lowest first."""
    needs_link: bool = True
    """False for a channel that is always there."""
    offer: str = ""
    """How the wizard offers it; empty: it does not."""
    risk: tuple[str, ...] = ()
    """What an owner must know before they link it, line by line; the wizard asks whether they do all the same."""
    moved: str = ""
    """What an owner must know after its link came out of a backup."""
    collapses_resends: bool = False
    """True when a second send under one id cannot show twice. Where it can, a send that may have happened is held for the owner."""
    sends_voice: bool = False
    """True when it sends `MessageContent.voice`. A channel that does not is given text alone."""
    typing_refresh_s: float = 5.0
    """How long the platform shows the typing indicator after one call."""
    stalled_after_s: float | None = None
    """Connected, but without a sign of life from the platform for this long: the channel is stalled, and soon restarted. None: it
    cannot be."""
    owner_chat_is_notebook: bool = False
    """True when the owner's own chat is also where they keep notes to themselves: what is no command there is not answered."""
    contact_ids: str = ""
    """A pattern of its contacts' ids, so that one that is mistyped is nobody's; empty: `<id>:` and anything behind it."""
    takes_webhooks: bool = False
    """True when the platform calls us: `handle_webhook` of the built channel answers."""


@cache
def built_in() -> tuple[Manifest, ...]:
    """The channels that ship, in the order of lists. Raises ConfigError where the installation is older than the code."""
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415  only who needs a manifest pays for it

    try:
        points = list(distribution(_PACKAGE).entry_points.select(group=ENTRY_POINTS))
    except PackageNotFoundError:
        points = []
    if not points:
        raise ConfigError(
            "stale_install",
            "This installation does not know its own channels.",
            "pip install --force-reinstall secondme, or in a checkout: pip install -e .",
        )
    return tuple(sorted((point.load() for point in points), key=lambda manifest: manifest.rank))


def manifests() -> list[Manifest]:
    """Every channel there is, in the order of lists. A package's that is none, or takes a name that is taken, is logged and left out."""
    known = {manifest.id: manifest for manifest in built_in()}
    for point in _points_of_others(tuple(sys.path)):
        for manifest in _loaded(point, known):
            known[manifest.id] = manifest
    return sorted(known.values(), key=lambda manifest: manifest.rank)


@cache
def _points_of_others(path: tuple[str, ...]) -> list[EntryPoint]:
    """What packages on the path bring. The metadata of all is read for it, five milliseconds and more: not for each look of a screen."""
    from importlib.metadata import entry_points  # noqa: PLC0415  as above

    del path  # `entry_points` reads sys.path
    return [point for point in entry_points(group=ENTRY_POINTS) if point.dist is None or point.dist.name != _PACKAGE]


def channel_with(contact: str) -> Manifest | None:
    """The channel that a contact with this id would be on; None for what is no whole id of any. At the terminals of this machine everybody
    has the name that they take: there is nobody before they ask."""
    patterns = ((manifest, manifest.contact_ids or f"{manifest.id}:.+") for manifest in manifests() if manifest.needs_link)
    return next((manifest for manifest, pattern in patterns if re.fullmatch(pattern, contact, re.ASCII)), None)


def _loaded(point: EntryPoint, known: Mapping[str, Manifest]) -> Iterator[Manifest]:
    """The manifest of another author's package, if it has one that will do."""
    package = point.dist.name if point.dist else "?"
    try:
        manifest = point.load()
    except Exception as error:  # noqa: BLE001  another author's code
        log_broken(error, package)
        return
    if isinstance(manifest, Manifest) and _ID.fullmatch(manifest.id) and manifest.id not in known:
        yield manifest
        return
    from secondme.core.log import get_logger  # noqa: PLC0415  as above

    get_logger(__name__).error("channel_package_refused", package=package)


def log_broken(error: Exception, package: str) -> None:
    """It is written down that another author's code failed."""
    from secondme.core.log import get_logger  # noqa: PLC0415  as above

    get_logger(__name__).error("channel_package_broken", error, package=package)


def find_manifest(name: str) -> Manifest | None:
    """The channel called `name`; None when there is none. Packages are only looked at when it is not one of those that ship."""
    return next((each for each in built_in() if each.id == name), None) or next(
        (each for each in manifests() if each.id == name), None
    )


def manifest_of(name: str) -> Manifest:
    """The channel called `name`. Raises NotFoundError."""
    manifest = find_manifest(name)
    if manifest is not None:
        return manifest
    from difflib import get_close_matches  # noqa: PLC0415  only who mistyped

    names = [each.id for each in manifests()]
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]}?" if near else "secondme channels list"
    raise NotFoundError("unknown_channel", f"There is no channel called that. There are: {', '.join(names)}.", hint)


def sentence_of(channel: str, code: str) -> Sentence:
    """What a code of the channel means. An unknown one is shown as it is."""
    if not code or code in _SENTENCES:
        return _SENTENCES.get(code, ("", ""))
    manifest = find_manifest(channel)
    return (manifest.sentences if manifest is not None else {}).get(code, (code.replace("_", " "), ""))


def needs_link(channel: str) -> bool:
    """False for a channel that is always there: nobody asks how it stands."""
    manifest = find_manifest(channel)
    return manifest is None or manifest.needs_link
