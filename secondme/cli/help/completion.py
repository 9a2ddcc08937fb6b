"""Shell completion of whatever has a name or an id: what can be known at once, else nothing, without a word.

A shell evaluates what it is given, and contacts choose their own names: only plain words are offered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from secondme.core.admit.contact_lookup import APPROVED, DENIABLE, DENIED, KNOWN, LINKABLE, WAITING, Wanted
from secondme.core.enums import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Iterable

    from secondme.core.config.loader import Setup
    from secondme.services import Services

_PLAIN = re.compile(r"\w[\w .-]{0,63}")
_ID = re.compile(r"[A-Za-z0-9~._+@:-]{3,128}")
_LIMIT_S = 1.0
"""Somebody waits with a finger on the key."""
_MOST = 200

_SHORT = 8
"""Characters of an id that lists show."""
_CHECKS_WITHOUT_FINDINGS = ("drafts",)

Offer = tuple[str, str]
"""A word, and what it means."""
Complete = Callable[[typer.Context, str], list[Offer]]


def approved(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of approved contacts, and their ids."""
    return _asked(context, incomplete, lambda services: _people(services, APPROVED))


def everybody(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of approved contacts, and the ids of all that are known."""
    return _asked(context, incomplete, lambda services: _people(services, KNOWN))


def waiting(context: typer.Context, incomplete: str) -> list[Offer]:
    """Codes and ids of those who wait."""
    return _asked(context, incomplete, lambda services: _people(services, WAITING))


def deniable(context: typer.Context, incomplete: str) -> list[Offer]:
    """Codes and ids of those who wait; names and ids of those who were approved."""
    return _asked(context, incomplete, lambda services: _people(services, DENIABLE))


def denied(context: typer.Context, incomplete: str) -> list[Offer]:
    """Ids of those who were denied."""
    return _asked(context, incomplete, lambda services: _people(services, DENIED))


def linkable(context: typer.Context, incomplete: str) -> list[Offer]:
    """Who was approved or waits, and so may be the same person as somebody else."""
    return _asked(context, incomplete, lambda services: _people(services, LINKABLE))


def linked(context: typer.Context, incomplete: str) -> list[Offer]:
    """Approved contacts who are linked with others."""

    async def found(services: Services) -> Iterable[Offer]:
        known = [each.contact_id for each in (await services.listing()).approved]
        return await _people(services, APPROVED, await services.persons.persons(known))

    return _asked(context, incomplete, found)


def paused(context: typer.Context, incomplete: str) -> list[Offer]:
    """Approved contacts who are paused, or were not answered since."""

    async def found(services: Services) -> Iterable[Offer]:
        return await _people(services, APPROVED, await services.pauses.resumable())

    return _asked(context, incomplete, found)


def with_dead_letters(context: typer.Context, incomplete: str) -> list[Offer]:
    """Contacts whose messages were set aside."""

    async def found(services: Services) -> Iterable[Offer]:
        return await _people(services, KNOWN, {each.contact_id for each in await services.dead_letters.letters()})

    return _asked(context, incomplete, found)


def with_drafts(context: typer.Context, incomplete: str) -> list[Offer]:
    """Approved contacts for whom drafts wait."""

    async def found(services: Services) -> Iterable[Offer]:
        return await _people(services, APPROVED, {each.contact_id for each in (await services.drafts.waiting())[0]})

    return _asked(context, incomplete, found)


CONTACTS = frozenset({approved, everybody, waiting, deniable, denied, linkable, linked, paused, with_dead_letters, with_drafts})
"""Those that offer contacts."""


def drafts(context: typer.Context, incomplete: str) -> list[Offer]:
    """Short ids of drafts, and for whom they are."""

    async def found(services: Services) -> Iterable[Offer]:
        held, _ = await services.drafts.waiting()
        return [(each.id[:_SHORT] if len(incomplete) <= _SHORT else each.id, each.contact_id) for each in held]

    return _asked(context, incomplete, found)


def proposals(context: typer.Context, incomplete: str) -> list[Offer]:
    """Short ids of proposals, and for whom they are."""

    async def found(services: Services) -> Iterable[Offer]:
        return [(each.proposal_id[:_SHORT], each.contact_id) for each in await services.proposals.waiting()]

    return _asked(context, incomplete, found)


def jobs(context: typer.Context, incomplete: str) -> list[Offer]:
    """Ids of jobs, and what they are called."""

    async def found(services: Services) -> Iterable[Offer]:
        views, _ = await services.jobs.all()
        return [(view.job.id[: max(_SHORT, len(incomplete))], view.job.name) for view in views]

    return _asked(context, incomplete, found)


def webhooks(context: typer.Context, incomplete: str) -> list[Offer]:
    """Ids of webhooks."""

    async def found(services: Services) -> Iterable[Offer]:
        return [(each.id, "") for each in await services.webhook_store.endpoints()]

    return _asked(context, incomplete, found)


def ready_jobs(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of the ready-made jobs."""
    from secondme.core.files import table

    return _offered(context, incomplete, lambda _: [(name, facts["title"]) for name, facts in table("jobs", "ready").items()])


def skills(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of skills: those that come along, and the owner's own."""

    def known(setup: Setup) -> Iterable[Offer]:
        from importlib.resources import files

        own = Path(setup.settings.skills.directory or setup.places.skills)
        folders = [*files("secondme.skills").joinpath("builtin").iterdir(), *(own.iterdir() if own.is_dir() else ())]
        return [
            (each.name, "") for each in sorted(folders, key=lambda each: each.name) if each.is_dir() and each.name[0] not in "._"
        ]

    return _offered(context, incomplete, known)


def checks(context: typer.Context, incomplete: str) -> list[Offer]:
    """Names of the doctor's checks: to load them all takes longer than Tab may."""

    def known(setup: Setup) -> Iterable[Offer]:
        del setup
        from secondme.core.channel_manifest import manifests
        from secondme.core.files import table

        of_findings = [finding["check"] for finding in table("doctor", "findings").values()]
        of_channels = [manifest.id for manifest in manifests() if manifest.needs_link]
        names = {*of_findings, *of_channels, *_CHECKS_WITHOUT_FINDINGS} - {"*", "channels"}
        return [(name, "") for name in sorted(names)]

    return _offered(context, incomplete, known)


def words(*known: str) -> Complete:
    """What offers these words."""

    def offer(context: typer.Context, incomplete: str) -> list[Offer]:
        return _offered(context, incomplete, lambda _: [(word, "") for word in known])

    return offer


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


async def _people(services: Services, wanted: Wanted, among: Collection[str] | None = None) -> list[Offer]:
    """How those whom a command can be about may be named: by the name, where one decides; by the code that they wait under; by the id."""
    listing = await services.listing()
    by_state = ((State.PENDING, listing.pending), (State.APPROVED, listing.approved), (State.DENIED, listing.denied))
    records = [each for state, records in by_state if state in wanted.states for each in records]
    chosen = [each for each in records if among is None or each.contact_id in among]
    codes = [(each.code, each.display_name or each.contact_id) for each in listing.pending if each in chosen]
    approved_ones = [each for each in listing.approved if each in chosen and wanted.is_named]
    names = [(each.display_name or "", each.contact_id) for each in approved_ones]
    return [*codes, *((name, who) for name, who in names if name), *((each.contact_id, each.display_name or "") for each in chosen)]


def _asked(context: typer.Context, incomplete: str, look: Callable[[Services], Awaitable[Iterable[Offer]]]) -> list[Offer]:
    """What a server that runs already knows; none is started."""

    def find(setup: Setup) -> Iterable[Offer]:
        if setup.settings.redis_url is None and not setup.places.store_socket.exists():
            return []
        import asyncio

        from secondme.core.store.server import Role
        from secondme.services import open_services

        async def within_the_time() -> list[Offer]:
            async with asyncio.timeout(_LIMIT_S), open_services(setup, Role.ATTACH) as services:
                return list(await look(services))

        return asyncio.run(within_the_time())

    return _offered(context, incomplete, find)
