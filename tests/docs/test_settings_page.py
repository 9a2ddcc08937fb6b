"""The reference of the settings is what the program's own source says."""

from fakes.kept import is_kept
from fakes.settings_page import settings_page

from secondme.core.config.loader import known_names


def test_the_page_is_of_today() -> None:
    assert is_kept("reference/settings.md", settings_page())


def test_every_setting_is_on_it() -> None:
    page = settings_page()
    assert [name for name in known_names() if f"`{name}`" not in page] == []
