"""The services of voice and images: one lazy part of a home's. Nothing is imported for what the owner does not use."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import cached_property
from random import SystemRandom
from typing import TYPE_CHECKING

from secondme.memory_services import MemoryServices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from secondme.core.gateway.status import MediaUse
    from secondme.core.ids import ContactId
    from secondme.core.media.album import Album
    from secondme.core.media.attachments import AttachmentRules
    from secondme.core.media.hearing import Hearing
    from secondme.core.media.reader import MediaReader
    from secondme.core.media.sight import Sight
    from secondme.core.media.speech import SpeechDesk
    from secondme.core.media.store import ReadingStore
    from secondme.core.messages import ModelOutcome, Picture, Prompt, Sound
    from secondme.core.ports import Model
    from secondme.core.records import ApprovedContact
    from secondme.core.reply.budget import Budget


class MediaServices(MemoryServices):
    """Voice and images of one home."""

    @cached_property
    def readings(self) -> ReadingStore:
        """What is still to be heard and seen."""
        from secondme.core.media.store import ReadingStore

        return ReadingStore(self.store)

    @cached_property
    def attachment_rules(self) -> AttachmentRules:
        """What is heard and seen, as the owner wants it."""
        from secondme.core.media.attachments import AttachmentRules

        return AttachmentRules(self.settings.hearing, self.settings.sight, hears=self.hears)

    @cached_property
    def album(self) -> Album:
        """The pictures that replies are written from."""
        from secondme.core.media.album import Album

        return Album(self.shelf, self.settings.sight.max_pictures)

    def budget(self, model: Model) -> Budget:
        """`model` behind a budget: every call is charged."""
        from secondme.core.reply.budget import Budget

        return Budget(model, self.spending, self.settings.budget, self.settings.model, self.clock)

    def media_reader(self, budget: Budget) -> MediaReader:
        """What hears and sees what contacts send; `budget` pays for descriptions."""
        from secondme.core.media.documents import DocumentReader
        from secondme.core.media.reader import MediaReader, Senses

        settings = self.settings
        senses = Senses(
            self.hearing if self.hears else None,
            self.sight(budget) if settings.sight.enabled else None,
            DocumentReader().read if settings.sight.enabled and settings.sight.documents else None,
        )
        may_be_answered, rng = self.control.may_be_answered, SystemRandom()
        reader = MediaReader(self.readings, self.attachment_rules, self.shelf, senses, may_be_answered, self.clock, rng)
        reader.tell = self.control.publish_status
        return reader

    def sight(self, budget: Budget) -> Sight:
        """What looks at pictures."""
        from secondme.core.media.pictures import PictureCleaner
        from secondme.core.media.sight import Sight

        async def ask(who: ContactId, prompt: Prompt, message: str) -> ModelOutcome:
            return await budget.ask(who, prompt, classification="sight", messageId=message)

        def is_suspect(text: str) -> bool:
            from secondme.core.admit.content.injection import FLAGGED_FROM, score_injection  # its lists, at the first picture

            return score_injection(text).score >= FLAGGED_FROM

        sight = self.settings.sight
        return Sight(PictureCleaner(sight.max_edge), ask if sight.describe else None, is_suspect)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Callable[[Picture], Awaitable[str]]]:
        """What Claude sees in a picture, for the length of one command; empty when it does not say."""
        from secondme.core.ids import ContactId
        from secondme.core.providers.claude import Claude
        from secondme.core.reply.store import SELF

        claude = Claude(self.settings.model)
        sight = self.sight(self.budget(claude))

        async def look(picture: Picture) -> str:
            return (await sight.look(ContactId(SELF), "", picture)).text

        try:
            yield look
        finally:
            await claude.close()

    @property
    def hears(self) -> bool:
        """True when recordings are listened to."""
        wanted = self.settings.hearing.is_wanted
        if wanted is None:
            from secondme.core.media.hearing import is_on

            wanted = is_on(self.settings.hearing, self.setup.places.speech_models)
        return wanted

    @cached_property
    def hearing(self) -> Hearing:
        """What listens to recordings."""
        from secondme.core.media.hearing import Hearing
        from secondme.core.media.voice_gate import seconds_of_speech
        from secondme.core.providers.openai_audio import transcriber
        from secondme.core.reply.budget import AmountBudget

        hearing = self.settings.hearing
        limits = (hearing.minutes_per_day * 60, hearing.minutes_per_contact_per_day * 60)
        price = 0.0 if hearing.provider == "local" else hearing.usd_per_minute / 60
        meter = AmountBudget(self.spending, "seconds", price, settings=self.settings.budget, limits=limits, clock=self.clock)

        async def speech_in(sound: Sound) -> float | None:
            return None if hearing.provider == "local" else await seconds_of_speech(sound)  # the local engine has the gate in it

        return Hearing(lambda: transcriber(hearing, self.setup.places.speech_models), hearing, meter, speech_in, self._languages_of)

    async def _languages_of(self, contact: ContactId) -> Sequence[str]:
        """The languages that a contact was clearly understood to write, or is written to, the most frequent first."""
        from secondme.core.remember.style.measure import languages

        return languages(turn.parts[1] for turn in await self.history.said(contact))

    @cached_property
    def speech_desk(self) -> SpeechDesk:
        """What speaks replies."""
        from secondme.core.media.speech import SpeechDesk
        from secondme.core.providers.elevenlabs import speech_engine
        from secondme.core.reply.budget import AmountBudget

        speech, owner = self.settings.speech, self.settings.persona.name
        price = 0.0 if speech.provider == "command" else speech.usd_per_1k_chars / 1000
        most = speech.daily_usd / price if price else float(_NO_LIMIT)
        meter = AmountBudget(
            self.spending, "characters", price, settings=self.settings.budget, limits=(most, most), clock=self.clock
        )
        return SpeechDesk(speech, owner, lambda: speech_engine(speech), meter, self.shelf, _Permissions(self), self.clock)

    @property
    def media_use(self) -> MediaUse:
        """What is heard, seen and spoken, and who is sent it."""
        from secondme.core.gateway.status import MediaUse

        hearing, speech, hears = self.settings.hearing, self.settings.speech, self.hears
        return MediaUse(
            cap_minutes=hearing.minutes_per_day if hears else None,
            speaks=speech.speaks,
            recordings_to=tuple(hearing.recipients) if hears else (),
            spoken_to=tuple(speech.recipients),
            pictures_to=(self.settings.model.recipient,) if self.settings.sight.enabled else (),
        )

    async def close_media(self) -> None:
        """No engine is loaded, and no connection is open. Repeatable."""
        if "hearing" in vars(self):
            await self.hearing.close()
        if "speech_desk" in vars(self):
            await self.speech_desk.close()


class _Permissions:
    """What the owner says of contacts, as their records and the pauses have it."""

    def __init__(self, services: MediaServices) -> None:
        self._services = services

    async def approved(self, contact: ContactId) -> ApprovedContact | None:
        return await self._services.pairing_store.approved(contact)

    async def may_be_answered(self, contact: ContactId, channel: str) -> bool:
        return await self._services.control.may_be_answered(contact, channel)


_NO_LIMIT = 1_000_000_000
