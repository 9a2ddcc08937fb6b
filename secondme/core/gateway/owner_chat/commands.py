"""What does the owner's own chat understand? A handful of commands, each done by the same objects as the command line's.

Who may give them was decided before: only a channel can say that a message is the owner's (`ChatKind.OWNER`), and the gateway has
checked that it came from the owner's own chat on that channel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from secondme.core.clock import parse_duration
from secondme.core.enums import Tier
from secondme.core.errors import NotFoundError, SecondmeError, UnavailableError
from secondme.core.gateway.channel_words import words_for
from secondme.core.gateway.trace_messages import why_held
from secondme.core.ids import code_of, is_contact_id
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from secondme.core.admit.pairing import Decision, Owner
    from secondme.core.admit.pairing_store import Listing
    from secondme.core.admit.pauses import Steering
    from secondme.core.gateway.status import Overview
    from secondme.core.send.drafts import Draft, Drafts

HELP = """approve CODE [trusted|standard|restricted]
deny CODE
pause [contact] [60m]
resume [contact]
kill, kill off
drafts
send DRAFT, drop DRAFT
edit DRAFT your own words
list, status, help
A contact is an id, or for pause, resume and deny a name that list shows."""
UNKNOWN = "I don't know that command. This is what I do:\n" + HELP
SHORT = 6
"""Characters of a draft's id that are shown."""
_ALONE = frozenset({"kill", "list", "status", "help", "?", "drafts"})
"""Commands that nothing may follow, but for `kill off`."""
_LONGEST_NAME = 3
"""Words of a name, its duration included, beyond which it is none."""
_MOST_SHOWN = 20
_MOST_DRAFTS = 8
_DRAFT_SHOWN = 300
_DRAFT = re.compile("[0-9a-fA-F]{4,32}")
"""What a draft is called: "send flowers" is a note."""
_REPLY_LIMIT = 3500


class Commands:
    """Carries out one command and says what came of it."""

    def __init__(
        self,
        owner: Owner,
        steering: Steering,
        drafts: Drafts,
        listing: Callable[[], Awaitable[Listing]],
        overview: Callable[[], Awaitable[Overview]],
    ) -> None:
        self._owner = owner
        self._steering = steering
        self._drafts = drafts
        self.listing = listing
        self.overview = overview

    async def carry_out(self, text: str) -> str | None:
        """What the owner is answered: at most 3,500 characters; None when this is no command. A command that fails says why.

        Raises UnavailableError: nothing is known to be done, and the message must be offered again.
        """
        verb, *words = text.strip().split() or [""]
        try:
            said = await self._do(verb.casefold().lstrip("/"), words)
            return None if said is None else said[:_REPLY_LIMIT]
        except UnavailableError:
            raise
        except SecondmeError as error:
            if error.code == "unknown_contact" and len(words) > _LONGEST_NAME:
                return None  # "pause the dishwasher, then call Anna" is a note
            return f"{error.message} {error.fix}".strip()[:_REPLY_LIMIT]

    async def _do(self, verb: str, words: list[str]) -> str | None:
        if verb in _ALONE and words and (verb, words[0].casefold()) != ("kill", "off"):
            return None  # a sentence that happens to begin so: nobody kills by "kill the lights"
        match verb:
            case "approve":
                return await self._approve(words)
            case "deny":
                return await self._deny(words)
            case "pause":
                return await self._pause(words)
            case "resume":
                return await self._resume(words)
            case "kill":
                return await self._kill(words)
            case "send" | "drop" | "edit" if words and _DRAFT.fullmatch(words[0]):
                return await self._settle(verb, words)
            case "help" | "start" | "?":
                return HELP
            case _:
                return await self._show(verb)

    async def _show(self, verb: str) -> str | None:
        match verb:
            case "drafts":
                return _waiting((await self._drafts.waiting())[0])
            case "list":
                return _listed(await self.listing())
            case "status":
                return _stands(await self.overview())
            case _:
                return None

    async def _approve(self, words: list[str]) -> str:
        tier = Tier.STANDARD
        if len(words) > 1 and words[-1].casefold() in {each.value for each in Tier}:
            tier = Tier(words.pop().casefold())
        if not words:
            return "approve needs a code, like: approve 123456"
        return _decided(await self._owner.approve(words[0], tier))  # never by name: whoever knocks chooses their own

    async def _deny(self, words: list[str]) -> str:
        if not words:
            return "deny needs a code, like: deny 123456"
        listing = await self.listing()
        return _decided(await self._owner.deny(_meant(" ".join(words), [*listing.pending, *listing.approved])))

    async def _pause(self, words: list[str]) -> str:
        length, shown = None, ""
        if words and (length := parse_duration(words[-1])) is not None:
            shown = f" for {words.pop()}"
        if not words or words[0].casefold() in {"all", "everybody"}:
            await self._steering.pause(None, length)
            return f"Nobody is answered{shown or ' until you resume'}."
        contact = _meant(" ".join(words), (await self.listing()).approved)
        await self._steering.pause(contact, length)
        return f"{contact} is not answered{shown or ' until you resume'}."

    async def _resume(self, words: list[str]) -> str:
        if not words or words[0].casefold() in {"all", "everybody"}:
            done = await self._steering.resume(None)
            return "Everybody is answered again." if done == "resumed" else "Nobody was paused as a whole."
        contact = _meant(" ".join(words), (await self.listing()).approved)
        done = await self._steering.resume(contact)
        return f"{contact} is answered again." if done == "resumed" else f"{contact} was not paused."

    async def _settle(self, verb: str, words: list[str]) -> str:
        reference, said = words[0].casefold(), " ".join(words[1:])
        if verb == "edit":
            if not said:
                return f"edit needs your words, like: edit {words[0]} See you at eight"
            draft = await self._drafts.edit(reference, said)
            return f"The draft for {draft.contact_id} says now:\n{draft.text}\nSend it: send {draft.id[:SHORT]}"
        draft = await (self._drafts.send(reference) if verb == "send" else self._drafts.drop(reference))
        return f"The draft for {draft.contact_id} {'is on its way' if verb == 'send' else 'is dropped'}."

    async def _kill(self, words: list[str]) -> str:
        if words and words[0].casefold() in {"off", "--off"}:
            await self._steering.unkill()
            return "The kill switch is off. Contacts are answered again."
        await self._steering.kill()
        return "The kill switch is on: nothing is sent to anybody. Lift it with: kill off"


def _meant(reference: str, people: Sequence[object]) -> str:
    """The code or id that the owner means: as written, or the one contact of that name. Raises NotFoundError for two of one name."""
    if code_of(reference) or (is_contact_id(reference) and (":" in reference or "@" in reference)):
        return reference
    wanted = safe_name(reference).casefold()
    found = [
        str(getattr(each, "contact_id", ""))
        for each in people
        if wanted and safe_name(getattr(each, "display_name", None) or "").casefold() == wanted
    ]
    if len(found) > 1:
        raise NotFoundError("ambiguous_name", "More than one has that name: " + ", ".join(found[:5]) + ".", "Use the id.")
    if not found:
        raise NotFoundError("unknown_contact", "I know nobody by that name or code.", "list shows who there is.")
    return found[0]


def _decided(decision: Decision) -> str:
    who = safe_name(decision.display_name) or decision.contact_id
    match decision.outcome:
        case "approved":
            return f"{who} is let in ({decision.tier})."
        case "already_approved":
            return f"{who} was let in before."
        case "denied":
            return f"{who} is turned away."
        case "already_denied":
            return f"{who} was turned away before."
        case _:
            return f"{who}: {decision.outcome}."


def _listed(listing: Listing) -> str:
    waiting = [
        f"{safe_name(each.display_name or '') or '?'} ({each.contact_id}): approve {each.code}"
        for each in listing.pending[:_MOST_SHOWN]
    ]
    approved = [f"{safe_name(each.display_name or '') or '?'} ({each.contact_id}), {each.tier.value}" for each in listing.approved]
    more = [f"and {len(approved) - _MOST_SHOWN} more"] if len(approved) > _MOST_SHOWN else []
    lines = ["At the door:", *(waiting or ["nobody"]), "Let in:", *(approved[:_MOST_SHOWN] or ["nobody"]), *more]
    return safe_text("\n".join(lines))


def _waiting(drafts: Sequence[Draft]) -> str:
    """The drafts, one paragraph each."""
    if not drafts:
        return "No drafts wait for you."
    shown = [
        f"{draft.id[:SHORT]} to {draft.contact_id} ({why_held(draft.reason)}):\n{draft.text[:_DRAFT_SHOWN]}"
        for draft in drafts[:_MOST_DRAFTS]
    ]
    more = [f"... and {len(drafts) - _MOST_DRAFTS} more"] if len(drafts) > _MOST_DRAFTS else []
    return safe_text("\n\n".join([*shown, *more]))


def _stands(overview: Overview) -> str:
    everybody = overview.everybody
    answering = "Contacts are answered."
    if everybody is not None:
        answering = "The kill switch is on." if everybody.killed else "Nobody is answered: paused."
    channels = [
        f"{each.title}: {'paused, ' if each.paused else ''}{each.state.replace('_', ' ')}"
        + (f". {' '.join(words_for(each.code)).strip()}" if each.code else "")
        for each in overview.channels
        if each.state != "off" and each.id != "local"
    ]
    backlog = overview.backlog
    counts = f"{overview.pairing.pending} at the door, {backlog.queued} unanswered, {backlog.held} drafts."
    return "\n".join([answering, *channels, counts])
