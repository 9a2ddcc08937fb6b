"""How the owner writes, on the command line."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner, Result

from secondme.cli.app import options
from secondme.cli.commands import style
from secondme.core.config.loader import Setup
from secondme.core.ids import ContactId
from secondme.core.records import OwnMessage
from secondme.core.remember.store import StyleStore
from secondme.core.store.client import Store
from secondme.core.store.server import Role

Run = Callable[..., Result]
ANNA = ContactId("local:anna")
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def run(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The real command under the program's own options."""
    monkeypatch.setenv("SECONDME_REDIS_URL", redis_url)
    app = typer.Typer(pretty_exceptions_enable=False)
    app.callback()(options)
    app.add_typer(style.app, name="style")
    return lambda *words: CliRunner().invoke(app, list(words))


def written(setup: Setup, contact: ContactId | None, count: int, text: str, *, named: bool = False) -> None:
    async def add() -> None:
        async with Store(setup, Role.ATTACH) as store:
            messages = [OwnMessage(id=f"m{at}", at=START + timedelta(minutes=at), text=text) for at in range(count)]
            await StyleStore(store).add(contact, messages, named=named)

    asyncio.run(add())


@pytest.mark.usefixtures("door")
def test_a_style_is_shown_in_lines_and_as_numbers(run: Run, setup: Setup) -> None:
    written(setup, ANNA, 12, "hola \u202eZebedeo, voy 😂")
    text = run("style", "show", "local:anna")
    assert text.exit_code == 0
    assert text.stdout.startswith("From 12 messages of yours\n  Messages are brief: nearly all have about 20 characters.\n")
    assert "Greetings: hola." in text.stdout
    assert "Zebedeo" not in text.stdout
    envelope = json.loads(run("style", "show", "local:anna", "--json").stdout)
    assert (envelope["schema"], envelope["data"]["contact"]) == ("secondme.style.show/1", "local:anna")
    assert envelope["data"]["profile"]["sampleCount"] == 12
    assert envelope["data"]["description"] == [line.strip() for line in text.stdout.splitlines()[1:]]


@pytest.mark.usefixtures("door")
def test_a_contact_is_named_by_id_or_by_name_and_nobody_is_an_error(run: Run, setup: Setup) -> None:
    written(setup, ANNA, 12, "hola")
    elsewhere = ContactId("34600111222@c.us")  # an import may teach about somebody who was not let in
    written(setup, elsewhere, 12, "hola", named=True)
    for named, meant in (("Anna", ANNA), (ANNA, ANNA), (elsewhere, elsewhere)):
        envelope = json.loads(run("style", "show", named, "--json").stdout)
        assert (envelope["data"]["contact"], envelope["data"]["profile"]["sampleCount"]) == (meant, 12)
    nobody = run("style", "show", "Zoe", "--json")
    assert (nobody.exit_code, json.loads(nobody.stdout)["errors"][0]["code"]) == (65, "unknown_contact")


@pytest.mark.usefixtures("door")
def test_all_in_all_counts_every_contact_and_what_belongs_to_none(run: Run, setup: Setup) -> None:
    written(setup, ANNA, 6, "ok")
    written(setup, ContactId("local:rita"), 6, "fine")
    written(setup, None, 6, "sure")
    assert run("style", "show").stdout.startswith("From 18 messages of yours\n")


@pytest.mark.usefixtures("door")
def test_while_too_little_is_known_that_is_said(run: Run, setup: Setup) -> None:
    written(setup, ANNA, 9, "ok")
    for words in (("local:anna",), ()):
        result = run("style", "show", *words)
        assert (result.exit_code, result.stdout) == (0, "Not known yet: it takes 10 messages that you wrote yourself.\n")
        assert json.loads(run("style", "show", *words, "--json").stdout)["data"]["profile"] == {}
    assert run("style", "show", "!").exit_code == 65
