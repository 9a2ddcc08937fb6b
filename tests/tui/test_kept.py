"""What contacts sent, opened from the screen: by the desktop's own program, and never where the owner does not sit."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.process import eventually
from fakes.screen import Screen, shown
from fakes.town import Town
from textual.drivers.headless_driver import HeadlessDriver
from textual.widgets import OptionList

from secondme.core.ids import ContactId
from secondme.core.records import Turn
from secondme.core.store import keys

ANNA = ContactId("local:anna")
OpenScreen = Callable[..., Any]
OPENER = "open" if sys.platform == "darwin" else "xdg-open"
PROGRAM = """#!{python}
import json, os, sys
said = {{"words": sys.argv[1:], "input": sys.stdin.read(), "leads": os.getsid(0) == os.getpid(),
         "secrets": [name for name in os.environ if name.startswith("SECONDME_")]}}
with open({told!r} + ".new", "w") as file:
    json.dump(said, file)
os.rename({told!r} + ".new", {told!r})
print("not on the screen")
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the desktop's opener writes what it was asked to open, and how."""
    programs, told = tmp_path / "programs", tmp_path / "opened.json"
    programs.mkdir()
    program = programs / OPENER
    program.write_text(PROGRAM.format(python=sys.executable, told=str(told)))
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("SECONDME_SPEECH__API_KEY", "secret")
    return told


def asked(opened: Path) -> dict[str, Any] | None:
    """What the opener was asked; None when nothing was opened."""
    return json.loads(opened.read_text()) if opened.exists() else None


async def sent(town: Town, name: str, line: str, mime: str, *more: str, minutes: int = 1) -> list[Path]:
    """Anna sent these attachments some minutes ago, and they are kept; the files."""
    now = await town.control.now_ms()
    lines = (line, *more)
    turn = Turn(id=name, role="user", content="\n".join(lines), timestamp=now - minutes * 60_000, type="incoming", media=len(lines))  # type: ignore[arg-type]  # a moment is written as a number
    await town.store.client.zadd(keys.history(ANNA), {turn.encode(): now - minutes * 60_000})
    for number in range(len(lines)):
        town.services.shelf.keep(ANNA, name, number, b"sound", mime, now_ms=now)
    return [each.path for each in town.services.shelf.kept(ANNA, [name])]


async def press_open(on: Screen) -> None:
    await on.press("2")
    await on.at("chats", ANNA)
    await on.press("F")


async def test_the_one_recording_that_is_kept_opens_in_a_program_of_its_own(town: Town, screen: OpenScreen, opened: Path) -> None:
    await town.let_in("anna")
    (path,) = await sent(town, "m1", '[voice message, 12 s: "see you at six"]', "audio/ogg")
    async with screen(size=(140, 30)) as on:
        await press_open(on)
        assert str(path) in (await on.said("Opening")).replace(" ", "")
        await eventually(lambda: asked(opened))
    assert asked(opened) == {"words": [str(path)], "input": "", "leads": True, "secrets": []}


async def test_of_several_the_owner_chooses_and_the_newest_is_the_first(town: Town, screen: OpenScreen, opened: Path) -> None:
    await town.let_in("anna")
    (old,) = await sent(town, "m1", '[voice message, 12 s: "see you at six"]', "audio/ogg", minutes=9)
    await sent(town, "m2", '[photo: "A red car."]', "image/jpeg", '[photo: "A \x1b[31mdog."]')
    async with screen(size=(140, 30)) as on:
        await press_open(on)
        await on.dialog("ChoiceDialog")
        options = on.app.screen.query_one(OptionList)
        lines = [str(options.get_option_at_index(at).prompt) for at in range(options.option_count)]
        assert [line.split(maxsplit=2)[2].strip() for line in lines] == ["🖼 A red car.", "🖼 A [31mdog.", '🎤 12 s "see you at six"']
        await on.press("escape")
        await on.closed()
        await on.press("F")
        await on.dialog("ChoiceDialog")
        await on.press("end", "enter")
        await on.said("Opening")
        await eventually(lambda: asked(opened))
    assert (asked(opened) or {})["words"] == [str(old)]


@pytest.mark.parametrize("why", ["no opener", "it does not start", "in a browser", "of a kind without a name"])
async def test_what_cannot_be_opened_is_named(
    town: Town, screen: OpenScreen, opened: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    await town.let_in("anna")
    mime = "application/x-desktop" if why == "of a kind without a name" else "audio/ogg"
    (path,) = await sent(town, "m1", '[voice message, 12 s: "see you at six"]', mime)
    program = opened.parent / "programs" / OPENER
    if why == "no opener":
        program.unlink()
    elif why == "it does not start":
        program.write_text("#!/nowhere\n")
    async with screen(size=(140, 30)) as on:
        if why == "in a browser":
            monkeypatch.setattr(HeadlessDriver, "is_web", property(lambda _: True))
        await press_open(on)
        assert str(path) in (await on.said("It is kept here")).replace(" ", "")
    assert asked(opened) is None


async def test_the_palette_says_in_words_what_is_opened(town: Town, screen: OpenScreen) -> None:
    await town.let_in("anna")
    async with screen(size=(140, 30)) as on:
        await on.press("2")
        await on.at("chats", ANNA)
        await on.press("ctrl+p")
        await on.write("they sent")
        await on.until(lambda: re.search("Open what they sent +F", shown(on)))


async def test_when_nothing_is_kept_that_is_said(town: Town, screen: OpenScreen, opened: Path) -> None:
    await town.let_in("anna")
    await sent(town, "m1", '[voice message, 12 s: "see you at six"]', "audio/ogg")
    town.services.shelf.forget(ANNA)
    await town.writes("anna", "only words")
    async with screen(size=(140, 30)) as on:
        await press_open(on)
        await on.said("Nothing that was sent here is kept")
    assert asked(opened) is None
