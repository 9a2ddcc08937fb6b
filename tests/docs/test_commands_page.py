"""The reference of the commands is what the program says of itself."""

from fakes.commands_page import commands_page, leaves
from fakes.kept import is_kept


def test_the_page_is_of_today() -> None:
    assert is_kept("reference/commands.md", commands_page())


def test_every_command_is_on_it() -> None:
    page = commands_page()
    names = [path for path, _ in leaves()]
    assert len(names) > 50
    assert [name for name in names if f"# secondme {name}\n" not in page] == []
