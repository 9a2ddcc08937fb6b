"""What the phone page is made of: its colours, its files, the addresses that a tunnel may have."""

import re
from itertools import product
from pathlib import Path

import pytest

import secondme.cli.tui.web
from secondme.cli.tui.web.origins import named_site, own_site
from secondme.core.errors import ConfigError

FOLDER = Path(secondme.cli.tui.web.__file__).parent / "phone"
TEXT = 4.5
"""What WCAG 2.2 (1.4.3) asks of text, and what this page asks of every pair of a word and its field."""
GROUNDS = ("ground", "sheet", "raised")
WORDS = ("ink", "soft", "faint", "accent", "clone", "good", "waits", "bad", "guard")
FIELDS = [
    ("waits", "waits-field"),
    ("good", "good-field"),
    ("bad", "bad-field"),
    ("guard", "guard-field"),
    ("soft", "quiet-field"),
    ("on-accent", "accent"),
]


def tokens(part: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_every_word_can_be_read_on_every_field_by_night_and_on_paper() -> None:
    night, _, rest = (FOLDER / "phone.css").read_text().partition("@media (prefers-color-scheme: light)")
    paper = rest.partition("@media (prefers-contrast")[0]
    schemes = {"night": tokens(night), "paper": tokens(paper)}
    assert schemes["night"].keys() == schemes["paper"].keys()
    pairs = [*product(WORDS, GROUNDS), *FIELDS]
    ratios = {(name, *pair): contrast(found[pair[0]], found[pair[1]]) for name, found in schemes.items() for pair in pairs}
    print({"lowest": min(ratios.items(), key=lambda each: each[1])})
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < TEXT} == {}


def test_colours_are_named_in_one_place_and_words_become_text_and_nothing_else() -> None:
    style = (FOLDER / "phone.css").read_text()
    rules = style.partition("* { box-sizing")[2]
    assert re.findall(r"#[0-9a-fA-F]{6}\b", rules) == []
    used = set(re.findall(r"var\(--([a-z-]+)\)", style))
    assert used <= tokens(style).keys()
    scripts = "".join(file.read_text() for file in FOLDER.glob("*.js"))
    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|setHTML|https?://", scripts) == []
    )
    page = (FOLDER / "index.html").read_text()
    assert re.findall(r"\son\w+=|style=|<style|<script>|https?://", page) == []
    assert re.findall(r"(?:src|href)=\"([^\"]+)\"", page) == ["icon.svg", "phone.css", "phone.js"]


@pytest.mark.parametrize(
    ("address", "host", "origin"),
    [
        ("https://clone.tailnet.ts.net", "clone.tailnet.ts.net", "https://clone.tailnet.ts.net"),
        ("https://Clone.Example/", "clone.example", "https://clone.example"),
        ("https://clone.example:443", "clone.example", "https://clone.example"),
        ("https://clone.example:8443/", "clone.example:8443", "https://clone.example:8443"),
        ("http://localhost:9000", "localhost:9000", "http://localhost:9000"),
        ("http://127.0.0.1:80", "127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:9000", "[::1]:9000", "http://[::1]:9000"),
        ("https://xn--mller-kva.example", "xn--mller-kva.example", "https://xn--mller-kva.example"),
    ],
)
def test_the_address_of_a_tunnel_is_read_as_browsers_write_it(address: str, host: str, origin: str) -> None:
    site = named_site(address)
    assert (site.host, site.origin, site.is_secure) == (host, origin, origin.startswith("https"))
    assert site.websocket == origin.replace("http", "ws", 1)


@pytest.mark.parametrize(
    "address",
    ["clone.example", "http://clone.example", "http://192.168.1.5:80", "https://", "https://a b", "https://user@clone.example", "https://clone.example/path",
     "https://clone.example?x", "https://clone.example#x", "https://clone.example:0", "https://clone.example:70000", "https://*.example", "https://clone..example",
     "ftp://clone.example", "https://clone.example\r\nX: y", "https://müller.example", "https://" + "a." * 130 + "example", "https://-a.example", "null", "javascript:1"],
)  # fmt: skip
def test_what_is_no_address_of_a_tunnel_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        named_site(address)


def test_the_own_address_is_what_a_browser_will_say_back() -> None:
    assert [own_site(port).origin for port in (80, 443, 8899)] == [
        "http://127.0.0.1",
        "http://127.0.0.1:443",
        "http://127.0.0.1:8899",
    ]
