"""The page of voices: personas, made, edited, tried and chosen; and what was learnt of how the owner writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from secondme.cli.tui.editor import TextDialog, ask_until_kept
from secondme.cli.tui.forms import Choice, FindDialog
from secondme.cli.tui.layout import READ_WIDTH, lines, say, shown_name, wrapped
from secondme.cli.tui.pages.page import LOOKING, ListPage
from secondme.cli.tui.pages.voice_rows import BUILT_IN, VoiceDrawing, all_voices, called, told
from secondme.cli.tui.questions import asks
from secondme.cli.tui.sheets import LineDialog, SheetDialog
from secondme.cli.tui.theme import BAD, FAINT
from secondme.core.errors import DataError
from secondme.core.ids import ContactId
from secondme.core.reply.persona import DEFAULT_STYLE
from secondme.core.reply.personas import DEFAULT
from secondme.core.text import safe_name, safe_text
from secondme.services import persona_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.cli.tui.pages.voice_rows import PersonaRow
    from secondme.core.records import ApprovedContact
    from secondme.core.reply.owner_turn import OwnerAnswer
    from secondme.core.reply.personas import PersonaLibrary

_STYLE_MS = 15_000
"""A profile over all contacts is made from a thousand measures: not at every look."""
_FRAME = 56


class VoicePage(ListPage):
    """Personas, and the owner's style."""

    TITLE: ClassVar[str] = "Personas"
    EMPTY: ClassVar[str] = "No personas yet: a plain default speaks.\n\nn makes one; r rehearses how it sounds."
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "use", "Use the persona for everybody else", show=False),
        Binding("t", "try_it", "Try the persona: what it would answer", show=False),
        Binding("e", "edit", "Edit the persona", show=False),
        Binding("n", "new", "New persona", show=False),
        Binding("r", "run", "Rehearse: how much it sounds like you", show=False),
        Binding("slash", "search", "How you write to one contact", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        self._drawing = VoiceDrawing()
        super().__init__(desk, page_id)
        self._is_read = False
        self._used: dict[str, str] = {}
        self._contacts: dict[str, ApprovedContact] = {}
        self._chosen = ""
        """The contact whose style is shown; empty: over all."""
        self._told: tuple[str, int] | None = None
        """Whose style was read, and when."""

    # What is shown

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """The persona files as they are now, what was chosen, and the style."""
        services, drawing = self.desk.link.services, self._drawing
        self._contacts = {contact.contact_id: contact for contact in snapshot.listing.approved}
        self._used = await services.persona_use.all()
        drawing.voices, drawing.used_for = await asyncio.to_thread(all_voices, self.desk.link.setup, self._used)
        drawing.served = Counter(contact.persona for contact in snapshot.listing.approved if contact.persona)
        chosen = self._chosen
        if self._told is None or self._told[0] != chosen or not 0 <= now_ms - self._told[1] < _STYLE_MS:
            profile = await (services.style.profile(ContactId(chosen)) if chosen else services.style.overall())
            contact = self._contacts.get(chosen)
            drawing.style = shown_name(contact.display_name if contact else "", chosen) if chosen else "", profile
            self._told = chosen, now_ms
        self._is_read = True

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del snapshot
        self.now = now
        if self._is_read:
            voices = self._drawing.voices
            self.put(list(voices), count=str(sum(voice.is_there for voice in voices.values()) or ""))
        else:
            self.put([], LOOKING)

    def tick(self, now: datetime) -> None:
        """Nothing here runs down."""
        self.now = now

    def draw_row(self, key: str, width: int, tight: bool) -> Content:  # noqa: FBT001  as rows ask
        """What it is called, how it sounds, for whom it speaks."""
        return self._drawing.row(key, width, tight=tight)

    def draw_sheet(self, key: str, width: int) -> Content:
        """How it speaks, and how the owner writes."""
        return self._drawing.sheet(key, min(READ_WIDTH, width), self.row_hints(key))

    def title_of(self, key: str) -> tuple[str, str]:
        """What the persona is called."""
        voice = self._drawing.voices.get(key)
        return ("", "") if voice is None else (called(voice), f"{safe_name(voice.id)}.md" if voice.is_there else "")

    def row_hints(self, key: str | None) -> Sequence[Hint]:
        """What can be done with this persona."""
        voice = self._drawing.voices.get(key or "")
        found: list[Hint] = []
        if voice is not None and voice.is_there:
            if not voice.problem and told(DEFAULT) not in self._drawing.used_for.get(voice.id, ()):
                found.append(("u", "Use for everybody else"))
            found.append(("e", "Edit"))
        if voice is not None and not voice.problem:
            found.append(("t", "Try"))
        return [*found, ("n", "New"), ("r", "Rehearse"), ("/", "How you write to …")]

    def back(self) -> bool:
        """From the sheet to the list; from one contact's style to the one over all."""
        if not self.has_class("-open") and self._chosen:
            self._chosen = ""
            self.desk.look_again()
            return True
        return super().back()

    def _current(self) -> PersonaRow | None:
        return self._drawing.voices.get(self.rows.current or "")

    # What the owner does

    @asks
    async def action_use(self) -> None:
        """This persona speaks to everybody for whom no other was chosen."""
        voice = self._current()
        if voice is not None and voice.id != BUILT_IN and self._used.get(DEFAULT) != voice.id:
            await self.desk.decide(partial(self._use, voice.id))

    async def action_run(self) -> None:
        """The page of rehearsals. Nothing is begun by it."""
        await self.desk.go_to_page("rehearsal")

    def action_search(self) -> None:
        """How the owner writes to one contact."""
        self._choose()

    @asks
    async def _choose(self) -> None:
        choice = await self.app.push_screen_wait(FindDialog("How you write to whom?", self._find))
        if choice is not None:
            self._chosen = choice
            self.desk.look_again()

    @asks
    async def action_new(self) -> None:
        """A new persona is made, and opened."""
        made: list[str] = []

        async def create(name: str) -> str:
            made.append(await asyncio.to_thread(_create, self._library(), name))
            return f"{safe_name(made[-1])} is there. What it says counts once somebody is answered by it."

        if await ask_until_kept(self, lambda typed: LineDialog("What is the new persona called?", "make it", typed), "", create):
            self.reveal(made[-1])
            await self._edit(made[-1])

    @asks
    async def action_edit(self) -> None:
        """The persona's file, to read and change."""
        voice = self._current()
        if voice is not None and voice.id == BUILT_IN:
            self.app.notify("The built-in default has no file. n makes a persona.", markup=False)
        elif voice is not None:
            await self._edit(voice.id)

    @asks
    async def action_try_it(self) -> None:
        """What the persona would answer to a message. Nobody is sent anything."""
        voice = self._current()
        if voice is None:
            return
        if voice.problem:
            self.app.notify(f"{called(voice)} cannot speak: {voice.problem}", severity="warning", markup=False)
            return
        title, typed = f"What does somebody write to {called(voice)}?", ""
        while words := await self.app.push_screen_wait(LineDialog(title, "ask", typed)):
            self.app.notify("The model is asked. Nobody is sent anything.", markup=False)
            answer = await self.desk.fetch(partial(self._ask, voice, words))
            if answer is not None:
                await self.app.push_screen_wait(SheetDialog(f"{called(voice)} would answer", _answered(words, answer), {}))
                return
            typed = words

    async def _edit(self, identity: str) -> None:
        """Asked until it is kept or given up: what was typed is not lost because it is wrong, or could not be written."""
        personas, name = self._library(), safe_name(identity)
        before = await self.desk.fetch(partial(_text_of, personas, identity))
        typed = before
        while before is not None and typed is not None:
            dialog = TextDialog(f"{name}.md", typed, before, partial(personas.fault_in, identity))
            written = await self.app.push_screen_wait(dialog)
            if written is None or await self.desk.decide(partial(self._write, personas, identity, written, before)):
                return
            typed, before = written, await self.desk.fetch(partial(_text_of, personas, identity))

    async def _write(self, personas: PersonaLibrary, identity: str, text: str, before: str) -> str:
        await asyncio.to_thread(personas.rewrite, identity, text, before=before)
        return f"{safe_name(identity)} is fine and counts from now on."

    async def _use(self, key: str) -> str:
        persona = await asyncio.to_thread(self._library().get, key)
        await self.desk.link.services.persona_use.set(DEFAULT, persona.id)
        return f"{safe_name(persona.id)} speaks to everybody else from now on."

    async def _ask(self, voice: PersonaRow, words: str) -> OwnerAnswer:
        async with self.desk.link.services.asking_claude() as clone:
            return await clone.try_voice(words, persona=None if voice.id == BUILT_IN else voice.id)

    def _find(self, words: str) -> Iterator[Choice]:
        for key, contact in self._contacts.items():
            if contact.is_like(words):
                yield Choice(key, shown_name(contact.display_name, key), safe_name(key))

    def _library(self) -> PersonaLibrary:
        return persona_library(self.desk.link.setup)


def _create(personas: PersonaLibrary, name: str) -> str:
    """The id of a new persona, whose file is there. Raises ConfigError."""
    return personas.create(name, {"name": name}, (), DEFAULT_STYLE).stem


async def _text_of(personas: PersonaLibrary, identity: str) -> str:
    """What the persona's file says. Raises DataError for one with signs that would be lost here."""
    text = await asyncio.to_thread(personas.text_of, identity)
    if safe_text(text) != text:
        raise DataError(
            "hidden_signs",
            f"{safe_name(identity)}.md has signs that cannot be shown.",
            f"secondme persona edit {safe_name(identity)}",
        )
    return text


def _answered(words: str, answer: OwnerAnswer) -> Content:
    drawn = [*wrapped(safe_text(words), _FRAME, lead=say(("│ ", FAINT))), say(""), *wrapped(safe_text(answer.text), _FRAME)]
    if answer.fault:
        drawn += [
            say(""),
            *wrapped(f"The checks would hold this for you: {safe_name(answer.fault.replace('_', ' '))}.", _FRAME, BAD),
        ]
    return lines(*drawn)
