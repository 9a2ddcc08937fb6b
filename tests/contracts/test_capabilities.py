"""What every capability promises, those there are and those to come: found by scanning, so that nobody has to remember it.

What is kept of a contact is erased with it, has a lifetime and is in a backup; a call of a model is charged; the kill switch stops what leaves.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.town import Town

import secondme
from secondme.core.backup.store import is_ours
from secondme.core.ids import ContactId
from secondme.core.store import keys
from secondme.core.store.scripts import names, script

PACKAGE = Path(secondme.__file__).parent
FUNCTIONS = dict(inspect.getmembers(keys, inspect.isfunction))
OF_A_CONTACT = {name: make for name, make in FUNCTIONS.items() if list(inspect.signature(make).parameters) == ["contact"]}
LIFETIME = re.compile(r"until|as long as|popped|deleted|leaves|newest|window|days?\b|\bh\b|\bmin\b|step of")
"""How the register says when a key goes."""


def test_what_is_kept_of_a_contact_is_erased_with_it() -> None:
    assert set(OF_A_CONTACT) == {make.__name__ for make in keys.OF_A_CONTACT} | {"mailbox"}  # which the script deletes by its name


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_what_is_kept_has_a_lifetime_and_is_in_a_backup(name: str) -> None:
    assert LIFETIME.search(FUNCTIONS[name].__doc__ or "")
    assert is_ours(FUNCTIONS[name]("local:anna").encode())


async def test_a_conversation_leaves_no_key_without_an_end_but_what_the_owner_ends(town: Town) -> None:
    await town.let_in("anna")
    await town.writes("anna", "how are you?")
    await town.work()
    await town.deliver()
    await town.writes("anna", "I am in Lisbon", from_me=True)
    town.learner.spoke(ContactId("local:anna"))
    left = [key for key in await town.raw_keys("*local:anna*") if await town.store.client.pttl(key) < 0]
    assert left == ["PAIRING:approved:local:anna"]
    assert len(await town.services.contacts.forget("local:anna")) == 1
    assert await town.raw_keys("*local:anna*") == []


def test_every_call_of_a_model_is_charged() -> None:
    assert callers("compose", "prompt") == {"core/reply/budget.py"}


def test_what_leaves_passes_the_sender() -> None:
    assert callers("send", "MessageContent") == {"core/send/sender.py"}


@pytest.mark.parametrize("name", names())
def test_a_script_that_gives_something_to_send_asks_for_the_kill_switch(name: str) -> None:
    if "return { 'send'" in script(name).text:
        assert keys.PAUSE_ALL in script(name).keys(contact="local:anna", channel="local")


def test_one_script_gives_something_to_send() -> None:
    assert [name for name in names() if "return { 'send'" in script(name).text] == ["take"]


def callers(method: str, argument: str) -> set[str]:
    """The modules in which `method` of something else is awaited with an argument that says `argument`."""
    return {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if any(calls(path, method, argument))}


def calls(path: Path, method: str, argument: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            yield from [node] * any(argument in ast.unparse(each) for each in node.args)
