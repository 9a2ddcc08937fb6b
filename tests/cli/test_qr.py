"""A QR code at a terminal can be read by a camera, also in the smallest usual window."""

import secrets
import sys

import pytest
import zxingcpp
from fakes.picture_of import photograph, screen_of
from fakes.process import Terminal, environment

from secondme.cli.qr import dark_on_white, draw_qr

DRAW = """
import asyncio, sys
from secondme.cli.link_steps import draw
from secondme.cli.output import Screen
from secondme.core.channel_plugin import Linked, Say, ShowQr

async def steps():
    yield Say("On the phone: WhatsApp, Settings, Linked devices, Link a device.")
    for payload in sys.argv[1:]:
        yield ShowQr(payload, 20.0)
    await asyncio.to_thread(sys.stdin.readline)
    yield Linked("+49")

asyncio.run(draw(steps(), Screen(sys.stderr)))
"""


def payload() -> str:
    """As long as WhatsApp's: a reference and three keys, 237 characters."""
    key = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrs="[-44:]
    return f"2@{secrets.token_urlsafe(73)[:97]},{key},{secrets.token_urlsafe(33)[:44]},{key},1"


def read(written: bytes, columns: int, lines: int) -> list[str]:
    screen = screen_of(written, columns, lines)
    return [found.text for found in zxingcpp.read_barcodes(photograph(screen))]


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (80, 40), (200, 60)])
def test_a_code_drawn_in_a_terminal_is_read_back(columns: int, lines: int) -> None:
    first, second = payload(), payload()
    assert len(first) >= 230
    with Terminal([sys.executable, "-c", DRAW, first, second], size=(columns, lines)) as terminal:
        terminal.read_until("changes in 20 s")
        terminal.read_until("changes in 20 s")
        assert read(terminal.output.encode(), columns, lines) == [second]
        terminal.type("\n")
        assert terminal.ended() == 0
        assert terminal.output.rstrip().endswith("\x1b[?1049l")


def test_a_window_that_is_too_small_says_so_and_draws_nothing() -> None:
    assert draw_qr(payload(), 20, 10) == []
    with Terminal([sys.executable, "-c", DRAW, payload()], size=(40, 12)) as terminal:
        terminal.read_until("--phone")
        assert "█" not in terminal.output
        terminal.type("\n")
        assert terminal.ended() == 0


@pytest.mark.parametrize("length", [1, 20, 100, 237, 400, 900])
def test_every_form_says_the_same(length: int) -> None:
    text = "x" * length
    for columns, lines in ((300, 100), (300, 45), (80, 24)):
        drawn = draw_qr(text, columns, lines)
        if drawn:
            assert max(len(line) for line in drawn) < columns + 16
            assert len(drawn) <= lines
            assert read("\r\n".join(dark_on_white(drawn)).encode(), columns, lines) == [text]


def test_without_a_terminal_the_payload_is_a_line() -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", DRAW, "2@abc"], input="\n", capture_output=True, text=True, env=environment(), timeout=60, check=True
    )
    assert "qr 2@abc\n" in done.stderr
    assert "\x1b" not in done.stderr
