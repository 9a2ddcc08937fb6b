"""How voices are drawn: personas as rows, and as a sheet with how one speaks, for whom, and how the owner writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from secondme.cli.tui.layout import apart, column, facts, fit, heading, keys, lines, quote, say, wrapped
from secondme.cli.tui.theme import BAD, FAINT, INK, SOFT
from secondme.core.errors import ConfigError
from secondme.core.format import counted
from secondme.core.reply.persona import NEUTRAL
from secondme.core.reply.personas import DEFAULT
from secondme.core.text import safe_name, safe_text
from secondme.services import persona_library

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.core.config.loader import Setup
    from secondme.core.remember.style import StyleProfile
    from secondme.core.reply.persona import Persona

BUILT_IN = "."
"""The key of the built-in default; no file's name."""
_NAME = 20
_REHEARSE = "Does it sound like you? r rehearses it on your own past, and sends nothing."
_MOST_EXAMPLES = 10
_HANG = 2
"""Cells by which what goes on of a habit stands further in."""
_LONGEST = 4_000
"""Characters of how a persona speaks that are shown."""


@dataclass(frozen=True, slots=True)
class PersonaRow:
    """One persona file, sound or broken; one that is chosen and not there; or the built-in default."""

    id: str
    persona: Persona | None = None
    problem: str = ""
    """Safe to show."""
    is_there: bool = True
    """False when no file is, so nothing can be edited."""


class VoiceDrawing:
    """Every persona, as of the last look, and how the owner writes."""

    def __init__(self) -> None:
        self.voices: dict[str, PersonaRow] = {}
        self.used_for: Mapping[str, Sequence[str]] = {}
        self.served: Mapping[str, int] = {}
        """Persona -> for how many contacts it was chosen."""
        self.style: tuple[str, StyleProfile | None] | None = None
        """To whom (empty: all in all), and how; None until it was read."""

    def whom(self, voice: PersonaRow) -> str:
        """For whom it speaks."""
        contacts = self.served.get(voice.id, 0)
        found = [*self.used_for.get(voice.id, ()), *([counted(contacts, "contact")] if contacts else [])]
        return ", ".join(found) or "nobody"

    def row(self, key: str, width: int, *, tight: bool) -> Content:
        """One persona, in one line or in two."""
        if (voice := self.voices.get(key)) is None:
            return say("")
        name = say(("▲ ", BAD) if voice.problem else "  ", (called(voice), f"bold {INK}"))
        words = say((voice.problem, BAD) if voice.problem else (_sounds(voice.persona), SOFT))
        whom = say((self.whom(voice), FAINT))
        if tight:
            return apart(say(column(name, _NAME + 2), " ", words), whom, width)
        return lines(apart(name, whom, width), fit(say("  ", words), width))

    def sheet(self, key: str, width: int, hints: Sequence[Hint]) -> Content:
        """What is wrong with it, how it speaks, the keys, and how the owner writes."""
        if (voice := self.voices.get(key)) is None:
            return say("")
        drawn: list[Content] = []
        if voice.problem:
            drawn += [*wrapped(voice.problem, width, BAD), *([say(("e mends it.", SOFT))] if voice.is_there else []), say("")]
        drawn += facts([*_known(voice.persona), ("Speaks to", self.whom(voice))], width)
        if voice.persona is not None:
            drawn += [say(""), heading("How it speaks"), *wrapped(safe_text(voice.persona.style_guide[:_LONGEST]), width)]
            examples = [quote(safe_text(each), width) for each in voice.persona.examples[:_MOST_EXAMPLES]]
            drawn += [say(""), heading("Examples"), *[line for each in examples for line in each]] if examples else []
        drawn += [say(""), keys(hint for hint in hints if hint[0] in {"u", "e", "t"}), say(""), *self._style_lines(width)]
        drawn += [say(""), *wrapped(_REHEARSE, width, FAINT)]
        return lines(*drawn)

    def _style_lines(self, width: int) -> list[Content]:
        from secondme.core.remember.style import FEWEST, describe

        if self.style is None:
            return [heading("How you write"), say(("Looking …", SOFT))]
        whom, profile = self.style
        head = (
            heading(f"How you write to {whom}", "Esc: all in all")
            if whom
            else heading("How you write, all in all", "/: to one contact")
        )
        if profile is None:
            return [head, *wrapped(f"Not known yet: it takes {FEWEST} messages that you wrote yourself.", width, SOFT)]
        count = say((f"From {counted(profile.sample_count, 'message')} of yours", FAINT))
        habits = safe_text(describe(profile)).split("\n")
        return [head, count, *[row for habit in habits for row in wrapped(habit, width - _HANG, more=" " * _HANG)]]


def called(voice: PersonaRow) -> str:
    """What a persona is called: its file's name."""
    return "built-in default" if voice.id == BUILT_IN else safe_name(voice.id)


def _sounds(persona: Persona | None) -> str:
    if persona is None:
        return ""
    return ", ".join(filter(None, map(safe_name, (persona.name, persona.tone, persona.language))))


def _known(persona: Persona | None) -> list[tuple[str, str]]:
    if persona is None:
        return []
    meant = ", ".join(each.value.replace("_", " ") for each in persona.relationships)
    return [
        ("Name", safe_name(persona.name)),
        ("Tone", safe_text(persona.tone) or "as it comes"),
        ("Language", safe_name(persona.language) or "theirs"),
        *([("Meant for", meant)] if meant else []),
    ]


def all_voices(setup: Setup, used: Mapping[str, str]) -> tuple[dict[str, PersonaRow], dict[str, list[str]]]:
    """Every persona by id, and for whom each speaks. A file that cannot be read is a problem to show, not a lost store."""
    personas = persona_library(setup)
    found: list[PersonaRow] = []
    try:
        found += [PersonaRow(each.id, each) for each in personas.all()]
        found += [PersonaRow(each.id, problem=_problem(each.error, f"{personas.directory}/")) for each in personas.broken()]
    except ConfigError as error:
        found.append(PersonaRow("personas", problem=_problem(error, ""), is_there=False))
    voices = {each.id: each for each in sorted(found, key=lambda voice: voice.id)}
    for slot, identity in used.items():
        if identity not in voices:
            gone = f"is chosen for {told(slot)} and is not there: the built-in default speaks instead"
            voices[identity] = PersonaRow(identity, problem=gone, is_there=False)
    used_for = _used_for(voices, used, setup.settings.persona.file)
    if not any(told(DEFAULT) in whom for whom in used_for.values()):
        voices[BUILT_IN] = PersonaRow(BUILT_IN, NEUTRAL, is_there=False)
        used_for[BUILT_IN] = [told(DEFAULT)]
    return voices, used_for


def _problem(error: ConfigError, folder: str) -> str:
    return " ".join(safe_text(error.message.replace(folder, "") if folder else error.message).split())


def _used_for(voices: Mapping[str, PersonaRow], used: Mapping[str, str], default_file: str) -> dict[str, list[str]]:
    """Persona -> for whom it speaks: what the owner chose, then what the files say of themselves, the first that does."""
    found: dict[str, list[str]] = {identity: [] for identity in voices}
    taken = {told(slot) for slot in used}
    for slot, identity in used.items():
        found[identity].append(told(slot))
    for identity, voice in voices.items():
        for relationship in voice.persona.relationships if voice.persona is not None else ():
            word = relationship.value.replace("_", " ")
            if word not in taken:
                taken.add(word)
                found[identity].append(word)
    default = default_file.removesuffix(".md")
    if DEFAULT not in used and default in found:
        found[default].insert(0, told(DEFAULT))
    return found


def told(slot: str) -> str:
    """A slot in words."""
    return slot.partition(":")[2].replace("_", " ") or "everybody else"
