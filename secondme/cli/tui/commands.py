"""The palette (Ctrl+P): every page, and what can be done on the one that is shown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Provider
from textual.content import Content

from secondme.cli.tui.widgets import KEYS, PAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from secondme.cli.tui.app import SecondmeApp

    Entry = tuple[str, str, Callable[[], Awaitable[object] | object]]


class ScreenCommands(Provider):
    """Pages in the order of their keys, then the actions of the shown page, then those that count everywhere."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """Everything, before a letter is typed."""
        for words, key, run in self._entries():
            yield DiscoveryHit(_line(Content(words), key), run, text=words)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """What fits the letters."""
        matcher = self.matcher(query)
        for words, key, run in self._entries():
            if (score := matcher.match(words)) > 0:
                yield Hit(score, _line(matcher.highlight(words), key), run, text=words)

    def _entries(self) -> Iterator[Entry]:
        app = cast("SecondmeApp", self.app)
        for page, title in PAGES.items():
            yield f"Go to {title}", KEYS.get(page, ""), partial(app.action_page, page)
        for binding, run in app.shown_actions():
            yield binding.tooltip or binding.description, binding.key_display or binding.key, run


def _line(words: Content, key: str) -> Content:
    return Content.assemble(words, f"  {key}" if key else "")
