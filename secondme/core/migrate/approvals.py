"""Approvals for everybody who already has a history: once, and for nobody who was denied."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Protocol

from secondme.core.admit.pairing import channel_of
from secondme.core.clock import to_ms
from secondme.core.errors import BusyError, DataError, NotFoundError
from secondme.core.migrate.formats import person, refusal, shown
from secondme.core.migrate.store import BATCH, IDS, AdoptionStore, Newcomer, Source, Value, approvals_of, histories, look_up
from secondme.core.records import ApprovedContact
from secondme.core.security_log import SecurityEvent, SecurityLog
from secondme.core.text import safe_name, safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.enums import Tier
    from secondme.core.store.scan import Keyspace


BY = "migration"
"""Who approved, in the records."""
_NOTES_LIMIT = 500
_TRIES = 3
_REPORTED = 100
"""Contacts between two reports of how far it is."""
_NO_HISTORY = {"wrong_type", "gone"}


@dataclass(slots=True)
class ApprovalTally:
    """What became of the contacts so far."""

    processed: int = 0
    approved: int = 0
    already: int = 0
    denied: int = 0
    gone: int = 0
    """Their history ended, or was erased, while we looked."""
    refused: Counter[str] = field(default_factory=Counter)
    """Reason -> contacts."""


@dataclass(frozen=True, slots=True)
class ApprovalPlan:
    """What the owner asked for."""

    tier: Tier
    execute: bool


class Watcher(Protocol):
    """Who wants to know as it happens."""

    def item(self, name: str, verdict: str) -> None:
        """One contact, or what calls itself one, was decided about. `name` may hold anything."""

    def progress(self, tally: ApprovalTally) -> None:
        """Another hundred contacts were decided about."""


class PairingMigration:
    """Approves who has a history. Without `execute` nothing is written, and the answers are the same."""

    def __init__(
        self,
        adoptions: AdoptionStore,
        pairing: PairingStore,
        watcher: Watcher,
        plan: ApprovalPlan,
        names: Mapping[str, str],
        now_ms: int,
    ) -> None:
        self._adoptions = adoptions
        self._pairing = pairing
        self._watcher = watcher
        self._plan = plan
        self._names = names
        self._now_ms = now_ms
        self._waiting: list[Newcomer] = []
        self.tally = ApprovalTally()

    async def run(self, keyspace: Keyspace) -> ApprovalTally:
        """Everybody with a history in our own store was decided about. Repeatable: after a kill, a second run ends what one began."""
        async for page in histories(keyspace):
            for name in page:
                if who := self._person(name):
                    self._waiting.append(self._newcomer(*who))
            await self._decide_waiting(BATCH, with_history=True)
        await self._decide_waiting(1, with_history=True)
        return await self._finish()

    async def run_from(self, source: Source) -> ApprovalTally:
        """As `run`, for those with a history, or an approval, in another store. An approval comes over as it is. Repeatable."""
        for approvals in (False, True):
            walk = approvals_of(source) if approvals else histories(source)
            async for page in walk:
                people = [who for name in page if (who := self._person(name))]
                for start in range(0, len(people), BATCH):
                    await self._look_up(source, people[start : start + BATCH], approvals=approvals)
                await self._decide_waiting(BATCH, with_history=False)
        await self._decide_waiting(1, with_history=False)
        return await self._finish()

    def _person(self, name: bytes) -> tuple[str, str] | None:
        """The contact and its number; None, and the reason is in the tally, when `name` is no contact."""
        found = person(name)
        if found is None and not name.endswith(IDS):
            self._settle(shown(name), refusal(name))
        return found

    def _newcomer(self, contact: str, phone: str) -> Newcomer:
        name = self._names.get(contact)
        called = f'"displayName":{quoted(name)},' if name else ""
        return Newcomer(
            contact,
            f'{{"contactId":"{contact}","phoneNumber":"{phone}",{called}"channelId":"{channel_of(contact)}",'
            f'"approvedAt":{self._now_ms},"approvedBy":"{BY}","tier":"{self._plan.tier.value}"}}',
            self._now_ms,
            self._plan.tier,
        )

    async def _look_up(self, source: Source, people: list[tuple[str, str]], *, approvals: bool) -> None:
        """Of these, who comes over with an approval or a history waits to be decided about; the others are in the tally.

        Who has both is met once: among the histories.
        """
        for (contact, phone), found in zip(people, await look_up(source, [contact for contact, _ in people]), strict=True):
            if approvals:
                if found.history == "zset":
                    continue
            elif found.history != "zset":
                if not contact.endswith(IDS.decode()):
                    self._settle(contact, "gone" if found.history == "none" else "wrong_type")
                continue
            if found.is_denied:
                self._settle(contact, "denied")
            elif found.approval.trouble or found.approval.raw:
                newcomer = _brought(contact, found.approval)
                self._settle(contact, "corrupt") if newcomer is None else self._waiting.append(newcomer)
            elif not approvals:
                self._waiting.append(self._newcomer(contact, phone))

    async def _decide_waiting(self, least: int, *, with_history: bool) -> None:
        """No more than `least` - 1 wait to be decided about."""
        while len(self._waiting) >= least:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            outcomes = await self._adoptions.adopt(batch, execute=self._plan.execute, with_history=with_history)
            for newcomer, outcome in zip(batch, outcomes, strict=True):
                if outcome == "waits":
                    self._settle(newcomer.contact_id, await self._settle_request(newcomer, with_history=with_history))
                elif outcome not in _NO_HISTORY or not newcomer.contact_id.endswith(IDS.decode()):  # else the set beside one
                    self._settle(newcomer.contact_id, outcome)

    async def _settle_request(self, newcomer: Newcomer, *, with_history: bool) -> str:
        """Who waits is approved through it, so that the request, its code and its prompt go as they always do."""
        for _ in range(_TRIES):
            try:
                request = await self._pairing.find(newcomer.contact_id)
                if request is not None:
                    if self._plan.execute:
                        await self._pairing.approve(request, by=BY, tier=newcomer.tier)
                    return "approved"
            except DataError:
                return "corrupt"
            except BusyError:
                return "denied"
            except NotFoundError:
                pass  # it ended just now
            outcome = (await self._adoptions.adopt([newcomer], execute=self._plan.execute, with_history=with_history))[0]
            if outcome != "waits":
                return outcome
        return "busy"

    def _settle(self, name: str, outcome: str) -> None:
        tally = self.tally
        tally.processed += 1
        match outcome:
            case "approved":
                tally.approved += 1
            case "already":
                tally.already += 1
            case "denied":
                tally.denied += 1
            case "gone":
                tally.gone += 1
            case _:
                tally.refused[outcome] += 1
        self._watcher.item(name, outcome)
        if tally.processed % _REPORTED == 0:
            self._watcher.progress(tally)

    async def _finish(self) -> ApprovalTally:
        if self._plan.execute and self.tally.approved:
            await self._adoptions.announce({"approved": self.tally.approved, "already": self.tally.already})
            SecurityLog().write(SecurityEvent.PAIRING_MIGRATED, approved=self.tally.approved, already=self.tally.already)
        return self.tally


def _brought(contact: str, approval: Value) -> Newcomer | None:
    """An approval of another store as it is, with its name made safe; None when it cannot be read."""
    if approval.raw is None:
        return None
    try:
        record = ApprovedContact.decode(approval.raw, "approved")
    except DataError:
        return None
    if record.contact_id != contact:
        return None
    name = safe_name(record.display_name or "") or None
    notes = safe_text(record.notes)[:_NOTES_LIMIT] if record.notes else None
    clean = record.model_copy(update={"display_name": name, "notes": notes, "channel_id": record.channel_id or channel_of(contact)})
    return Newcomer(contact, clean.encode(), to_ms(clean.approved_at), record.tier)
