"""The palette (Ctrl+P): what waits, what can be done here and elsewhere, every page, and every look of the screen."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Provider

from secondme.cli.tui.layout import apart, say
from secondme.cli.tui.layout import shown_name as name_of
from secondme.cli.tui.nav import DIGITS, PAGES
from secondme.cli.tui.theme import FAINT, INK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from textual.content import Content

    from secondme.cli.tui.app import SecondmeApp

    Entry = tuple[str, str, Callable[[], Awaitable[object] | object]]
    """Words, the key that does the same, and what is done."""

ELSEWHERE = (
    ("Invite somebody", "i", "people", "invite"),
    ("Approve everybody who waits", "", "people", "approve_all"),
    ("Write to somebody as yourself", "w", "chats", "write"),
    ("New job: a ready-made one", "n", "jobs", "new"),
    ("New persona", "n", "voice", "new"),
    ("Link or unlink a channel", "c", "system", "connect"),
)
"""Words, key, page and action of what can be begun from anywhere."""
_WIDTH = 67
_WAITING = 6
"""More people and drafts that wait are found on their pages."""


class ScreenCommands(Provider):
    """Everything that the screen can do, most wanted first."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """Everything, before a letter is typed."""
        for words, key, run in self._entries():
            yield DiscoveryHit(self._line(say((words, INK)), key), run, text=words)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """What fits the letters."""
        matcher = self.matcher(query)
        for words, key, run in self._entries():
            if (score := matcher.match(words)) > 0:
                yield Hit(score, self._line(matcher.highlight(words), key), run, text=words)

    def _entries(self) -> Iterator[Entry]:
        app = cast("SecondmeApp", self.app)
        yield from self._waiting(app)
        for binding, run in app.shown_actions():
            yield (
                binding.tooltip or binding.description,
                binding.key_display or _KEYS.get(binding.key, binding.key.split(",")[0]),
                run,
            )
        for words, key, page, action in ELSEWHERE:
            yield words, key, partial(_elsewhere, app, page, action)
        yield "Rehearse: hear how much it sounds like you", "8 r", partial(app.action_page, "rehearsal")
        for page, title in PAGES.items():
            yield f"Go to {title}", DIGITS[page], partial(app.action_page, page)
        for theme in sorted(app.available_themes, key=lambda name: (name not in {"night", "paper"}, name)):
            yield f"Theme: {theme}", "", partial(app.choose_theme, theme)

    def _waiting(self, app: SecondmeApp) -> Iterator[Entry]:
        """Who waits, and which drafts."""
        if (snapshot := app.snapshot) is None:
            return
        for request in snapshot.listing.pending[:_WAITING]:
            who = name_of(request.display_name, request.contact_id)
            yield f"Decide about {who}", f"code {request.code}", partial(app.go_to, "people", request.contact_id)
        names = {each.contact_id: each.display_name for each in snapshot.listing.approved}
        for draft in (snapshot.drafts or [])[:_WAITING]:
            who = name_of(names.get(draft.contact_id), draft.contact_id)
            yield f"Decide about the draft to {who}", "draft", partial(app.go_to, "drafts", draft.id)

    def _line(self, words: Content, key: str) -> Content:
        return apart(words, say((key, FAINT)), min(_WIDTH, int(self.app.size.width * 0.92) - 5))


async def _elsewhere(app: SecondmeApp, page: str, action: str) -> None:
    await app.action_page(page)
    await app.run_action(action, app.page)


_KEYS = {"slash": "/", "space": "Space", "exclamation_mark": "!", "question_mark": "?", "escape": "Esc"}
