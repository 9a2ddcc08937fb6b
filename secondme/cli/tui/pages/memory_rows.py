"""How memory is drawn: facts as rows, and as a sheet with whose claim each is; and all that is kept of a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from secondme.cli.tui.layout import apart, column, facts, fit, heading, keys, lines, quote, say, shown_name, wrapped
from secondme.cli.tui.theme import FAINT, INK, SOFT
from secondme.core.clock import from_ms
from secondme.core.format import counted, lately, local_time, size
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.content import Content

    from secondme.cli.tui.layout import Hint
    from secondme.core.ids import ContactId
    from secondme.core.memory.reports import FactReport, MemoryHit, MemoryOverview

_FACT = 44
"""Cells of a fact in a row of one line."""
_HOW = 13
_QUOTE = 400
"""Characters of what a fact was drawn from."""
_MOST_ROWS = 500
_CARD = 50
"""Facts of a person in their card."""
_SAID = {"contact": "they said so", "owner": "you said so"}


class KnownFact(NamedTuple):
    """A fact, and with whom it came up."""

    contact: ContactId
    fact: FactReport


class MemoryDrawing:
    """What is remembered, as of the last look."""

    def __init__(self) -> None:
        self.known: dict[str, KnownFact] = {}
        """By the key of its row, the newest first."""
        self.others: dict[str, ContactId] = {}
        """By the key of its row: people of whom something is kept, and no fact."""
        self.sizes: Mapping[ContactId, tuple[int, int]] = {}
        self.names: Mapping[str, str] = {}
        self.cards: dict[ContactId, list[MemoryOverview]] = {}
        """What was read of people whose row was opened."""
        self.opened: ContactId | None = None
        self.has_more = False
        """There are more facts than are shown."""
        self.now: datetime | None = None

    def know(self, found: Mapping[ContactId, Sequence[FactReport]], sizes: Mapping[ContactId, tuple[int, int]]) -> None:
        """These facts are known of everybody, and so much is kept."""
        every = [KnownFact(contact, fact) for contact, each in found.items() if contact in sizes for fact in each]
        every.sort(key=lambda known: known.fact.said_at, reverse=True)
        self.has_more = len(every) > _MOST_ROWS
        self.known = {f"{each.fact.id} {each.contact}": each for each in every[:_MOST_ROWS]}
        without = sorted((each for each in sizes if not found.get(each)), key=lambda each: -sizes[each][1])
        self.others = {f"of {each}": each for each in without}
        self.sizes = sizes

    def contact_of(self, key: str | None) -> ContactId | None:
        """Of whom a row is."""
        if (known := self.known.get(key or "")) is not None:
            return known.contact
        return self.others.get(key or "")

    def who(self, contact: str) -> str:
        """What the person is called."""
        return shown_name(self.names.get(contact), contact)

    # Rows

    def row(self, key: str, width: int, *, tight: bool) -> Content:
        """A fact, or a person, in one line or in two."""
        if (known := self.known.get(key)) is not None:
            return self._fact_row(known, width, tight=tight)
        if (contact := self.others.get(key)) is None:
            return say("")
        kept, at_ms = self.sizes.get(contact, (0, 0))
        name = say("  ", (self.who(contact), f"bold {INK}"))
        when = say((lately(from_ms(at_ms), self.now) if self.now else "", FAINT))
        said = say((f"no facts; {size(kept)} of what was said", SOFT))
        if tight:
            return apart(say(column(name, _FACT + 2), " ", said), when, width)
        return lines(apart(name, when, width), fit(say("  ", said), width))

    def _fact_row(self, known: KnownFact, width: int, *, tight: bool) -> Content:
        words, who = fact_line(known.fact), self.who(known.contact)
        how = say((_known(known.fact), FAINT))
        if tight:
            room = min(_FACT, max(16, (width - _HOW) // 2))
            return apart(say("  ", column(say((words, INK)), room), "  ", (who, SOFT)), how, width)
        when = f"  {lately(_moment(known.fact), self.now)}" if self.now else ""
        return lines(fit(say("  ", (words, f"bold {INK}")), width), apart(say("  ", (who, SOFT), (when, FAINT)), how, width))

    # The sheet

    def sheet(self, key: str, width: int, hints: Sequence[Hint]) -> Content:
        """Whose claim it is and from what, and, once it was opened, all that is kept of the person."""
        contact = self.contact_of(key)
        if contact is None:
            return say("")
        known = self.known.get(key)
        drawn = self._fact_sheet(known, width) if known is not None else self._person_sheet(contact, width)
        drawn += [say(""), keys(hint for hint in hints if hint[0] in {"e", "d", "/", "^d"})]
        if self.opened == contact:
            card = self.cards.get(contact)
            drawn += [say(""), heading(f"All that is kept of {self.who(contact)}")]
            drawn += card_lines(card, width) if card is not None else [say(("Looking …", SOFT))]
        return lines(*drawn)

    def _fact_sheet(self, known: KnownFact, width: int) -> list[Content]:
        fact, words = known.fact, fact_line(known.fact)
        since = local_time(fact.said_at, self.now) if self.now else fact.said_at[:10]
        drawn = wrapped(words, width, f"bold {INK}")
        about = (
            "you" if fact.subject == "owner" else self.who(known.contact) if fact.subject == "contact" else safe_name(fact.subject)
        )
        drawn += [
            say(""),
            *facts(
                [("About", about), ("Known", f"{_known(fact)}, in the chat with {self.who(known.contact)}"), ("Since", since)],
                width,
            ),
        ]
        said = " ".join(safe_text(fact.text[:_QUOTE]).split())
        if (
            said and fact.text != f"{fact.kind.replace('_', ' ')}: {fact.value}"
        ):  # as a corrected one is kept: it would be said twice
            drawn += [say(""), heading("From"), *quote(said, width)]
        return drawn

    def _person_sheet(self, contact: ContactId, width: int) -> list[Content]:
        kept, at_ms = self.sizes.get(contact, (0, 0))
        when = lately(from_ms(at_ms), self.now) if self.now else ""
        return facts([("Facts", "none are known"), ("Kept", f"{size(kept)} of what was said"), ("Last change", when)], width)


def fact_line(fact: FactReport) -> str:
    """A fact in one safe line; of somebody else than the contact it says of whom."""
    whose = {"contact": "", "owner": "you, "}.get(fact.subject, f"{fact.subject[:64]}, ")
    kind = fact.kind.removeprefix("kin_").replace("_", " ")
    return " ".join(safe_text(f"{whose}{kind}: {fact.value}").split())


def card_lines(found: Sequence[MemoryOverview], width: int) -> list[Content]:
    """What is remembered of a person, a part for each of its contacts."""
    drawn: list[Content] = []
    for each in found:
        first, last = (each.first_at or "")[:10], (each.last_at or "")[:10]
        when = f" from {first} to {last}" if first else ""
        drawn.append(say((f"{counted(each.messages, 'message')}{when}", f"bold {INK}")))
        parts = (f"{each.by_contact:,} theirs", f"{each.by_owner:,} yours", f"{each.by_clone:,} of the clone")
        drawn += [*wrapped(f"{', '.join(parts)}; {each.imported:,} from exports", width, SOFT), say("")]
        for fact in each.facts[:_CARD]:
            style = FAINT if fact.until else INK
            whose = f"  ({_known(fact)}, {fact.said_at[:10]}{', no more' if fact.until else ''})"
            drawn += wrapped(f"{fact_line(fact)}{whose}", width, style, lead="  ", more="    ")
            drawn += wrapped(f"“{' '.join(safe_text(fact.text[:_QUOTE]).split())}”", width, FAINT, lead="    ")
        if len(each.facts) > _CARD:
            drawn.append(say((f"  and {counted(len(each.facts) - _CARD, 'older one')}: secondme memory facts", FAINT)))
    return drawn


def hit_lines(hits: Sequence[MemoryHit], width: int) -> list[Content]:
    """What was found, the best first."""
    drawn: list[Content] = []
    for hit in hits:
        said = " ".join(safe_text(hit.text[:_QUOTE]).split())
        drawn += [say((f"{hit.at[:10]}  {safe_name(hit.speaker)}", FAINT)), *quote(said, width), say("")]
    return drawn or [say(("Nothing like that was said.", SOFT))]


def _known(fact: FactReport) -> str:
    return _SAID.get(fact.said_by, safe_name(fact.said_by))


def _moment(fact: FactReport) -> datetime:
    return datetime.fromisoformat(fact.said_at)
