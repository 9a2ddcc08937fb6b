"""Where is everything kept? In a private server, in a Redis of the owner's, or in containers that are started here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secondme.cli.called import program_for
from secondme.cli.leaving import people_in, present_setup, say_who_stays
from secondme.cli.onboarding import containers
from secondme.cli.onboarding.interview import Choice, Question
from secondme.core.config.loader import home_of, load
from secondme.core.errors import SecondmeError
from secondme.core.store.client import Store
from secondme.core.store.server import Role

if TYPE_CHECKING:
    from secondme.cli.onboarding.site import Site
    from secondme.core.config.loader import Setup

_SCHEMES = ("redis://", "rediss://", "unix://")


async def ask(site: Site) -> None:
    """The store is decided and was reached. Raises as reaching it does when nobody can be asked again."""
    present = present_setup(site.invocation)
    interview, known = site.interview, present.settings.redis_url
    why_not = await containers.why_not()
    default = "url" if known is not None or interview.has("redis_url") else "embedded"
    question = Question("store", "Where should everything be kept?", "--store", default=default)
    kind = await interview.choose(
        question,
        [
            Choice("embedded", "Here, in a private server of its own (nothing to install)"),
            Choice("url", "In a Redis of mine"),
            Choice("docker", "In containers: Redis, and FalkorDB and AutoMem for later", why_not),
        ],
    )
    site.plan.report["store"] = {"kind": kind}
    if (kind != "embedded") != (known is not None) and not await _leaves_people(site, present):
        interview.drop("store")
        await ask(site)
        return
    match kind:
        case "embedded":
            if known is not None:
                site.plan.secrets["redis_url"] = None
                site.plan.settings["redis_url"] = None
            site.good("Contacts and conversations are kept on this machine")
            if os.environ.get("SECONDME_REDIS_URL"):
                site.bad("SECONDME_REDIS_URL is set in this shell, and wins as long as it is.")
        case "url":
            site.plan.secrets["redis_url"] = await _reached_url(site)
        case _:
            await containers.start(site)


async def _leaves_people(site: Site, present: Setup) -> bool:
    """True when the owner moves to another store all the same, or nobody is in the present one."""
    people = await people_in(present)
    site.plan.report["store"]["leavesBehind"] = people
    if not people:
        return True
    say_who_stays(site.screen, people, program_for(site.invocation), "leave now", "onboard")
    if not site.interview.is_live:
        return True
    go_on = await site.interview.confirm(Question("leave_people", "Go on, and leave them behind?", "", default="no"))
    site.interview.drop("leave_people")
    return go_on


async def _reached_url(site: Site) -> str:
    known = site.setup.settings.redis_url
    while True:
        question = Question(
            "redis_url",
            "Its address:",
            "SECONDME_REDIS_URL",
            default=known.get_secret_value() if known else None,
            check=lambda answer: "" if answer.startswith(_SCHEMES) else "it begins with redis://, rediss:// or unix://",
            secret=True,
        )
        url = await site.interview.text(question)
        try:
            await reach(site, url)
        except SecondmeError as error:
            if not site.interview.is_live:
                raise
            site.failed(error)
            site.interview.drop("redis_url")
            known = None
            continue
        site.good("It answers")
        return url


async def reach(site: Site, url: str) -> None:
    """The store at `url` answers and is new enough. Raises as opening a store does."""
    async with Store(load({"redis_url": url}, {}, home=home_of(site.invocation.home), config=""), Role.ATTACH):
        pass
