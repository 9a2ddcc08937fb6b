"""The wizard's questions about voice messages: who understands them, and whether they are answered by voice. Both are off until chosen."""

from __future__ import annotations

import os
from importlib.resources import files
from typing import TYPE_CHECKING

from secondme.cli.onboard.model import why_no_address
from secondme.cli.onboard.prompts import WizardChoice, WizardQuestion
from secondme.cli.onboard.site import Unproven
from secondme.core.config.models import HearingSettings, SpeechSettings, transcription_address
from secondme.core.errors import SecondmeError
from secondme.core.messages import Sound, Transcription
from secondme.core.providers.hearing_process import is_installed
from secondme.core.providers.speech_models import is_fetched, on_offer

if TYPE_CHECKING:
    from secondme.cli.onboard.site import Site

_NO, _SERVER, _LOCAL = "no", "server", "local"
_OPENAI = "https://api.openai.com"
_EXTRA_MB = 430
"""What `secondme[hearing]` brings; measured."""
_WITHOUT_HEARING = "Go on without: voice messages stay unheard"
_WITHOUT_SPEECH = "Go on without: it answers in writing"


async def ask(site: Site) -> None:
    """Hearing and speaking are decided; servers that are asked from now on were tried."""
    if site.setup.settings.sight.enabled and not site.interview.is_quick:
        site.aside("Pictures go to the model, as copies without place and time. To end that:")
        site.aside(site.screen.typed("  secondme config set sight.enabled false"))
    await _ask_hearing(site)
    await _ask_speech(site)


async def _ask_hearing(site: Site) -> None:
    interview, known, settings = site.interview, site.setup.settings.hearing, site.plan.settings
    present = _LOCAL if known.provider == "local" else _SERVER if known.api_key or known.base_url else _NO
    question = WizardQuestion(
        "hearing", "Shall it understand voice messages?", "--hearing", default=present if known.enabled else _NO
    )
    choice = await interview.choose(
        question,
        [
            WizardChoice(_NO, "No"),
            WizardChoice(_SERVER, "Yes, by OpenAI or a server like it: recordings go there (about $0.27 an hour)"),
            WizardChoice(_LOCAL, f"Yes, on this machine: {_EXTRA_MB} MB more, and a model"),
        ],
    )
    site.plan.report["hearing"] = {"by": choice}
    match choice:
        case "server":
            settings["hearing.provider"] = None
            settings["hearing.enabled"] = None
            await _ask_server(site)
        case "local":
            await _ask_local(site)
        case _:
            settings["hearing.enabled"] = False if present != _NO or not known.enabled else None


async def _ask_server(site: Site) -> None:
    interview, known = site.interview, site.setup.settings.hearing
    while True:
        address = await interview.text(
            WizardQuestion(
                "hearing_url", "Its address, or Enter for OpenAI's:", "SECONDME_HEARING__BASE_URL", known.base_url or "", _address
            )
        )
        kept = known.api_key.get_secret_value() if known.api_key else os.environ.get("SECONDME_HEARING__API_KEY")
        key = await interview.text(
            WizardQuestion(
                "hearing_key",
                "Its key:" if not address else "Its key (Enter if it wants none):",
                "SECONDME_HEARING__API_KEY",
                kept or ("" if address else None),
                secret=True,
            )
        )
        base_url = transcription_address(address) if address and transcription_address(address) != _OPENAI else None
        tried = HearingSettings.model_validate({"base_url": base_url, "api_key": key or None, "model": known.model})
        answers = ("hearing", base_url, key)
        settled = site.settled(answers)
        if settled is None:
            try:
                await site.proof(answers, lambda tried=tried: _prove_hearing(tried))  # type: ignore[misc]  # bound at once
                site.good("It understood a known voice message")
            except SecondmeError as error:
                settled = await site.ask_unproven(error, answers, _WITHOUT_HEARING, ("hearing_url", "hearing_key"))
        if settled in {Unproven.AGAIN, Unproven.ELSE}:
            continue
        if settled is Unproven.WITHOUT:
            site.plan.settings["hearing.enabled"] = False if known.api_key or known.base_url else None
            site.plan.report["hearing"]["by"] = _NO
            return
        site.plan.settings["hearing.base_url"] = base_url
        if key:
            site.plan.secrets["hearing.api_key"] = key
        return


async def _prove_hearing(settings: HearingSettings) -> None:
    """Raises what keeps a known note from being understood."""
    from secondme.core.errors import UnavailableError
    from secondme.core.providers.openai_audio import OpenAiAudio

    note = files("secondme.core.media").joinpath("samples", "known_note.ogg").read_bytes()
    engine = OpenAiAudio(settings)
    try:
        heard = await engine.transcribe(Sound(note, "audio/ogg", 2.0), ("en",))
    finally:
        await engine.close()
    if not isinstance(heard, Transcription):
        raise UnavailableError("hearing_wrong", "It answers, but did not understand a known voice message.")


async def _ask_local(site: Site) -> None:
    known, offered = site.setup.settings.hearing, on_offer()
    question = WizardQuestion(
        "hearing_model", "Which model?", "--hearing-model", default=known.model if known.model in offered else "base"
    )
    model = await site.interview.choose(
        question,
        [
            WizardChoice(
                "base", "Many languages, 135 MB: English is understood well, German and Spanish some 75 to 82 words of 100"
            ),
            WizardChoice("tiny.en", "English only, 75 MB, twice as fast"),
        ],
    )
    site.plan.settings |= {"hearing.provider": "local", "hearing.model": model, "hearing.enabled": None}
    site.plan.report["hearing"]["model"] = model
    if not is_installed():
        site.aside("Then, once:  pip install 'secondme[hearing]'")
    if not is_fetched(model, site.setup.places.speech_models):
        site.aside(f"Then, once:  secondme hear --get-model {model}")


async def _ask_speech(site: Site) -> None:
    interview, known, settings = site.interview, site.setup.settings.speech, site.plan.settings
    question = WizardQuestion(
        "speech", "May it answer voice messages by voice?", "--speech", default=known.consent or _NO if known.enabled else _NO
    )
    consent = await interview.choose(
        question,
        [
            WizardChoice(_NO, "No, always in writing"),
            WizardChoice("stock-voice", "In a voice of ElevenLabs' that everybody may use"),
            WizardChoice("my-own-voice", "In my own voice, which I had cloned there; people are told that it is a machine's"),
        ],
    )
    site.plan.report["speech"] = {"consent": consent if consent != _NO else ""}
    if consent == _NO:
        settings["speech.enabled"] = None
        return
    while True:
        voice = await interview.text(
            WizardQuestion("voice_id", "The id of the voice:", "SECONDME_SPEECH__VOICE_ID", known.voice_id or None)
        )
        kept = known.api_key.get_secret_value() if known.api_key else os.environ.get("SECONDME_SPEECH__API_KEY")
        key = await interview.text(
            WizardQuestion("speech_key", "Your ElevenLabs key:", "SECONDME_SPEECH__API_KEY", kept or None, secret=True)
        )
        answers = ("speech", voice, key)
        settled = site.settled(answers)
        if settled is None:
            try:
                await site.proof(answers, lambda voice=voice, key=key: _prove_speech(known, voice, key))  # type: ignore[misc]  # bound at once
                site.good("The voice is there")
            except SecondmeError as error:
                settled = await site.ask_unproven(error, answers, _WITHOUT_SPEECH, ("voice_id", "speech_key"))
        if settled in {Unproven.AGAIN, Unproven.ELSE}:
            continue
        if settled is Unproven.WITHOUT:
            settings["speech.enabled"] = None
            site.plan.report["speech"]["consent"] = ""
            return
        settings |= {"speech.enabled": True, "speech.consent": consent, "speech.voice_id": voice, "speech.provider": None}
        site.plan.secrets["speech.api_key"] = key
        return


async def _prove_speech(known: SpeechSettings, voice: str, key: str) -> None:
    """Raises what keeps the voice from speaking."""
    from secondme.core.errors import NotFoundError
    from secondme.core.providers.elevenlabs import ElevenLabs

    engine = ElevenLabs(SpeechSettings.model_validate({"voice_id": voice, "api_key": key, "base_url": known.base_url}))
    try:
        if not await engine.voice_exists():
            raise NotFoundError("speech_voice_unknown", "ElevenLabs knows no voice with that id.", "Look under Voices on its page.")
    finally:
        await engine.close()


def _address(answer: str) -> str:
    return "" if not answer else why_no_address(answer)
