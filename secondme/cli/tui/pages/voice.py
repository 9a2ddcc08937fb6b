"""The page of voices: personas above; below, what was learnt of how the owner writes."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Static

from secondme.cli.tui.forms import Choice, FindDialog
from secondme.cli.tui.pages.page import Page, shown_name
from secondme.cli.tui.table import Column, Row
from secondme.cli.tui.widgets import BAD, QUIET, WARN
from secondme.core.errors import ConfigError
from secondme.core.format import counted
from secondme.core.ids import ContactId
from secondme.core.text import safe_name, safe_text
from secondme.services import persona_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from secondme.cli.tui.link import Actions, Snapshot
    from secondme.core.config.loader import Setup
    from secondme.core.records import ApprovedContact
    from secondme.core.remember.style import StyleProfile

_STYLE_MS = 15_000
"""A profile over all contacts is made from a thousand measures: not at every look."""
DEFAULT = "default"
"""The slot of what is used for everybody, in the store."""


@dataclass(frozen=True, slots=True)
class PersonaRow:
    """One persona file, sound or broken, or one that is chosen and not there. Its words are safe to show."""

    id: str
    words: str
    """Name, tone, language."""
    relationships: tuple[str, ...]
    problem: str = ""


class VoicePage(Page):
    """Personas, and the owner's style."""

    COLUMNS: ClassVar[Sequence[Column]] = (
        Column("Persona", 8, flexible=1, most=24),
        Column("For", 10, flexible=3, most=48),
        Column("Sounds", 10, flexible=3, from_width=60),
    )
    EMPTY: ClassVar[str] = "No personas yet: a plain default speaks. Make one: secondme persona new default"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "use", "Use for everybody"),
        Binding("slash", "find", "How you write to …"),
        Binding("escape", "all", "All in all", show=False),
    ]

    def __init__(self, desk: Actions, page_id: str) -> None:
        super().__init__(desk, page_id)
        self._style = Static()
        self._voices: dict[str, PersonaRow] | None = None
        self._used: dict[str, str] = {}
        self._contacts: dict[str, ApprovedContact] = {}
        self._chosen = ""
        """The contact whose style is shown; empty: over all."""
        self._told: tuple[str, int, Text] | None = None
        """Whose style was read, when, and what it says."""

    def compose(self) -> ComposeResult:
        """Personas above, style below."""
        yield from super().compose()
        yield VerticalScroll(self._style, classes="style")

    async def read(self, snapshot: Snapshot, now_ms: int) -> None:
        """The persona files as they are now, what was chosen, and the style."""
        self._contacts = {contact.contact_id: contact for contact in snapshot.listing.approved}
        self._used = await self.desk.link.services.persona_use.all()
        self._voices = {each.id: each for each in await asyncio.to_thread(_voices, self.desk.link.setup)}
        for slot, identity in self._used.items():
            if identity not in self._voices:
                gone = f"is chosen for {_told(slot)} and is not there: the built-in default speaks instead"
                self._voices[identity] = PersonaRow(identity, "", (), gone)
        chosen = self._chosen
        if self._told is None or self._told[0] != chosen or not 0 <= now_ms - self._told[1] < _STYLE_MS:
            styles = self.desk.link.services.style
            profile = await (styles.profile(ContactId(chosen)) if chosen else styles.overall())
            self._told = chosen, now_ms, self._style_text(chosen, profile)

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        """What was read."""
        del now
        if self._voices is None:
            self.put([], "Looking …")
            return
        served = Counter(contact.persona for contact in snapshot.listing.approved if contact.persona)
        used_for = _used_for(self._voices, self._used, self.desk.link.setup.settings.persona.file)
        self.put([self._row(voice, used_for[voice.id], served[voice.id]) for voice in self._voices.values()])
        if self._told is not None:
            self._style.update(self._told[2])

    def tick(self, now: datetime) -> None:
        """Nothing here runs down."""

    def detail_of(self, key: str) -> Text:
        """What is wrong with it, or the whole of what it sounds like."""
        voice = (self._voices or {})[key]
        text = Text(safe_name(key), style="bold")
        text.append(f"  {voice.problem or voice.words}", style=f"not bold {BAD if voice.problem else QUIET}")
        if voice.problem:
            text.append(f"\nMend it: secondme persona edit {safe_name(key)}", style="not bold")
        return text

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Enter, or a click on the row under the cursor."""
        event.stop()
        self.action_use()

    def action_all(self) -> None:
        """The style over all contacts is shown again."""
        self._chosen = ""
        self.desk.look_again()

    @work
    async def action_use(self) -> None:
        """This persona speaks to everybody for whom no other was chosen."""
        key = self.table.current
        if key is not None and self._used.get(DEFAULT) != key:
            await self.desk.decide(partial(self._use, key))

    @work
    async def action_find(self) -> None:
        """How the owner writes to one contact."""
        choice = await self.app.push_screen_wait(FindDialog("How you write to whom?", self._find))
        if choice is not None:
            self._chosen = choice
            self.desk.look_again()

    async def _use(self, key: str) -> str:
        persona = await asyncio.to_thread(persona_library(self.desk.link.setup).get, key)
        await self.desk.link.services.persona_use.set(DEFAULT, persona.id)
        return f"{safe_name(persona.id)} speaks to everybody else from now on."

    def _find(self, words: str) -> Iterator[Choice]:
        for key, contact in self._contacts.items():
            if contact.is_like(words):
                yield Choice(key, shown_name(contact.display_name, key), safe_name(key))

    def _row(self, voice: PersonaRow, used_for: list[str], contacts: int) -> Row:
        whom = [*used_for, *([counted(contacts, "contact")] if contacts else [])]
        return voice.id, (
            (safe_name(voice.id), "bold"),
            (voice.problem or ", ".join(whom) or "nobody", BAD if voice.problem else "" if whom else QUIET),
            (voice.words, QUIET),
        )

    def _style_text(self, chosen: str, profile: StyleProfile | None) -> Text:
        from secondme.core.remember.style import FEWEST, describe

        contact = self._contacts.get(chosen)
        whom = shown_name(contact.display_name if contact else "", chosen) if chosen else "all in all"
        text = Text(f"How you write {'to ' if chosen else ''}{whom}", style="bold")
        text.append("   Esc: all in all\n" if chosen else "   /: to one contact\n", style=f"not bold {QUIET}")
        if profile is None:
            text.append(f"Not known yet: it takes {FEWEST} messages that you wrote yourself.", style=f"not bold {WARN}")
            return text
        text.append(f"From {profile.sample_count} messages of yours\n", style=f"not bold {QUIET}")
        text.append(safe_text(describe(profile)), style="not bold")
        return text


def _voices(setup: Setup) -> list[PersonaRow]:
    """Every persona file, by id. One that cannot be read is a problem to show, not a lost store."""
    personas = persona_library(setup)
    try:
        sound, broken = personas.all(), personas.broken()
    except ConfigError as error:
        return [PersonaRow("personas", "", (), safe_text(error.message))]
    found = [
        PersonaRow(
            each.id,
            ", ".join(filter(None, (safe_name(each.name), safe_name(each.tone), safe_name(each.language)))),
            tuple(relationship.value for relationship in each.relationships),
        )
        for each in sound
    ]
    folder = f"{personas.directory}/"
    found += [PersonaRow(each.id, "", (), " ".join(safe_text(each.error.message.replace(folder, "")).split())) for each in broken]
    return sorted(found, key=lambda voice: voice.id)


def _used_for(voices: Mapping[str, PersonaRow], used: Mapping[str, str], default_file: str) -> dict[str, list[str]]:
    """Persona -> for whom it speaks: what the owner chose, then what the files say of themselves, the first that does."""
    found: dict[str, list[str]] = {identity: [] for identity in voices}
    taken = {_told(slot) for slot in used}
    for slot, identity in used.items():
        found[identity].append(_told(slot))
    for identity, voice in voices.items():
        for relationship in voice.relationships:
            word = relationship.replace("_", " ")
            if word not in taken:
                taken.add(word)
                found[identity].append(word)
    default = default_file.removesuffix(".md")
    if DEFAULT not in used and default in found:
        found[default].insert(0, _told(DEFAULT))
    return found


def _told(slot: str) -> str:
    """A slot in words."""
    return slot.partition(":")[2].replace("_", " ") or "everybody else"
