"""The past of one person, and what of it was known at one place in it.

A place is a position in the conversation, not a time: exports know minutes, and several messages of one are as many moments. Everything
that a reply is composed from is made anew of what stands before that position, or is left out, because nobody can say when it became known:
what signals hint at, facts that memory noted, the predecessor's profile, kept profiles.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from secondme.core.clock import to_ms
from secondme.core.enums import Relationship
from secondme.core.memory.facts import Spoken
from secondme.core.memory.keeper import MemoryKeeper
from secondme.core.memory.library import Memories
from secondme.core.memory.messages import MemoryMessage
from secondme.core.memory.service import ConversationMemory
from secondme.core.messages import Speaker, split_told
from secondme.core.normalization import fold
from secondme.core.records import OwnMessage, Turn
from secondme.core.remember.store import OWN_CAP, RelationshipState
from secondme.core.remember.style import Measure, StyleProfile, measure, profile_of_measures
from secondme.core.remember.style.own_messages import own_messages
from secondme.core.reply.prompt import QUOTED
from secondme.core.reply.store import ReplyContext
from secondme.core.reply.voice import Voice, Voices
from secondme.core.store.keys import HISTORY_CAP, HISTORY_TTL_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import tzinfo
    from pathlib import Path

    from secondme.core.config.models import MemorySettings
    from secondme.core.ids import ContactId
    from secondme.core.messages import KnownPerson, Recollection
    from secondme.core.ports import Clock
    from secondme.core.records import ApprovedContact, Mail
    from secondme.core.reply.persona import Persona
    from secondme.core.reply.personas import PersonaLibrary
    from secondme.core.store.persons import PersonStore

_SHORTEST_QUOTE = 12
"""Characters, folded: what is shorter is said by everybody."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_TYPES = {Speaker.CONTACT: "incoming", Speaker.OWNER: "fromMe", Speaker.CLONE: "outgoing"}


class PastMessage(NamedTuple):
    """One message that was said."""

    contact: ContactId
    """The account it was said with; several may be one person."""
    id: str
    at: datetime
    speaker: Speaker
    text: str
    forwarded: bool = False


@dataclass(frozen=True, slots=True)
class PastAnswer:
    """What the owner answered by hand, and where it begins."""

    position: int
    """Of its first message: what was known is what stands before it."""
    messages: tuple[OwnMessage, ...]

    @property
    def text(self) -> str:
        """Its messages on lines of their own."""
        return "\n".join(each.text for each in self.messages)


class Past:
    """Everything that was said with one person, in order."""

    def __init__(self, members: Sequence[ContactId], messages: Sequence[PastMessage]) -> None:
        """`messages` are in the order of each account; those of several accounts are put together by time, each account's order kept."""
        self.members = tuple(members)
        self.messages = _merged(self.members, messages)
        self.turns = [_turn(each) for each in self.messages]
        places = {turn.id: at for at, turn in enumerate(self.turns)}
        self._own = [(places[each.id], each) for each in own_messages(self.turns)]
        self._measures: dict[str, Measure] = {}
        self._profiles: dict[int, StyleProfile | None] = {}

    @cached_property
    def answers(self) -> list[PastAnswer]:
        """Every answer of the owner's, oldest first: messages that follow one another within 90 seconds are one."""
        found: list[list[tuple[int, OwnMessage]]] = []
        for place, message in self._own:
            if message.follows and found:
                found[-1].append((place, message))
            else:
                found.append([(place, message)])
        return [PastAnswer(each[0][0], tuple(message for _, message in each)) for each in found]

    def own_before(self, position: int) -> list[OwnMessage]:
        """The owner's messages that stand before `position`, oldest first, as many as are learnt from."""
        return [message for place, message in self._own if place < position][-OWN_CAP:]

    def count_before(self, position: int) -> int:
        """How many messages of the owner's stand before `position`."""
        return sum(place < position for place, _ in self._own)

    def own_from(self, position: int) -> list[str]:
        """The words of the owner's messages that stand at `position` or after it."""
        return [message.text for place, message in self._own if place >= position]

    def profile_before(self, position: int) -> StyleProfile | None:
        """How the owner wrote to this person until then; None while there are too few messages."""
        if position not in self._profiles:  # every variant asks at the same place
            self._profiles[position] = profile_of_measures([self._measure(each) for each in self.own_before(position)])
        return self._profiles[position]

    def turns_before(self, position: int) -> list[Turn]:
        """What the history would have held: of the newest hundred turns before `position`, those of the week that ends with the last one."""
        newest = self.turns[max(0, position - HISTORY_CAP) : position]
        since = newest[-1].timestamp - timedelta(seconds=HISTORY_TTL_S) if newest else None
        return [turn for turn in newest if since is None or turn.timestamp > since]

    def begins(self, position: int) -> datetime:
        """Before when something without a place of its own, a measure of another chat, was known: the earliest moment of what is to come."""
        return min((turn.timestamp for turn in self.turns[position:]), default=_NEVER)

    def _measure(self, message: OwnMessage) -> Measure:
        found = self._measures.get(message.id)
        if found is None:
            found = self._measures[message.id] = measure(message)
        return found


def _merged(members: Sequence[ContactId], messages: Sequence[PastMessage]) -> list[PastMessage]:
    """By time; a message that is dated before its predecessor of the same account stays behind it."""
    keyed, latest = [], dict.fromkeys(members, 0)
    seen: set[str] = set()
    for at, each in enumerate(messages):
        if each.id in seen or not each.text.strip():
            continue
        seen.add(each.id)
        latest[each.contact] = max(latest.get(each.contact, 0), to_ms(each.at))
        keyed.append((latest[each.contact], at, each))
    return [each for _, _, each in sorted(keyed, key=lambda key: key[:2])]


def _turn(message: PastMessage) -> Turn:
    is_contact = message.speaker is Speaker.CONTACT
    return Turn.model_validate(
        {
            "id": message.id,
            "role": "user" if is_contact else "assistant",
            "content": spoken(message.text) if is_contact else message.text,
            "timestamp": message.at,
            "type": _TYPES[message.speaker],
            "forwarded": message.forwarded or None,
        }
    )


def spoken(content: str) -> str:
    """What somebody wrote and said, a voice message by its transcript; of a message without words, the line that stands for it."""
    heard, typed = split_told(content)
    return "\n".join([*heard, typed]).strip() or content


@dataclass(frozen=True, slots=True)
class Moment:
    """One place in one person's past."""

    past: Past
    position: int


class PastContexts:
    """What was known of a contact at a moment, in the place of the stores."""

    def __init__(self, moment: Moment, relationship: RelationshipState, personas: Mapping[str, str]) -> None:
        """`relationship` counts only as far as the owner set it by hand; `personas` is what the owner chose for whom."""
        self._moment = moment
        self._relationship = relationship if relationship.manual else RelationshipState(Relationship.ACQUAINTANCE)
        self._personas = personas

    async def of(self, contact: ContactId, most: int, before: Mail | None = None) -> ReplyContext:  # noqa: ARG002  the port's
        """See `Contexts`. Nothing of `contact` is looked up: it is the one whose past this is."""
        past, position = self._moment.past, self._moment.position
        return ReplyContext(
            members=[contact, *(each for each in past.members if each != contact)],
            turns=past.turns_before(position)[-most:],
            profile=past.profile_before(position),
            own=past.own_before(position),
            relationship=self._relationship,
            personas=self._personas,
            has_outages=False,
            has_skills=False,
        )

    async def said(self, contact: ContactId) -> list[Turn]:  # noqa: ARG002  as above
        """See `Contexts`."""
        return self._moment.past.turns_before(self._moment.position)


class PastOverall:
    """How the owner wrote to whomever until a moment."""

    def __init__(self, measures: Sequence[Measure], until: datetime) -> None:
        self._measures = [each for each in measures if each.at < until]

    async def overall(self) -> StyleProfile | None:
        """The profile of what was measured before."""
        return profile_of_measures(self._measures)


class PastVoices:
    """In whose voice a contact would have been answered then. Personas are today's, without what quotes answers that were still to come."""

    def __init__(
        self, moment: Moment, library: PersonaLibrary, measures: Sequence[Measure], default_file: str, clock: Clock
    ) -> None:
        past, position = moment.past, moment.position
        style = PastOverall(measures, past.begins(position))
        self._voices = Voices(library, _NoUse(), style, default_file, clock)
        self._later = [folded for text in past.own_from(position) if len(folded := fold(text)) >= _SHORTEST_QUOTE]
        self.removed = 0
        """How many quotes of the persona's were left out."""

    async def of(self, contact: ApprovedContact, context: ReplyContext) -> Voice:
        """See `VoiceSource`."""
        voice = await self._voices.of(contact, context)
        return replace(voice, persona=self._without_hindsight(voice.persona))

    def _without_hindsight(self, persona: Persona) -> Persona:
        examples = tuple(each for each in persona.examples if not self._is_later(each))
        told = {each for each in QUOTED.findall(persona.style_guide) if self._is_later(each)}
        guide = persona.style_guide
        for quote in told:
            guide = guide.replace(quote, "…")
        self.removed = len(persona.examples) - len(examples) + len(told)
        return replace(persona, examples=examples, style_guide=guide)

    def _is_later(self, quote: str) -> bool:
        """True when it is, or contains, or is a part of something that the owner wrote later."""
        words = fold(quote)
        return len(words) >= _SHORTEST_QUOTE and any(words in later or later in words for later in self._later)


class _NoUse:
    """Choices of personas come with the context."""

    async def all(self) -> dict[str, str]:
        return {}


class PastMemory:
    """Memory as it would have been, in files of its own that grow with the moments; without facts of a model, vectors and servers."""

    def __init__(
        self, directory: Path, settings: MemorySettings, owner: str, zone: tzinfo, clock: Clock, persons: PersonStore
    ) -> None:
        self._memories = Memories(directory / "memory", settings, zone=zone)
        self._keeper = MemoryKeeper(self._memories, settings)
        self._memory = ConversationMemory(self._keeper, persons, _nobody, owner, settings, zone, clock)
        self._grown: dict[ContactId, int] = {}

    async def grow(self, moment: Moment) -> None:
        """Of this person exactly what stands before the moment is remembered. Moments of a person come in their order."""
        key = moment.past.members[0]
        done = self._grown.get(key, 0)
        if moment.position < done:
            raise ValueError("moments come in their order")
        new = moment.past.messages[done : moment.position]
        for member in moment.past.members:
            said = [(done + at, each) for at, each in enumerate(new) if each.contact == member]
            if said:
                await self._keeper.remember(
                    member,
                    [
                        MemoryMessage(each.id, to_ms(each.at), each.speaker.value, each.text, rank=at, forwarded=each.forwarded)
                        for at, each in said
                    ],
                    [Spoken(each.id, to_ms(each.at), each.speaker, spoken(each.text)) for _, each in said if not each.forwarded],
                )
        self._grown[key] = moment.position

    async def recall(
        self, contact: ContactId, query: str, *, shown: AbstractSet[str], person: KnownPerson | None = None
    ) -> Recollection:
        """See `Memory`."""
        return await self._memory.recall(contact, query, shown=shown, person=person)

    def close(self) -> None:
        """No file is open."""
        self._memories.close()


async def _nobody(_: ContactId) -> tuple[str, ...]:
    return ()
