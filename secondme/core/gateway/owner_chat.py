"""The owner's own chat: what they are told there, and the commands they give from their phone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from secondme.core.admit.contact_lookup import APPROVED, CHAT, DENIABLE, WAITING, Wanted, meant_person
from secondme.core.admit.pairing import twin_of
from secondme.core.admit.pauses import told_of_missed
from secondme.core.channel_manifest import needs_link, sentence_of
from secondme.core.clock import parse_duration
from secondme.core.enums import State, Tier
from secondme.core.errors import NotFoundError, SecondmeError, UnavailableError
from secondme.core.gateway.draft_commands import MOST_SHOWN as MOST_DRAFTS
from secondme.core.gateway.draft_commands import REFERENCE, SHORT
from secondme.core.gateway.job_commands import HELP as JOBS_HELP
from secondme.core.ids import code_of, contact_id
from secondme.core.log import get_logger
from secondme.core.messages import Admission, InboundMessage, OwnerAddress
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity
from secondme.core.store import keys
from secondme.core.text import safe_name, safe_text
from secondme.core.tools.proposals import in_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from secondme.core.admit.pairing import Decision, PairingService
    from secondme.core.admit.pairing_store import Listing
    from secondme.core.admit.pauses import PauseService
    from secondme.core.gateway.draft_commands import DraftCommands
    from secondme.core.gateway.job_commands import JobCommands
    from secondme.core.gateway.status import SystemStatus
    from secondme.core.gateway.store import NoteStore
    from secondme.core.ports import Clock
    from secondme.core.records import PairingRequest
    from secondme.core.reply.store import OutageStore
    from secondme.core.store.events import Follow, Heard
    from secondme.core.tools.proposals import ProposalService
    from secondme.core.tools.store import Proposal


HELP = (
    """approve CODE-or-id [trusted|standard|restricted]
deny CODE, link CODE
pause [contact] [60m]
resume [contact], answer [contact]
kill, kill off
drafts
send DRAFT, drop DRAFT, send all, drop all
edit DRAFT your own words
proposals
yes PROPOSAL, no PROPOSAL
"""
    + JOBS_HELP
    + """
list, status, help
A contact is an id, a number, a name that list shows, or the beginning of an id. To approve somebody, type the code or the whole id."""
)
UNKNOWN = "I don't know that command. This is what I do:\n" + HELP
_ALONE = frozenset({"kill", "list", "status", "help", "?", "proposals"})
"""Commands that nothing may follow, but for `kill off`."""
_NO_CONTACT = frozenset({"unknown_contact", "ambiguous_contact", "not_approved"})
_LONGEST_NAME = 3
"""Words of a name, its duration included, beyond which it is none."""
_MOST_SHOWN = 20
_REPLY_LIMIT = 3500


class Commands:
    """Carries out one command and says what came of it."""

    def __init__(
        self,
        owner: PairingService,
        steering: PauseService,
        drafts: DraftCommands,
        listing: Callable[[], Awaitable[Listing]],
        overview: Callable[[], Awaitable[SystemStatus]],
        proposals: ProposalService,
        jobs: JobCommands,
    ) -> None:
        self._jobs = jobs
        self.proposals = proposals
        self._owner = owner
        self._steering = steering
        self.drafts = drafts
        self.listing = listing
        self.overview = overview

    async def carry_out(self, text: str) -> str | None:
        """What the owner is answered: at most 3,500 characters; None when this is no command. A command that fails says why.

        Raises UnavailableError: nothing is known to be done, and the message must be offered again.
        """
        verb, *words = text.strip().split() or [""]
        try:
            verb = verb.casefold().lstrip("/")
            said = await self._of_group(verb, words)
            return None if said is None else said[:_REPLY_LIMIT]
        except UnavailableError:
            raise
        except SecondmeError as error:
            if error.code in _NO_CONTACT and len(words) > _LONGEST_NAME:
                return None  # "pause the dishwasher, then call Anna" is a note
            return f"{error.message} {error.fix}".strip()[:_REPLY_LIMIT]

    async def _of_group(self, verb: str, words: list[str]) -> str | None:
        for group in (self._jobs, self.drafts):
            if group.is_meant(verb, words):
                return await group.carry_out(verb, words)
        return await self._do(verb, words)

    async def _do(self, verb: str, words: list[str]) -> str | None:
        if verb in _ALONE and words and (verb, words[0].casefold()) != ("kill", "off"):
            return None  # a sentence that happens to begin so: nobody kills by "kill the lights"
        match verb:
            case "approve":
                return await self._approve(words)
            case "deny":
                return await self._deny(words)
            case "link" if len(words) == 1 and code_of(words[0]):
                return await self._link(words[0])
            case "pause":
                return await self._pause(words)
            case "resume" | "answer":
                return await self._resume(words, answer=verb == "answer")
            case "kill":
                return await self._kill(words)
            case "yes" | "no" if len(words) == 1 and REFERENCE.fullmatch(words[0]):
                return await self._decide(words[0].casefold(), approve=verb == "yes")
            case "help" | "start" | "?":
                return HELP
            case _:
                return await self._show(verb)

    async def _show(self, verb: str) -> str | None:
        match verb:
            case "proposals":
                return "\n\n".join(map(_proposed, (await self.proposals.waiting())[:MOST_DRAFTS])) or "No proposals wait for you."
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
        return _decided(await self._owner.approve(await self._meant(" ".join(words), WAITING), tier))

    async def _deny(self, words: list[str]) -> str:
        if not words:
            return "deny needs a code, like: deny 123456"
        return _decided(await self._owner.deny(await self._meant(" ".join(words), DENIABLE)))

    async def _link(self, code: str) -> str:
        listing = await self.listing()
        request = next((each for each in listing.pending if each.code == code), None)
        twin = twin_of(request, listing.approved) if request else None
        if twin is None:
            raise NotFoundError("no_other_form", "Nobody waits under that code whose number you know in another form.")
        return _decided(await self._owner.approve_as(code, contact_id(twin.contact_id)))

    async def _pause(self, words: list[str]) -> str:
        length, shown = None, ""
        if words and (length := parse_duration(words[-1])) is not None:
            shown = f" for {words.pop()}"
        if not words or words[0].casefold() in {"all", "everybody"}:
            await self._steering.pause(None, length)
            return f"Nobody is answered{shown or ' until you resume'}."
        contact = await self._meant(" ".join(words), APPROVED)
        await self._steering.pause(contact, length)
        return f"{contact} is not answered{shown or ' until you resume'}."

    async def _resume(self, words: list[str], *, answer: bool) -> str:
        """Answered again; and what came during the pause is named, or answered too."""
        is_everybody = not words or words[0].casefold() in {"all", "everybody"}
        contact = None
        if not is_everybody:
            wanted = replace(APPROVED, likeliest=await self._steering.resumable())
            contact = await self._meant(" ".join(words), wanted)
        done = await self._steering.resume(contact)
        missed = await self._steering.missed(contact)
        if answer:
            await self._steering.answer_missed(contact)
        told = told_of_missed(missed, answer=answer)
        how = "" if answer or not missed else f"To answer them: answer {' '.join(words)}".strip()
        if contact is None:
            said = "Everybody is answered again." if done == "resumed" else "" if answer else "Nobody was paused as a whole."
        else:
            said = f"{contact} is answered again." if done == "resumed" else "" if answer else f"{contact} was not paused."
        return " ".join(part for part in (said, told, how) if part) or "Nobody wrote during a pause without an answer since."

    async def _decide(self, reference: str, *, approve: bool) -> str:
        if not approve:
            return f"The proposal for {(await self.proposals.drop(reference)).contact_id} is dropped."
        proposal, result = await self.proposals.approve(reference)
        done = f"It was not done: {result.text}" if result.code else "Done."
        return safe_text(f"{done} ({proposal.skill} {proposal.tool} for {proposal.contact_id})")

    async def _meant(self, reference: str, wanted: Wanted) -> str:
        """The contact, or the code, that the owner means. Raises NotFoundError."""
        is_code = State.PENDING in wanted.states and code_of(reference)
        return reference if is_code else await meant_person(reference, await self.listing(), wanted, self._owner.members, CHAT)

    async def _kill(self, words: list[str]) -> str:
        if words and words[0].casefold() in {"off", "--off"}:
            await self._steering.unkill()
            return "The kill switch is off. Contacts are answered again."
        await self._steering.kill()
        return "The kill switch is on: nothing is sent to anybody. Lift it with: kill off"


def _decided(decision: Decision) -> str:
    who = safe_name(decision.display_name) or decision.contact_id
    match decision.outcome:
        case "approved":
            return f"{who} is approved ({decision.tier})."
        case "already_approved":
            return f"{who} was approved before."
        case "denied":
            return f"{who} is denied."
        case "already_denied":
            return f"{who} was denied before."
        case _:
            return f"{who}: {decision.outcome}."


def _listed(listing: Listing) -> str:
    waiting = [
        f"{safe_name(each.display_name or '') or '?'} ({each.contact_id}): approve {each.code}"
        for each in listing.pending[:_MOST_SHOWN]
    ]
    approved = [f"{safe_name(each.display_name or '') or '?'} ({each.contact_id}), {each.tier.value}" for each in listing.approved]
    more = [f"and {len(approved) - _MOST_SHOWN} more"] if len(approved) > _MOST_SHOWN else []
    lines = ["Waiting:", *(waiting or ["nobody"]), "Approved:", *(approved[:_MOST_SHOWN] or ["nobody"]), *more]
    return safe_text("\n".join(lines))


def _proposed(proposal: Proposal) -> str:
    short = proposal.proposal_id[:SHORT]
    return f"{in_words(proposal)}\nfor {proposal.contact_id}. Do it: yes {short}\nDrop it: no {short}"


def _stands(overview: SystemStatus) -> str:
    everybody = overview.everybody
    answering = "Contacts are answered."
    if everybody is not None:
        answering = "The kill switch is on." if everybody.killed else "Nobody is answered: paused."
    channels = [
        f"{each.title}: {'paused, ' if each.paused else ''}{each.state.replace('_', ' ')}"
        + (f". {' '.join(sentence_of(each.id, each.code)).strip()}" if each.code else "")
        for each in overview.channels
        if each.state != "off" and needs_link(each.id)
    ]
    backlog = overview.backlog
    counts = f"{overview.pairing.pending} waiting, {backlog.queued} unanswered, {backlog.held} drafts."
    return "\n".join([answering, *channels, counts])


log = get_logger(__name__)

_AGAIN_S = 1.0
_LOOK_S = 15.0
"""How often what waits is looked at although no event came: the connection to the owner may have been made since."""
_OUTAGES_S = 2.0
_DAY_MS = 86_400_000


class OwnerChat:
    """Talks with the owner on their own channels."""

    def __init__(
        self,
        commands: Commands,
        notes: NoteStore,
        outages: OutageStore,
        follow: Follow,
        security: SecurityLog,
        clock: Clock,
    ) -> None:
        self._commands = commands
        self._notes = notes
        self._outages = outages
        self._outages_at = 0.0
        self._follow = follow
        self._security = security
        self._clock = clock
        self._known_drafts: set[str] = set()
        """What they were told of drafts that wait still, as far as this process knows; the store knows the rest."""
        self._addresses: Callable[[], list[OwnerAddress]] = list
        self._has_missed, self._looked_at = True, 0.0

    async def hear(self, message: InboundMessage) -> Admission:
        """A message from the owner's own chat was carried out and its answer is on its way; once, however often it is delivered.

        IGNORED for a note to themselves; and, written down, when it does not come from the owner's chat as its channel knows it. Raises UnavailableError: offer it
        again.
        """
        known = {address.channel_id: address for address in self._addresses()}
        address = known.get(message.channel_id)
        if address is None or address.contact_id != message.contact_id:
            await self._security.record(
                SecurityEvent.OWNER_COMMAND_REFUSED, Severity.WARN, message.contact_id, channelId=message.channel_id
            )
            return Admission.IGNORED
        if message.edit_of or not message.text.strip():
            return Admission.IGNORED
        if await self._notes.is_done(message.channel_id, message.message_id):
            return Admission.DUPLICATE
        said = await self._commands.carry_out(message.text)
        if said is None:
            if address.is_notebook:
                return Admission.IGNORED  # a note to themselves
            said = UNKNOWN
        await self._notes.answer(message.channel_id, message.contact_id, said, message.message_id)
        return Admission.COMMAND

    async def run(self, addresses: Callable[[], list[OwnerAddress]]) -> None:
        """Tell the owner what they should know, until cancelled. `addresses` says where they can be reached now, best first."""
        self._addresses = addresses
        async for heard in self._follow(self._miss, self._fail):
            try:
                await self._hear_event(heard)
            except Exception as error:  # noqa: BLE001  the top of a task: a note must not end the gateway
                self._miss()
                self._fail(error)
                await self._clock.sleep(_AGAIN_S)

    def _miss(self) -> None:
        self._has_missed = True

    def _fail(self, error: Exception) -> None:
        match error:
            case UnavailableError():
                log.debug("owner_chat_waits", code=error.code)
            case SecondmeError():
                log.error("owner_chat_failed", error, code=error.code)
            case _:
                log.error("owner_chat_crashed", error)

    async def _hear_event(self, heard: Heard | None) -> None:
        now = self._clock.monotonic()
        if self._addresses() and (self._has_missed or now - self._looked_at > _LOOK_S):
            was_away, self._has_missed, self._looked_at = self._has_missed, False, now
            await self._look()
            if was_away:
                await self._look_at_channels()
        if self._addresses() and now - self._outages_at > _OUTAGES_S:
            self._outages_at = now
            await self._tell_outages()
        if heard is not None and self._addresses():
            await self._tell(*heard)

    async def _look(self) -> None:
        """What waits for the owner and was not told yet, from before we listened."""
        for request in (await self._commands.listing()).pending:
            await self._tell_request(request)
        await self._tell_drafts()
        await self._tell_proposals()

    async def _look_at_channels(self) -> None:
        """What a channel said while nobody could be told: one that fails at the start is faster than the owner's own connects."""
        for channel in (await self._commands.overview()).channels:
            if channel.code and channel.state in _TELLING_STATES:
                await self._tell_channel(channel.id, channel.code)

    async def _tell_channel(self, channel: str, code: str) -> None:
        words, fix = sentence_of(channel, code)
        what = f"{safe_name(channel)}: {words} {fix}".strip()
        await self._note(what, f"channel:{channel}:{code}:{self._clock.now_ms() // 3_600_000}")

    async def _tell(self, channel: str, event: dict[str, Any]) -> None:
        kind = str(event.get("type") or event.get("action") or event.get("event"))
        contact, at = str(event.get("contactId", "")), str(event.get("timestamp", ""))
        match channel, kind:
            case keys.EVENTS_PAIRING, "pairing_request":
                for request in (await self._commands.listing()).pending:
                    if request.contact_id == contact:
                        await self._tell_request(request)
            case keys.EVENTS_PAIRING, "pairing_approved" | "pairing_verified" if event.get("approvedBy") in _BY_THEMSELVES:
                name = safe_name(str(event.get("displayName") or "")) or contact
                await self._note(f"{name} ({contact}) is approved: {_BY_THEMSELVES[event['approvedBy']]}.", f"in:{contact}:{at}")
            case keys.EVENTS_QUEUE, _:
                await self._tell_queue(kind, contact, at, event)
            case keys.EVENTS_PAUSE, "pause" if event.get("reason") == "rate_limit":
                await self._note(f"{contact} wrote too much at once and is paused for a while.", f"rate:{contact}:{at}")
            case keys.EVENTS_STATUS, _:
                await self._tell_status(kind, contact, at, event)
            case keys.EVENTS_SECURITY, "webhook_disabled":
                await self._note(
                    "A webhook of yours gets nothing any more. On your machine: secondme webhooks list", f"webhook:{at}"
                )
            case keys.EVENTS_SECURITY, "pairing_closed" | "pairing_full":
                await self._note("Too many strangers ask or guess codes; new ones are ignored for now.", f"{kind}:{at[:7]}")
            case _:
                pass

    async def _tell_status(self, kind: str, contact: str, at: str, event: dict[str, Any]) -> None:
        match kind:
            case "channel_state" if event.get("code") and event.get("state") in _TELLING_STATES:
                await self._tell_channel(str(event.get("channelId")), str(event["code"]))
            case "skill_failing":
                name = safe_name(str(event.get("skill")))
                said = f"The skill {name} fails again and again, so I write without it for a while. On your machine: secondme skills log {name}"
                await self._note(said, f"skill:{name}:{self._clock.now_ms() // _DAY_MS}")
            case "job_disabled":
                await self._tell_disabled(str(event.get("job")), str(event.get("why")), at)
            case "reading_failing":
                await self._tell_reading(str(event.get("code")), str(event.get("message") or ""), str(event.get("fix") or ""))
            case "memory_damaged":
                said = f"What I remember of {contact} was damaged and is set aside; I still know what the last days hold. An export that you have can be imported again."
                await self._note(said, f"memory:{contact}:{self._clock.now_ms() // _DAY_MS}")
            case _:
                pass

    async def _tell_disabled(self, job: str, why: str, at: str) -> None:
        short = safe_name(job)[:8]
        what = "can never come to anything" if why == "broken" else "came to nothing five times in a row"
        await self._note(
            f"The job {short} {what}, so it does not run any more. On your machine: secondme jobs runs {short}", f"job:{job}:{at}"
        )

    async def _tell_reading(self, code: str, message: str, fix: str) -> None:
        """Once a day for each cause."""
        why = f"{message} {fix}".strip() or f"{_OVER_LIMIT.get(code, 'A limit of today is reached')}, until tomorrow (UTC)."
        said = f"I cannot hear or see what people send now, and answer without it: {why}"
        await self._note(said, f"reading:{code}:{self._clock.now_ms() // _DAY_MS}")

    async def _tell_queue(self, kind: str, contact: str, at: str, event: dict[str, Any]) -> None:
        match kind:
            case "reply_held":
                await self._tell_drafts()
            case "draft_dropped":
                said = f"Too many drafts wait for {contact}: I dropped the oldest. See: drafts"
                await self._note(said, f"no_room:{contact}:{self._clock.now_ms() // _DAY_MS}")
            case "proposal_made":
                await self._tell_proposals()
            case "unanswered":
                why = _UNANSWERED.get(str(event.get("reason")), "I had nothing fit to say.")
                once = (
                    f"{contact}:{at}"
                    if event.get("reason") != "automatic"
                    else f"{contact}:automatic:{self._clock.now_ms() // _DAY_MS}"
                )
                await self._note(f"A message of {contact} has no answer. {why}", f"unanswered:{once}")
            case "over_budget":
                whose = "today" if event.get("cap") == "day" else f"{contact} for today"
                await self._note(
                    f"The budget of {whose} is spent. Messages wait until tomorrow (UTC), or until you raise it; {_TOO_OLD}.",
                    f"budget:{event.get('cap')}:{contact if event.get('cap') == 'contact' else ''}:{event.get('day')}",
                )
            case "dead_letter":
                await self._note(f"A message of {contact} could not be worked on and was set aside.", f"dead:{contact}:{at}")
            case "record_broken":
                await self._note(
                    f"A record of {contact} in the store is broken, so their messages are set aside and not answered. On your machine: secondme doctor store",
                    f"broken:{contact}",
                )
            case _:
                pass

    async def _tell_outages(self) -> None:
        """What keeps everybody from being answered until the owner acts: said once, and once that it is over."""
        outages, told = await self._outages.look()
        for scope, outage in outages.items():
            if told.get(scope) == outage.since_ms:
                continue
            said = f"{_OUTAGES.get(scope, _OUTAGES['large'])}: {outage.message} {outage.fix}".strip()
            if await self._note(f"{said}\n{_WAITING}", f"model:{scope}:{outage.since_ms}") != "quiet":
                await self._outages.mark(scope, outage.since_ms)
        for scope, since_ms in told.items():
            if (
                scope not in outages
                and await self._note(_OVER.get(scope, _OVER["large"]), f"model-over:{scope}:{since_ms}") != "quiet"
            ):
                await self._outages.mark(scope, None)

    async def _tell_request(self, request: PairingRequest) -> None:
        name = safe_name(request.display_name or "") or "Somebody without a name"
        said = f"{name} ({request.contact_id}) wants to talk with me.\nApprove: approve {request.code}\nDeny: deny {request.code}"
        if request.first_line:
            said += f"\nThey wrote:\n| {safe_text(request.first_line)}"
        if twin := twin_of(request, (await self._commands.listing()).approved):
            known = twin.shown_name or twin.contact_id
            said += f"\nIt is the number of {known}, whom you approved, in another form. The same person: link {request.code}"
        await self._note(said, f"request:{request.contact_id}:{request.code}:{request.requested_at.timestamp()}")

    async def _tell_drafts(self) -> None:
        for cause, said in await self._commands.drafts.notes(self._known_drafts):
            if await self._note(said, cause) != "quiet":
                self._known_drafts.add(cause)

    async def _tell_proposals(self) -> None:
        for proposal in await self._commands.proposals.waiting():
            await self._note(f"A skill would do this:\n{_proposed(proposal)}", f"proposal:{proposal.proposal_id}")

    async def _note(self, text: str, cause: str) -> str:
        addresses = self._addresses()
        if not addresses:
            return "quiet"
        best = next((address for address in addresses if address.is_open), addresses[0])
        return await self._notes.tell(best.channel_id, best.contact_id, text, cause)


_TOO_OLD = "what waits for more than six waking hours is not answered any more"
_WAITING = f"Messages wait until it is mended; {_TOO_OLD}."
_OUTAGES = {"account": "Nobody can be answered", "large": "Messages cannot be answered", "small": "Small talk cannot be answered"}
_OVER = {
    "account": "Contacts are answered again.",
    "large": "Messages are answered again.",
    "small": "Small talk is answered again.",
}
_BY_THEMSELVES = {
    "invite": "with your invite",
    "self-verified": "with their own code",
    "existing-history": "because you talked before",
}
_OVER_LIMIT = {
    "over_limit": "today's minutes of voice messages are used up",
    "over_contact_limit": "today's minutes of one contact are used up",
    "over_budget": "today's budget is spent",
    "over_contact_budget": "today's budget of one contact is spent",
}
_TELLING_STATES = frozenset({"needs_owner", "connected", "deaf"})
"""`connected` with a code is a late report of the platform's, like a reply that it would not deliver."""
_UNANSWERED = {
    "handed_over": "They asked whether they talk with a machine. I said nothing and leave them to you; they are paused for a while.",
    "refusal": "The model would not answer it.",
    "automatic": "Their phone, or a program, seems to answer by itself. I stay silent until they write something else.",
    "cut_short": "The model's answer was cut short twice, before its first word: model.max_tokens is too small for its thoughts.",
    "stale": "It had waited too long when I could have answered it.",
}
