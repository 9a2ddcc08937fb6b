"""The stages of a message in words, for the command line and the screen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.core.draft_faults import only_in_own_words
from secondme.core.format import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def in_words(stage: str, facts: Mapping[str, Any]) -> str:
    """One line about a stage; facts that a trace may hold are told in plain words."""
    reason = str(facts.get("reason", ""))
    match stage:
        case "composed":
            return _composed(facts)
        case "heard" | "heard_nothing" | "not_heard" | "seen" | "not_seen" | "spoken" | "spoken_as_text":
            return _sensed(stage, facts)
        case "held" | "put_off" | "waiting" | "dropped":
            return f"{_STAGES[stage]}: {_REASONS.get(reason, reason.replace('_', ' '))}" if reason else _STAGES[stage]
        case _:
            return _STAGES.get(stage, stage.replace("_", " "))


def why_not_read(why: str) -> str:
    """Why a recording or a picture is known by its name only, or why a reply was not spoken."""
    return _WHY_NOT.get(why, why.replace("_", " "))


def why_held(reason: str) -> str:
    """Why a draft waits for the owner."""
    return "it was ready when you paused" if reason == "paused" else _REASONS.get(reason, reason.replace("_", " "))


def held_because(reason: str, fault: str = "", job: str | None = None, job_name: str = "", *, own: bool = False) -> str:
    """Why a draft waits for the owner, in a whole sentence. With a `fault` it leaves only in the owner's own words. `job_name` is safe to show."""
    if own:
        return _OWN_HELD.get(reason, "You wrote it, and it has not left.")
    if fault and reason != "disclosure":
        return only_in_own_words(fault)
    if job:
        who = f'The job "{job_name}"' if job_name else "A job that is gone by now"
        return (
            f"{who} suggests it."
            if reason == "proactive"
            else f"{who} wrote it, and {_REASONS.get(reason, reason.replace('_', ' '))}."
        )
    return _HELD.get(reason, f"It waits for you: {reason.replace('_', ' ')}.")


def became(stage: str, facts: Mapping[str, Any]) -> str:
    """What became of a draft that is gone, behind "That draft is gone: "; empty for a stage that takes none away."""
    if stage == "dropped":
        reason = str(facts.get("reason", ""))
        return _REASONS.get(reason, reason.replace("_", " ")) or "it was dropped"
    return _BECAME.get(stage, "")


def found_by(why: Iterable[str]) -> str:
    """By what a message was found, in words; signs of the ranking that say nothing to a person are left out."""
    return ", ".join(dict.fromkeys(_WHY[sign] for sign in why if sign in _WHY))


def _composed(facts: Mapping[str, Any]) -> str:
    kind = "small talk" if facts.get("route") == "phatic" else "a real answer"
    by = {"rules": "by the rules", "model": "by the small model", "doubt": "in doubt"}.get(str(facts.get("by")), "")
    how = f"{kind} ({facts['reason']}, {by})".replace("_", " ") if facts.get("route") else "composed"
    parts = [how, f"persona {facts['persona']}" if facts.get("persona") else "", f"{facts['ms']} ms" if "ms" in facts else ""]
    if facts.get("attempts", 1) != 1:
        parts.append(f"{facts['attempts']} tries")
    if memory := facts.get("memory"):
        parts.append(_remembered(memory))
    if facts.get("tools"):
        parts.append(f"used {', '.join(map(_used, facts['tools']))}")
    if facts.get("pictures"):
        parts.append(f"shown {counted(int(facts['pictures']), 'picture')}")
    if facts.get("pictures_refused"):
        parts.append(f"{counted(int(facts['pictures_refused']), 'picture')} left out: the model's server refused")
    if facts.get("fault"):
        parts.append(f"fault: {facts['fault']}".replace("_", " "))
    if facts.get("refused") == "handed_over":
        return "asked whether you are a machine: left to you"
    if facts.get("refused"):
        parts.append(f"no words: {facts['refused']}".replace("_", " "))
    return ", ".join(part for part in parts if part)


def _sensed(stage: str, facts: Mapping[str, Any]) -> str:
    """What became of an attachment, or of a reply that was to be spoken: numbers and causes, no words."""
    confidence = facts.get("confidence")
    sure = "unclear" if facts.get("unclear") else f"sure {confidence}" if confidence is not None else ""
    parts = [
        f"{facts['seconds']:g} s" if isinstance(facts.get("seconds"), int | float) else "",
        str(facts.get("language", "")),
        sure,
        f"{facts['tokens']:,} tokens" if isinstance(facts.get("tokens"), int) else "",
        "described" if facts.get("described") else "",
        f"took {facts['ms'] / 1000:.1f} s" if isinstance(facts.get("ms"), int) else "",
        f"${facts['micros'] / 1_000_000:.4f}" if facts.get("micros") else "",
        why_not_read(str(facts["why"])) if facts.get("why") else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f"{_STAGES[stage]}: {said}" if said else _STAGES[stage]


def _remembered(found: Mapping[str, Any]) -> str:
    if "code" in found:
        return f"memory was not read: {found['code']}".replace("_", " ")
    if not found.get("found"):
        return ""
    why = found_by(map(str, found.get("why", ())))
    return f"{counted(int(found['found']), 'remembered message')}{f' (by {why})' if why else ''}"


def _used(call: Mapping[str, Any]) -> str:
    how = "" if call.get("code") == "ok" else f": {call.get('code')}".replace("_", " ")
    return f"{call.get('tool')} ({call.get('ms')} ms{how})"


_STAGES = {
    "begun": "a worker took it up",
    "heard": "its voice message was heard",
    "heard_nothing": "nobody speaks in its voice message",
    "not_heard": "its voice message was not heard",
    "seen": "its picture was looked at",
    "not_seen": "its file was not looked at",
    "spoken": "the reply was spoken",
    "spoken_as_text": "the reply was written instead of spoken",
    "answered": "answered; the reply is on its way",
    "sent": "the reply was sent",
    "held": "the reply waits for you",
    "put_off": "put off",
    "waiting": "waiting",
    "dropped": "the reply was dropped",
    "released": "you sent the draft",
    "revived": "you put it back",
    "edited": "you wrote the draft anew",
    "expired": "the draft expired",
    "superseded": "a newer reply took the draft's place",
    "taken_over": "you wrote yourself; what waited was dropped",
    "observed": "only observed",
    "off": "not answered: this contact is off",
    "killed": "not answered: the kill switch or a pause of everybody",
    "paused": "not answered: paused",
    "rate_limited": "not answered: too many messages at once",
    "inbox_full": "not answered: too much was waiting",
    "stale": "not answered: too old by then",
    "automatic": "not answered: a machine seems to answer us",
    "revoked": "taken back by its sender",
    "unanswered": "not answered: nothing fit to say",
}
_REASONS = {
    "bad_persona": "the persona's file is broken: secondme persona list",
    "model_key_refused": "the model's server refuses the key",
    "model_no_credit": "the model's account has no credit",
    "model_request_refused": "the model's server refuses the request: secondme doctor model",
    "no_model_key": "no key for the model is set",
    "certificate_untrusted": "the certificate of the model's server is not trusted: secondme doctor model-key",
    "proxy_unreachable": "the proxy does not answer: secondme doctor network",
    "proxy_refuses": "the proxy does not let the model be asked: secondme doctor model-key",
    "reading": "its voice messages and pictures are still to be heard and seen",
    "unclear": "it answers a voice message that was hard to understand",
    "gathering": "the contact may still be writing",
    "asleep": "you are asleep",
    "queued": "in the queue",
    "paused": "paused",
    "rate_limit": "paused: they wrote too much at once",
    "machine": "they answer within seconds, again and again: it may be a machine",
    "tier": "this contact's replies need you",
    "mode": "you wanted drafts for this contact",
    "ambiguous": "it may have gone out already",
    "undeliverable": "the platform refused it",
    "disclosure": "they asked whether you are a machine, and it did not say so",
    "unfit": "the checks found a fault in it",
    "agent": "you had it written",
    "proactive": "a job suggests it",
    "no_room": "50 drafts waited for this contact",
    "owner": "you dropped it",
    "overtaken": "something was said in that conversation since",
    "not_approved": "the contact is not approved any more",
    "over_budget": "today's budget is spent",
    "over_contact_budget": "this contact's budget of today is spent",
}
_BECAME = {
    "released": "you sent it, and it is on its way",
    "sent": "it was sent",
    "expired": "nobody decided about it in time",
    "superseded": "a newer reply took its place",
    "taken_over": "you wrote to them yourself",
    "revoked": "they took back what it answered",
}
_HELD = {
    "tier": "Replies to this contact need you.",
    "mode": "You wanted drafts for this contact.",
    "paused": "It was ready when you paused.",
    "rate_limit": "They wrote too much at once, so they are paused.",
    "machine": "They answer within seconds, again and again: it may be a machine.",
    "ambiguous": "It may have gone out already; nobody knows.",
    "undeliverable": "The platform refused it.",
    "disclosure": "They asked whether you are a machine, and it did not say so. It can leave only in your own words.",
    "unfit": "The checks found a fault in it.",
    "unclear": "It answers a voice message that was hard to understand.",
    "agent": "You had it written.",
    "proactive": "A job suggests it.",
}
_OWN_HELD = {
    "paused": "You wrote it, and the kill switch was on when it would have left.",
    "ambiguous": "You wrote it, and it may have gone out already; nobody knows.",
    "undeliverable": "You wrote it, and the platform refused it.",
}
_WHY_NOT = {
    "off": "you have it off",
    "view_once": "it is to be looked at once, by you",
    "no_file": "there is no file",
    "not_looked_into": "files of this kind are not looked into",
    "too_long": "it is too long",
    "silence": "silence, noise or music",
    "no_language": "no language was recognised in it",
    "no_words": "there are no words in it",
    "stock_phrase": "only a phrase that engines invent",
    "repetition": "only one phrase again and again, as engines invent it",
    "recording_refused": "the server could not read the recording",
    "hearing_unreachable": "nobody answered where it is listened to",
    "hearing_unavailable": "where it is listened to was out of order",
    "hearing_failed": "the server broke over it",
    "hearing_crashed": "what listens broke over it",
    "hearing_timeout": "it was not understood in time",
    "hearing_rate_limited": "too much was to be listened to at once",
    "hearing_key_refused": "the key for hearing was refused",
    "hearing_no_credit": "the account for hearing has no credit",
    "no_hearing_key": "there is no key for hearing",
    "no_local_hearing": "what listens on this machine is not installed",
    "speech_model_missing": "the model that listens is not on this machine",
    "media_gone": "the platform does not have it any more",
    "download_timeout": "the platform did not deliver it in time",
    "document_unreadable": "the document is damaged",
    "document_encrypted": "the document needs a password",
    "document_has_no_text": "the document has no text in it",
    "document_needs_extra": "reading documents needs secondme[documents]",
    "number": "it has a number that should be read",
    "link": "it has a link in it",
    "list": "it is a list",
    "markup": "it has code in it",
    "no_consent": "speech.consent does not say whose voice it is",
    "not_for_this_contact": "this contact is answered in writing",
    "voice_forbidden": "this contact takes no voice messages",
    "upload_failed": "the platform did not take the recording",
    "upload_refused": "the platform refused the recording",
    "speech_needs_sound_extra": "the voice comes in a format that needs secondme[sound]",
    "not_a_voice_note": "what came back was no whole recording",
    "speech_no_credit": "the account for speech has no credit",
    "speech_key_refused": "the key for speech was refused",
    "speech_unreachable": "nobody answered where it is spoken",
    "speech_timeout": "it was not spoken in time",
    "unsure": "too little of it was understood to rely on",
    "over_budget": "today's budget is spent",
    "over_contact_budget": "this contact's budget of today is spent",
    "over_limit": "today's minutes are used up",
    "over_contact_limit": "this contact's minutes of today are used up",
    "picture_unreadable": "the picture is damaged",
    "picture_too_large": "the picture is too large",
    "picture_needs_heic": "it is a HEIC photo, which needs secondme[heic]",
    "picture_not_supported": "it is no picture that can be read",
}
_WHY = {
    "own": "its words",
    "cover": "its words",
    "phrase": "its words",
    "around": "what was said around it",
    "wide": "what was said around it",
    "cover_near": "what was said around it",
    "session": "its conversation",
    "speaker": "who said it",
    "date": "its date",
    "tells_when": "tells when",
    "tells_number": "tells a number",
    "tells_name": "tells a name",
    "answer": "answers a question",
    "question": "asks the same",
    "meaning": "its meaning",
    "meaning_near": "its meaning",
    "graph": "a fact",
    "asked": "the question before it",
}
