"""What a rehearsal comes to: the owner's real answers, and beside each what the clone wrote in its place."""

from __future__ import annotations

from typing import Literal

from secondme.core.records import Moment, Record

STAND_IN = "local:~import"
"""Stands for the other one of an export whom the owner has not let in."""
Outcome = Literal["passed", "held", "silent", "failed"]
"""What became of one answer of the clone's: it could have been sent; the checks would have left it to the owner; it chose to say nothing;
the model could not be asked, which is no fact about the clone."""


class Variant(Record):
    """One way of answering that is rehearsed."""

    persona: str = ""
    """Id of the persona that everybody is answered in; empty: as each contact is answered."""
    model: str
    """The large model."""
    run: str = ""
    """Whose, where two runs are compared: they may differ in any setting."""


class PastBurst(Record):
    """What a contact once wrote, and what the owner really answered by hand."""

    id: str
    """The same whenever this answer is rehearsed: of the owner's first message."""
    contact: str
    at: Moment
    """When the owner's answer began."""
    before: tuple[tuple[Literal["contact", "owner"], str], ...] = ()
    """The last turns before the burst, at most three."""
    asked: tuple[str, ...]
    """The contact's messages."""
    real: tuple[str, ...]
    """The owner's messages, in order."""
    asks_if_machine: bool = False


class RehearsedAnswer(Record):
    """What the clone wrote in the place of the owner's answer."""

    burst: str
    """Id of the burst."""
    variant: int
    """Which of the run's variants, from 0."""
    outcome: Outcome
    reason: str = ""
    """Why it did not pass: a fault of the checks, a reason for silence, an error's code."""
    reply: tuple[str, ...] = ()
    """The clone's messages as they would have been sent; of one that was held, what was held."""
    route: str = ""
    """`phatic` for small talk, which the small model answers; else `substantive` or `unsure`."""
    new_facts: int = 0
    """Numbers and names in the reply that nothing it was shown has."""
    own_new_facts: int = 0
    """Those in the owner's real answer."""
    micros: int = 0
    """What it cost, in millionths of a dollar."""


class RunHead(Record):
    """What was asked for when a run began; it goes on with the same."""

    id: str
    begun_at: Moment
    seed: int
    variants: tuple[Variant, ...]
    bursts: tuple[str, ...]
    """Ids of the answers that are rehearsed, in this order."""
    with_notes: bool = False
    source: str = ""
    """The export that the past was read from; empty: what is known of the contacts."""
    me: str = ""
    """As the export names the owner."""
    contact: str = ""
    """Whose chat the export is."""
    max_micros: int
    """What the run may cost at most."""
    against: str = ""
    """Id of the run that it answers the same as, and is compared with."""


class Material(Record):
    """What the answers of one contact are measured beside."""

    contact: str
    name: str = ""
    past: tuple[str, ...] = ()
    """Whole answers of the owner's, oldest first, that are not rehearsed: how they write."""
    others: tuple[str, ...] = ()
    """Other answers of the owner's of about the same time: the owner against themselves."""
    contacts: tuple[str, ...] = ()
    """What the contact wrote: somebody else against the owner."""
    own_count: int = 0
    """Single messages of the owner's that are known."""


class BlindChoice(Record):
    """What the owner said of one pair in the blind test."""

    burst: str
    variant: int = 0
    said: Literal["real", "clone", "no_idea", "remembered"]
    """Which one they took for their own; or neither, or they remembered their own words, which is no test."""
