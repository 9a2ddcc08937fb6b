"""The voice in which a contact is answered: persona, relationship, style and the owner's own words to them, read at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from secondme.core.errors import ConfigError
from secondme.core.log import get_logger
from secondme.core.remember.style import StyleProfile, describe, examples_for
from secondme.core.reply.personas import PersonaLibrary, choose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secondme.core.enums import Relationship
    from secondme.core.ports import Clock
    from secondme.core.records import ApprovedContact, OwnMessage
    from secondme.core.reply.persona import Persona
    from secondme.core.reply.store import ReplyContext

log = get_logger(__name__)

_OVERALL_S = 60.0
_SPLITS_FROM = 1.6
"""Messages to an answer from which on somebody is one who sends several short ones."""


@dataclass(frozen=True, slots=True)
class Voice:
    """How the owner speaks to one contact."""

    persona: Persona
    relationship: Relationship | None
    """None while nothing is known."""
    profile: StyleProfile | None
    own: Sequence[OwnMessage]

    @property
    def style(self) -> str:
        """The profile in plain lines; empty without one."""
        if self.profile is None:
            return ""
        return describe(self.profile) + ("\nPut each message of a split answer on a line of its own." if self.splits else "")

    @property
    def splits(self) -> bool:
        """True when the owner sends several short messages instead of a long one."""
        return self.profile is not None and self.profile.messages_per_answer >= _SPLITS_FROM

    def examples(self, words: str) -> list[tuple[str, str]]:
        """What the contact once wrote that is most like `words`, and what the owner answered; the nearest first."""
        return examples_for(words, self.own)


class OverallStyle(Protocol):
    """How the owner writes to whomever."""

    async def overall(self) -> StyleProfile | None:
        """As `StyleStore.overall`."""
        ...


class PersonaChoices(Protocol):
    """Which personas the owner chose."""

    async def all(self) -> Mapping[str, str]:
        """As `PersonaUse.all`."""
        ...


class Voices:
    """Where voices come from."""

    def __init__(self, library: PersonaLibrary, used: PersonaChoices, style: OverallStyle, default_file: str, clock: Clock) -> None:
        self._library = library
        self._used = used
        self._style = style
        self._default_file = default_file
        self._clock = clock
        self._overall: StyleProfile | None = None
        self._overall_until = 0.0
        self._complained: set[str] = set()

    async def of(self, contact: ApprovedContact, context: ReplyContext) -> Voice:
        """The voice for `contact`, of whom this is known; edits of persona files count at once. Raises ConfigError when the chosen persona
        cannot be used."""
        known = context.relationship
        relationship = known.type if known.manual or known.signal_count > 0 else None
        persona = self._choose(contact.persona, relationship, context.personas)
        return Voice(persona, relationship, context.profile or await self._overall_profile(), context.own)

    async def for_stranger(self, persona: str | None = None) -> Voice:
        """The voice for somebody of whom nothing is known: as the owner writes to whomever. Raises as `for_owner`."""
        return Voice(await self.for_owner(persona), None, await self._overall_profile(), ())

    async def for_owner(self, persona: str | None = None) -> Persona:
        """The voice for the owner's own questions: the one named, else the default. Raises NotFoundError when there is none of that name."""
        if persona is not None:
            return self._library.get(persona)
        return self._choose(None, None, await self._used.all())

    def _choose(self, contact: str | None, relationship: Relationship | None, used: Mapping[str, str]) -> Persona:
        """As `personas.choose`; the log names a broken file and its line, once for each mistake: whom it is for waits until it is mended."""
        try:
            return choose(self._library, contact=contact, relationship=relationship, used=used, default_file=self._default_file)
        except ConfigError as error:
            if error.message not in self._complained:
                self._complained.add(error.message)
                log.error("persona_broken", problem=error.message)
            raise

    async def _overall_profile(self) -> StyleProfile | None:
        if self._clock.monotonic() >= self._overall_until:  # a thousand measures: not to be added up for each reply
            self._overall = await self._style.overall()
            self._overall_until = self._clock.monotonic() + _OVERALL_S
        return self._overall
