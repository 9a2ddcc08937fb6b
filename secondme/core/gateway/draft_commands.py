"""The owner's commands about drafts, given from their phone; and what they are told of a reply that waits for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secondme.core.clock import from_ms
from secondme.core.format import ago, counted, span
from secondme.core.text import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from secondme.core.gateway.draft_views import DraftView, DraftViews
    from secondme.core.ports import Clock
    from secondme.core.send.drafts import DraftAction

SHORT = 6
"""Characters of an id that are shown."""
REFERENCE = re.compile("[0-9a-fA-F]{4,32}")
"""What a draft is called: "send flowers" is a note."""
MOST_SHOWN = 8
_ALL = re.compile("all(?: ([0-9]{1,3}))?", re.ASCII | re.IGNORECASE)
"""All of them, and how many those are: "drop all the boxes off" is a note."""
_SHOWN_IN_LIST = 300
_SHOWN_ALONE = 1500


class DraftCommands:
    """Carries out commands about drafts."""

    def __init__(self, views: DraftViews, clock: Clock) -> None:
        self._views = views
        self._drafts = views.drafts
        self._clock = clock

    def is_meant(self, verb: str, words: Sequence[str]) -> bool:
        """False for a note that only begins like one of these commands."""
        if verb == "drafts":
            return not words
        if verb not in {"send", "drop", "edit"}:
            return False
        return bool(words) and bool(REFERENCE.fullmatch(words[0]) or (verb != "edit" and _ALL.fullmatch(" ".join(words))))

    async def carry_out(self, verb: str, words: list[str]) -> str:
        """What the owner is answered to a command that is meant. Raises SecondmeError for what cannot be done."""
        if verb == "drafts":
            return _listed((await self._views.waiting())[0], from_ms(self._clock.now_ms()))
        if verb == "edit":
            return await self._edit(words[0].casefold(), " ".join(words[1:]))
        if every := _ALL.fullmatch(" ".join(words)):
            return await self._settle_all("send" if verb == "send" else "drop", int(every[1] or 0))
        reference = words[0].casefold()
        decision = self._drafts.send(reference) if verb == "send" else self._drafts.drop(reference)
        draft = await self._views.found(decision, reference)
        return f"The draft for {draft.contact_id} {'is on its way' if verb == 'send' else 'is dropped'}."

    async def notes(self, known: set[str]) -> list[tuple[str, str]]:
        """For each draft that is not `known` what the owner is to be told of it, behind what is then added to `known`. What is no draft any more
        is taken out of that."""
        drafts, _ = await self._drafts.waiting()
        causes = {draft.id: f"draft:{draft.id}:{draft.reason}" for draft in drafts}
        known &= set(causes.values())
        views = await self._views.of([draft for draft in drafts if causes[draft.id] not in known])
        now = from_ms(self._clock.now_ms())
        return [(causes[view.draft.id], _note(view, now)) for view in views]

    async def _edit(self, reference: str, words: str) -> str:
        if not words:
            return f"edit needs your words, like: edit {reference} See you at eight"
        draft = await self._views.found(self._drafts.edit(reference, words), reference)
        return f"The draft for {draft.contact_id} says now:\n{draft.text}\nSend it: send {draft.id[:SHORT]}"

    async def _settle_all(self, action: DraftAction, meant: int) -> str:
        """Every draft, once the owner says how many they mean: another one may have come since they looked."""
        waiting, _ = await self._drafts.waiting()
        chosen = [draft for draft in waiting if action == "drop" or draft.may_send]
        left = (
            [f"{counted(len(waiting) - len(chosen), 'draft')} can leave only in your own words."]
            if len(chosen) < len(waiting)
            else []
        )
        if not chosen:
            return " ".join(["None can go out as it is." if waiting else "No drafts wait for you.", *left])
        if meant != len(chosen):
            what = "would be sent" if action == "send" else "would be dropped"
            return " ".join([f"{counted(len(chosen), 'draft')} {what}. If you mean that: {action} all {len(chosen)}", *left])
        done = "is on its way" if action == "send" else "is dropped"
        outcomes = await self._drafts.decide([draft.id for draft in chosen], action)
        return "\n".join(
            [
                f"The draft for {draft.contact_id} {done}."
                if each.error is None
                else f"The draft for {draft.contact_id}: {each.error.message}"
                for draft, each in zip(chosen, outcomes, strict=True)
            ]
            + left
        )


def _listed(views: Sequence[DraftView], now: datetime) -> str:
    """The drafts, one paragraph each."""
    if not views:
        return "No drafts wait for you."
    shown = [f"{view.draft.id[:SHORT]} {_told(view, _SHOWN_IN_LIST, now)}" for view in views[:MOST_SHOWN]]
    more = [f"... and {len(views) - MOST_SHOWN} more"] if len(views) > MOST_SHOWN else []
    return safe_text("\n\n".join([*shown, *more]))


def _note(view: DraftView, now: datetime) -> str:
    short = view.draft.id[:SHORT]
    ways = [
        *([f"Send it: send {short}"] if view.draft.may_send else []),
        f"Drop it: drop {short}",
        f"Say it your way: edit {short} ...",
    ]
    return "\n".join([f"A reply waits for you, {_told(view, _SHOWN_ALONE, now)}", *ways])


def _told(view: DraftView, most: int, now: datetime) -> str:
    """A draft beside its question. Somebody's words stand behind a bar in each line: none of them can look like one of ours."""
    draft = view.draft
    who = [draft.contact_id, *([view.contact.tier.value] if view.contact is not None else [])]
    ends = "" if draft.expires_at is None else f", dropped in {span(draft.expires_at - now)}"
    parts = [f"to {view.name} ({', '.join(who)}), {ago(draft.held_at, now)} old{ends}. {view.why}"]
    if view.asked:
        parts.append("They wrote:\n" + _behind_a_bar("\n".join(each.text for each in view.asked), most))
    parts.append(("You would say:\n" if draft.own else "I would say:\n") + _behind_a_bar(draft.text, most))
    return safe_text("\n".join(parts))


def _behind_a_bar(words: str, most: int) -> str:
    return "\n".join(f"| {line}" for line in words[:most].splitlines())
