"""The page about troubles is what the doctor says."""

from fakes.kept import is_kept
from health.page import troubleshooting_page

from secondme.core.doctor.check import kinds


def test_the_page_is_of_today() -> None:
    assert is_kept("troubleshooting.md", troubleshooting_page())


def test_every_finding_has_its_heading() -> None:
    page = troubleshooting_page()
    assert [name for name in kinds() if f"\n### {name}\n" not in page] == []
    assert "{" not in page
