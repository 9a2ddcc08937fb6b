"""The stages of a message in words, for the command line and the screen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from secondme.core.format import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def in_words(stage: str, facts: Mapping[str, Any]) -> str:
    """One line about a stage; facts that a trace may hold are told in plain words."""
    reason = str(facts.get("reason", ""))
    match stage:
        case "composed":
            return _composed(facts)
        case "held" | "put_off" | "waiting" | "dropped":
            return f"{_STAGES[stage]}: {_REASONS.get(reason, reason.replace('_', ' '))}" if reason else _STAGES[stage]
        case _:
            return _STAGES.get(stage, stage.replace("_", " "))


def why_held(reason: str) -> str:
    """Why a draft waits for the owner."""
    return "it was ready when you paused" if reason == "paused" else _REASONS.get(reason, reason.replace("_", " "))


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
    if facts.get("fault"):
        parts.append(f"fault: {facts['fault']}".replace("_", " "))
    if facts.get("refused") == "handed_over":
        return "asked whether you are a machine: left to you"
    if facts.get("refused"):
        parts.append(f"no words: {facts['refused']}".replace("_", " "))
    return ", ".join(part for part in parts if part)


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
    "owner": "you dropped it",
    "not_approved": "the contact is not approved any more",
    "over_budget": "today's budget is spent",
    "over_contact_budget": "this contact's budget of today is spent",
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
