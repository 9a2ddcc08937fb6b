"""Shell completion of contacts, channels and personas: what can be known at once, else nothing, without a word.

A shell evaluates what it is given, and contacts choose their own names: only plain words are offered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer  # noqa: TC002  typer reads annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from secondme.core.config.loader import Setup

_PLAIN = re.compile(r"\w[\w .-]{0,63}")
_ID = re.compile(r"[A-Za-z0-9~._+@:-]{3,128}")
_LIMIT_S = 1.0
"""Somebody waits with a finger on the key."""
_MOST = 200

Offer = tuple[str, str]
"""A word, and what it means."""


def contacts(context: typer.Context, incomplete: str) -> list[Offer]:
    """Ids of approved contacts, with their names."""
    return _offered(context, incomplete, lambda setup: [(each, name) for each, name in _approved(setup)])


def people(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of approved contacts, and their ids: where both will do."""

    def both(setup: Setup) -> Iterable[Offer]:
        found = _approved(setup)
        return [*((name, each) for each, name in found if name), *found]

    return _offered(context, incomplete, both)


def channels(context: typer.Context, incomplete: str) -> list[Offer]:
    """Ids of channels, with their titles."""

    def known(setup: Setup) -> Iterable[Offer]:
        del setup
        from secondme.core.channel_manifest import manifests

        return [(manifest.id, manifest.title) for manifest in manifests()]

    return _offered(context, incomplete, known)


def personas(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of the owner's personas."""
    return _offered(context, incomplete, lambda setup: [(path.stem, "") for path in sorted(setup.places.personas.glob("*.md"))])


def settings(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of settings."""

    def known(setup: Setup) -> Iterable[Offer]:
        del setup
        from secondme.core.config.loader import known_names

        return [(name, "") for name in known_names()]

    return _offered(context, incomplete, known)


def _offered(context: typer.Context, incomplete: str, find: Callable[[Setup], Iterable[Offer]]) -> list[Offer]:
    """What was found and begins like `incomplete`. Whatever goes wrong, nothing was found: this is the middle of somebody's line."""
    import contextlib
    import io

    from secondme.cli.command import Invocation

    try:
        with contextlib.redirect_stderr(io.StringIO()):
            home = context.find_root().params.get("home")
            found = list(find(Invocation(home=home, settings=()).setup()))
    except Exception:  # noqa: BLE001  as the docstring says
        return []
    plain = [(word, meaning if _PLAIN.fullmatch(meaning) else "") for word, meaning in found if _is_plain(word)]
    return [offer for offer in plain if offer[0].startswith(incomplete)][:_MOST]


def _is_plain(word: str) -> bool:
    return bool(_PLAIN.fullmatch(word) or _ID.fullmatch(word))


def _approved(setup: Setup) -> list[Offer]:
    """Approved contacts as (id, name), from a server that runs already."""
    if setup.settings.redis_url is None and not setup.places.store_socket.exists():
        return []
    import asyncio

    from secondme.core.store.server import Role
    from secondme.services import open_services

    async def look() -> list[Offer]:
        async with asyncio.timeout(_LIMIT_S), open_services(setup, Role.ATTACH) as services:
            approved = (await services.listing()).approved
        return [(each.contact_id, each.display_name or "") for each in approved]

    return asyncio.run(look())
