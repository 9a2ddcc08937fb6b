"""The wizard on a terminal of its own, answered as a person does: reads a question, types, presses Enter."""

import asyncio
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from fakes.messages_api import MessagesApi, messages_api
from fakes.process import Terminal

DOWN, ENTER, CTRL_C, CTRL_D, WIPE = "\x1b[B", "\r", "\x03", "\x04", "\x15"
BACK = "<"
GOOD_KEY = "sk-good"
QUESTIONS = {
    "way": ("How much do you want to be asked\\?", DOWN),
    "provider": ("Who writes the replies\\?", DOWN),
    "base_url": ("Its address:", "{url}"),
    "api_key": ("Its key", GOOD_KEY),
    "model": ("Which one writes as you\\?", ""),
    "store": ("Where should everything be kept\\?", ""),
    "persona_name": ("What do people call you\\?", "Sam"),
    "tone": ("How do you write", ""),
    "language": ("In which language\\?", ""),
    "about": ("What should it always do", ""),
    "import": ("A chat exported", ""),
    "hearing": ("Shall it understand voice messages\\?", ""),
    "speech": ("May it answer voice messages by voice\\?", ""),
    "pairing_mode": ("Who approves people\\?", ""),
    "prompt": ("What does a stranger get\\?", ""),
    "timezone": ("Your time zone, or a city in it:", WIPE + "Europe/Madrid"),
    "sleep": ("When do you sleep\\?", WIPE + "off"),
    "channels": ("Where do people write to you\\?", ""),
    "digest": ("A note in your own chat", "n"),
    "start": ("Start it now\\?", "n"),
    "write": ("Write this\\?", ""),
}
"""Every question of a first run in its order: what is read, and what is typed before Enter."""
AT_ONCE = {"service", "digest", "start"}
"""Questions that take one key and no Enter."""


class Wizard(Terminal):
    """`secondme onboard` at a terminal."""

    def __init__(self, home: Path, url: str, *words: str, before: tuple[str, ...] = (), **env: str) -> None:
        command = [sys.executable, "-m", "secondme", "--home", str(home), *before, "onboard", *words]
        super().__init__(command, size=(110, 50), **{"PROMPT_TOOLKIT_NO_CPR": "1", "PATH": _PATH, **env})
        self._url = url

    def __enter__(self) -> Self:
        return self

    def asks(self, name: str) -> None:
        """The question is on the screen."""
        self.read_until(QUESTIONS[name][0])

    def answer(self, name: str, typed: str | None = None) -> None:
        """The question was read and answered, as usual or with `typed`."""
        self.asks(name)
        self.give(name, typed)

    def give(self, name: str, typed: str | None = None) -> None:
        """As `answer`, to a question that was read already."""
        usual = QUESTIONS[name][1].replace("{url}", self._url)
        self.type((usual if typed is None else typed) + ("" if name in AT_ONCE else ENTER))

    def answer_all(self, *, until: str = "", since: str = "") -> None:
        """Every question from `since` (else the first) up to `until` (else the last) is answered as usual."""
        names = list(QUESTIONS)
        for name in names[names.index(since) if since else 0 : names.index(until) if until else len(names)]:
            self.answer(name)


_PATH = ":".join(str(Path(place)) for place in (Path(sys.executable).parent, "/usr/bin", "/bin"))
"""Without Docker, wherever the machine keeps it."""


def plain(output: str) -> str:
    """What was shown, without the terminal's own commands."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r", "", output)


@contextmanager
def model_server() -> Iterator[MessagesApi]:
    """The Messages API in a thread of its own, for tests that are no coroutines."""
    ready, box = threading.Event(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def live() -> None:
        async with messages_api() as api:
            api.models = ["claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5"]
            api.keys = {GOOD_KEY, "none"}
            box.append(api)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield box[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
