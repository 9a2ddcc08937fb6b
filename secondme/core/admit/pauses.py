"""Pauses and the kill switch, for every place from which the owner decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secondme.core.errors import BusyError, NotFoundError
from secondme.core.ids import ContactId, contact_id
from secondme.core.security_log import SecurityEvent, SecurityLog, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from secondme.core.admit.control_store import ControlStore, EverybodyPaused
    from secondme.core.admit.pairing_store import PairingStore
    from secondme.core.records import Pause
    from secondme.core.store.persons import PersonStore


@dataclass(frozen=True, slots=True)
class Pauses:
    """Who is not answered: everybody, or single approved contacts."""

    everybody: EverybodyPaused | None
    contacts: dict[str, Pause]


@dataclass(frozen=True, slots=True)
class Missed:
    """How many messages of a contact came during a pause and got no answer since. `name` is empty for who has none."""

    contact: ContactId
    name: str
    messages: int


_MOST_NAMED = 5


def told_of_missed(missed: Sequence[Missed], *, answer: bool) -> str:
    """Who wrote during a pause, in words: names and how many messages of each. Empty for nobody."""
    if not missed:
        return ""
    named = ", ".join(f"{each.name or each.contact} ({each.messages})" for each in missed[:_MOST_NAMED])
    more = f" and {len(missed) - _MOST_NAMED} more" if len(missed) > _MOST_NAMED else ""
    people = "1 person" if len(missed) == 1 else f"{len(missed)} people"
    return f"{people} wrote meanwhile{', and will be answered' if answer else ' and got no answer'}: {named}{more}."


class PauseService:
    """What the owner steers by. The CLI, the API and the TUI all come here. A contact is paused with every other contact of the same person."""

    def __init__(self, control: ControlStore, pairing: PairingStore, links: PersonStore, security: SecurityLog, *, by: str) -> None:
        self._control = control
        self._pairing = pairing
        self._links = links
        self._security = security
        self._by = by

    async def pause(self, contact: str | None, duration: timedelta | None = None) -> None:
        """An approved contact, or everybody (None), is not answered from now on, for `duration` or until resumed. Repeatable.

        Raises NotFoundError for a contact that was not approved, BusyError when the kill switch stops everybody already.
        """
        seconds = None if duration is None else int(duration.total_seconds())
        for who in [None] if contact is None else await self._person(await self._approved(contact)):
            if not await self._control.pause(who, duration):
                raise BusyError("killed", "The kill switch is on, which stops everybody already.", "secondme kill --off")
            await self._security.record(
                SecurityEvent.PAUSE_ACTIVATED, Severity.INFO, who, by=self._by, reason="manual", seconds=seconds
            )

    async def resume(self, contact: str | None) -> Literal["resumed", "not_paused"]:
        """A contact, or everybody (None), is answered again. Repeatable. Raises BusyError while the kill switch is on."""
        done: Literal["resumed", "not_paused"] = "not_paused"
        for who in [None] if contact is None else await self._links.members(contact_id(contact)):
            outcome = await self._control.resume(who)
            if outcome == "killed":
                raise BusyError("killed", "The kill switch is on.", "secondme kill --off")
            if outcome == "resumed":
                done = outcome
                await self._security.record(SecurityEvent.PAUSE_LIFTED, Severity.INFO, who, by=self._by)
        return done

    async def missed(self, contact: str | None = None) -> list[Missed]:
        """What of a contact, or of everybody who is not paused, came during a pause and got no answer since; the latest first."""
        counts: dict[ContactId, int] = {}
        for who in [None] if contact is None else await self._links.members(contact_id(contact)):
            counts |= await self._control.missed(who)
        names = {each.contact_id: each.shown_name for each in (await self._pairing.listing()).approved} if counts else {}
        return [Missed(each, names.get(each, ""), count) for each, count in counts.items()]

    async def answer_missed(self, contact: str | None = None) -> int:
        """They wait for an answer now, as if they had just come; how many messages. Repeatable: each is answered once."""
        return sum([await self._control.answer_missed(each.contact) for each in await self.missed(contact)])

    async def _person(self, contact: ContactId) -> list[ContactId]:
        """The contact, and the other approved ones of the same person."""
        members = await self._links.members(contact)
        return [each for each in members if each == contact or await self._pairing.is_approved(each)]

    async def kill(self) -> None:
        """Nothing is sent to anybody until `unkill`. Repeatable."""
        await self._control.kill()
        await self._security.record(SecurityEvent.KILL_SWITCH_ACTIVATED, Severity.WARN, by=self._by)

    async def unkill(self) -> None:
        """The kill switch is off, and so is a pause of everybody. Repeatable."""
        await self._control.resume(None, unkill=True)
        await self._security.record(SecurityEvent.KILL_SWITCH_LIFTED, Severity.INFO, by=self._by)

    async def pause_channel(self, channel: str) -> None:
        """Nobody on the channel is answered from now on; what they write is kept. Repeatable."""
        await self._control.pause_channel(channel)
        await self._security.record(SecurityEvent.PAUSE_ACTIVATED, Severity.INFO, by=self._by, channelId=channel, reason="manual")

    async def resume_channel(self, channel: str) -> Literal["resumed", "not_paused"]:
        """The channel's contacts are answered again. Repeatable."""
        lifted = await self._control.resume_channel(channel)
        if lifted:
            await self._security.record(SecurityEvent.PAUSE_LIFTED, Severity.INFO, by=self._by, channelId=channel)
        return "resumed" if lifted else "not_paused"

    async def connect_channel(self, channel: str, *, on: bool) -> None:
        """The channel shall run, or not; a gateway follows within a second. Set again, the channel is restarted."""
        await self._control.set_desired_state(channel, on=on)
        event = SecurityEvent.CHANNEL_CONNECTED if on else SecurityEvent.CHANNEL_DISCONNECTED
        await self._security.record(event, Severity.INFO, by=self._by, channelId=channel)

    async def pauses(self) -> Pauses:
        """Who is not answered right now."""
        contacts = [contact_id(each.contact_id) for each in (await self._pairing.listing()).approved]
        return Pauses(await self._control.everybody(), await self._control.contact_pauses(contacts))

    async def resumable(self) -> frozenset[str]:
        """Ids of the contacts who are paused, or who wrote during a pause and got no answer since: whom `resume` can be about."""
        return frozenset((await self.pauses()).contacts) | frozenset(await self._control.missed(None))

    async def contact_pause(self, contact: str) -> Pause | None:
        """Why an approved contact is paused, if it is. Raises NotFoundError when it was not approved."""
        return await self._control.contact_pause(await self._approved(contact))

    async def _approved(self, contact: str) -> ContactId:
        who = contact_id(contact)
        if not await self._pairing.is_approved(who):
            raise NotFoundError("not_approved", f"{who} is not an approved contact.", "secondme pairing list --status approved")
        return who
