"""Checks of voice and images: what hears understands a known note, what speaks has a voice, and what is kept is private and swept."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from datetime import timedelta
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from secondme.core.clock import from_ms
from secondme.core.doctor.check import (
    Check,
    DoctorContext,
    Finding,
    NotConfigured,
    Outcome,
    found,
    in_thread,
    network_finding,
    verdict,
)
from secondme.core.errors import ConfigError, CredentialsError, DataError, SecondmeError, UnavailableError
from secondme.core.format import counted, size
from secondme.core.http import NetworkConfigError
from secondme.core.media.hearing import is_on
from secondme.core.media.shelf import Shelf
from secondme.core.messages import Sound, Transcription
from secondme.core.providers.elevenlabs import ElevenLabs
from secondme.core.providers.hearing_process import is_installed
from secondme.core.providers.openai_audio import shutdown_date, transcriber
from secondme.core.providers.speech_models import is_fetched, is_on_offer

_NOTICE = timedelta(days=90)
"""How long before the end of a model we say so."""
_WORDS = frozenset({"never", "been", "surpassed"})
"""What is said in the known note."""
_FEW_CHARACTERS = 2000
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


async def hearing(subject: DoctorContext) -> Outcome:
    """A known voice message is understood."""
    settings, models = subject.settings.hearing, subject.places.speech_models
    if settings.enabled is False:
        return NotConfigured("hearing.enabled is false")
    is_wanted = settings.enabled is True or settings.provider == "local"
    if is_wanted and (lacking := _lacking(subject)) is not None:
        return verdict(lacking)
    if not is_on(settings, models):
        return NotConfigured("nobody is set up to be asked")
    ends = await _end(subject) if settings.provider == "openai" else None
    engine = None
    try:
        engine = transcriber(settings, models)
        note = await in_thread(files("secondme.core.media").joinpath("samples", "known_note.ogg").read_bytes)
        async with asyncio.timeout(subject.timeout_s * 0.9):
            heard = await engine.transcribe(Sound(note, "audio/ogg", 2.0), ("en",))
    except TimeoutError:
        return verdict(found("hearing-slow", seconds=f"{subject.timeout_s:g}"), ends)
    except CredentialsError as error:
        return verdict(found("hearing-refused", why=error.message, todo=error.fix), ends)
    except NetworkConfigError:
        raise
    except (ConfigError, DataError) as error:
        return verdict(found("hearing-unusable", why=error.message, todo=error.fix or "Check the settings hearing.*."), ends)
    except UnavailableError as error:
        return verdict(network_finding(error) or found("hearing-unreachable", why=error.message), ends)
    finally:
        if engine is not None:
            await engine.close()
    said = set(heard.text.lower().strip(".!").split()) if isinstance(heard, Transcription) else set()
    return verdict(None if said >= _WORDS else found("hearing-wrong"), ends, detail=f"A known note was understood ({engine.name})")


def _lacking(subject: DoctorContext) -> Finding | None:
    settings = subject.settings.hearing
    if settings.provider == "openai":
        return found("hearing-key-missing") if settings.api_key is None and settings.base_url is None else None
    if not is_installed():
        return found("hearing-extra-missing")
    if is_on_offer(settings.model) and not is_fetched(settings.model, subject.places.speech_models):
        return found("hearing-model-missing", model=settings.model)
    if not is_on_offer(settings.model) and not Path(settings.model).expanduser().is_dir():
        return found("hearing-model-unknown", model=settings.model)
    return None


async def _end(subject: DoctorContext) -> Finding | None:
    """When the vendor switches the model off, as far as it says so."""
    settings = subject.settings.hearing
    try:
        ends = await shutdown_date(settings)
    except SecondmeError:
        return None  # whether it can be asked at all is seen by asking it
    today = from_ms(subject.clock.now_ms()).date()
    return found("hearing-model-ends", model=settings.model, day=ends.isoformat()) if ends and ends - today <= _NOTICE else None


async def speech(subject: DoctorContext) -> Outcome:
    """Whoever speaks has the owner's consent, a voice, and something left to speak for."""
    settings = subject.settings.speech
    if not settings.enabled:
        return NotConfigured("speech.enabled is false")
    consent = None if settings.consent else found("speech-no-consent")
    if settings.provider == "command":
        program = next(iter(shlex.split(settings.command)), "") if settings.command else ""
        missing = await in_thread(lambda: shutil.which(program) is None) if program else True
        return verdict(consent, found("speech-no-program", name=program or "speech.command") if missing else None, detail=program)
    try:
        engine = ElevenLabs(settings)
    except (ConfigError, CredentialsError) as error:
        return verdict(consent, found("speech-unusable", why=error.message, todo=error.fix))
    try:
        async with asyncio.timeout(subject.http_timeout_s):
            exists, left = await engine.voice_exists(), await engine.quota_left()
    except (TimeoutError, UnavailableError) as error:
        why = error.message if isinstance(error, SecondmeError) else "ElevenLabs did not answer in time."
        return verdict(consent, network_finding(error) or found("speech-unreachable", why=why))
    except NetworkConfigError:
        raise
    except SecondmeError as error:
        return verdict(consent, found("speech-unusable", why=error.message, todo=error.fix))
    finally:
        await engine.close()
    return verdict(
        consent,
        None if exists else found("speech-no-voice"),
        found("speech-little-left", left=f"{left:,}") if left is not None and left < _FEW_CHARACTERS else None,
        detail=f"{settings.model}{f', {left:,} characters left' if left is not None else ''}",
    )


async def kept_files(subject: DoctorContext) -> Outcome:
    """What is kept of recordings and pictures is the owner's alone, and goes when its time is over."""
    settings, folder = subject.settings, subject.places.media
    extra = found("documents-extra-missing") if settings.sight.documents and find_spec("pypdf") is None else None
    if not folder.exists():
        return verdict(extra) if extra else NotConfigured("nothing was sent yet")
    shelf = Shelf(folder, settings.attachments.keep_days)
    count, total = await in_thread(shelf.size)
    open_to_others = await in_thread(lambda: _open_to_others(folder))
    next_ms = await in_thread(shelf.next_ms)
    late = next_ms is not None and subject.clock.now_ms() - next_ms > _LATE_MS and (await subject.overview()).runs
    return verdict(
        found("media-open", path=str(folder), quoted=shlex.quote(str(folder))) if open_to_others else None,
        found("media-not-swept") if late else None,
        extra,
        detail=f"{counted(count, 'file')}, {size(total)}, for {settings.attachments.keep_days:g} days",
    )


_LATE_MS = 3_600_000


def _open_to_others(folder: Path) -> bool:
    found_modes = [(path.stat().st_mode & 0o777, path.is_dir()) for path in [folder, *folder.rglob("*")]]
    return any(mode & ~(_PRIVATE_FOLDER if is_folder else _PRIVATE_FILE) for mode, is_folder in found_modes)


CHECKS = (
    Check("hearing", "Hearing", "A known voice message is understood", hearing),
    Check("speech", "Speaking", "The voice exists, has your consent, and something left to speak for", speech),
    Check("attachments", "Attachments", "Recordings and pictures are private, and go when their time is over", kept_files),
)
