"""The last look at a model's words before they can reach a contact: manners are taken off, and faults found by tables, never by a
model.

What a person would send stays: lists with dashes, single stars, a quotation inside.

What is found is a kind and a stable detail, never a part of the text. Time grows with length alone, and length is bounded: what is
longer than what is looked at never leaves.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from secondme.core.files import table
from secondme.core.normalization import expand, fold, visible
from secondme.core.reply.disclosure import admits_being_machine, denies_being_machine
from secondme.core.reply.leaks import repeats
from secondme.core.reply.thoughts import has_thoughts, without_thoughts
from secondme.core.text import safe_text

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", "'": "'", "‘": "’", "`": "`"}  # noqa: RUF001 - as written
_BOLD = re.compile(r"\*\*(?=\S)([^*\n]{1,400}?)(?<=\S)\*\*")
_UNDERLINED = re.compile(r"(?<!\w)__(?=\S)([^_\n]{1,200}? [^_\n]{1,200}?)(?<=\S)__(?!\w)")
_HEADER = re.compile(r"^[ ]{0,3}#{1,6} +(?=\S)", re.MULTILINE)
_RULE = re.compile(r"^[ ]{0,3}(?:-{3,}|\*{3,}|_{3,})[ ]*(?:\n|\Z)", re.MULTILINE)
_STARS = re.compile(r"^([ ]{0,8})[*•] +(?=\S)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]{1,200})\]\((https?:[^)\s]{1,400})\)")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")
_MOST_ROUNDS = 4


def tidy(text: str, name: str = "") -> str:
    """`text` as a person types: nothing that a terminal obeys, no thoughts before or between the words, no quotation marks around the whole,
    no `name:` in front, markdown emphasis, headers and links as plain text. Repeatable; linear. What is no manner but a fault stays for the
    check to find."""
    plain = without_thoughts(safe_text(text)).strip()
    label = (
        re.compile(rf"[*_\[]{{0,3}}{re.escape(name.strip())}[*_\]]{{0,3}}\s?[:\uff1a][*_]{{0,3}}\s*(?=\S)", re.IGNORECASE)
        if name.strip()
        else None
    )
    for _ in range(_MOST_ROUNDS):
        before = plain
        plain = _unquoted(plain)
        if label and (found := label.match(plain)):
            plain = plain[found.end() :]
        plain = _without_markdown(plain).strip()
        if plain == before:
            break
    return plain


def _without_markdown(text: str) -> str:
    plain = _LINK.sub(lambda link: link[2] if link[1].strip() in link[2] else f"{link[1]}: {link[2]}", text)
    plain = _STARS.sub(r"\1- ", _BOLD.sub(r"\1", plain))
    plain = _RULE.sub("", _HEADER.sub("", _UNDERLINED.sub(r"\1", plain)))
    return _BLANK_LINES.sub("\n\n", plain)


def _unquoted(text: str) -> str:
    """`text` without the one pair of quotation marks that stands around all of it."""
    if len(text) < 3 or text[-1] not in _QUOTES.get(text[0], ""):  # noqa: PLR2004 - two marks and something between
        return text
    inner = text[1:-1]
    if text[0] in inner or text[-1] in inner or not inner.strip():
        return text
    return inner.strip()


__all__ = ["Fault", "FaultKind", "Instructions", "find_fault", "prepare", "tidy"]

MOST_CHARACTERS = 8000
"""Twice what one message of any platform holds; nobody chats longer at once."""
_FOREIGN_ID = re.compile(
    r"\b(\d{6,}(?:-\d{1,20})?(?::\d{1,4})?@(?:c\.us|g\.us|s\.whatsapp\.net|lid|broadcast|newsletter)\b"
    r"|(?:telegram|whatsapp_cloud):[1-9]\d{3,31}|\blocal:[\w.~-]{3,128})",
    re.IGNORECASE,
)
_DEVICE = re.compile(r":\d{1,4}(?=@)")
_TAG = re.compile(r"<([a-z][a-z0-9_]{2,30})>")
_CHUNK = 400
"""Advice is looked for in pieces of a text, cut between sentences: one sentence says take, the next one says how much."""


class FaultKind(StrEnum):
    """What is wrong with a text."""

    TOOL_TRACE = "tool_trace"
    """The language of tools, or of a model with its tools."""
    ERROR_TEXT = "error_text"
    """What a program says when it fails, where it lives, or a model's stock refusal."""
    PROMPT_LEAK = "prompt_leak"
    """What the model was told about its task."""
    WRONG_ROLE = "wrong_role"
    """Somebody else's part, words around the message, or stage directions."""
    DENIAL = "denial"
    """It says that no machine is speaking."""
    NOT_ADMITTED = "not_admitted"
    """It was sincerely asked, and does not say so."""
    ADVICE = "advice"
    """Medical or financial."""
    FOREIGN_ID = "foreign_id"
    """The id of somebody who is not this contact."""
    MARKUP = "markup"
    """What a person does not type, and `tidy` cannot take off."""
    CUT_SHORT = "cut_short"
    """The model stopped before it had said everything."""
    EMPTY = "empty"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class Instructions:
    """What a reply is judged by."""

    system: tuple[str, ...] = ()
    """The texts of the prompt's system blocks."""
    own_words: tuple[str, ...] = ()
    """Texts that may be repeated: the owner's examples, the conversation."""
    asked_if_machine: bool = False
    contact_ids: frozenset[str] = frozenset()
    """The ids of the person who will read it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text may not leave. `detail` is snake_case and stable, and nothing of the text."""

    kind: FaultKind
    detail: str


CUT = Fault(FaultKind.CUT_SHORT, "cut_short")
THOUGHTS = Fault(FaultKind.TOOL_TRACE, "thoughts")


@dataclass(frozen=True, slots=True)
class _Pattern:
    detail: str
    needs: tuple[str, ...]
    expression: re.Pattern[str]


def find_fault(text: str, told: Instructions) -> Fault | None:
    """The first thing that is wrong with `text`, which was made tidy; None when it may leave. Linear, at most 8,000 characters."""
    if len(text) > MOST_CHARACTERS:
        return Fault(FaultKind.TOO_LONG, "too_long")
    plain = visible(text)
    if not any(char.isprintable() and not char.isspace() for char in plain):
        return Fault(FaultKind.EMPTY, "empty")
    if "&" in plain and ";" in plain:
        plain = visible(html.unescape(plain))
    if has_thoughts(plain):
        return THOUGHTS
    for kind in (FaultKind.TOOL_TRACE, FaultKind.ERROR_TEXT):
        if detail := _matched(kind, plain):
            return Fault(kind, detail)
    if detail := _leaked(plain, told):
        return Fault(FaultKind.PROMPT_LEAK, detail)
    if detail := _matched(FaultKind.WRONG_ROLE, plain):
        return Fault(FaultKind.WRONG_ROLE, detail)
    if _names_somebody_else(plain, told.contact_ids):
        return Fault(FaultKind.FOREIGN_ID, "contact_id")
    if detail := _advises(plain):
        return Fault(FaultKind.ADVICE, detail)
    return _disguised(text, told) or _marked_up(plain)


def prepare() -> None:
    """The tables are read and compiled, which takes a third of a second once: for a thread, before the first reply. Repeatable."""
    find_fault("hello 1", Instructions(asked_if_machine=True))


def _disguised(text: str, told: Instructions) -> Fault | None:
    """A machine that says it is none, or does not say so when it was asked."""
    if denies_being_machine(text, asked=told.asked_if_machine):
        return Fault(FaultKind.DENIAL, "denied")
    if told.asked_if_machine and not admits_being_machine(text):
        return Fault(FaultKind.NOT_ADMITTED, "not_admitted")
    return None


def _marked_up(plain: str) -> Fault | None:
    detail = _matched(FaultKind.MARKUP, plain)
    return Fault(FaultKind.MARKUP, detail) if detail else None


def _leaked(plain: str, told: Instructions) -> str:
    if detail := _matched(FaultKind.PROMPT_LEAK, plain):
        return detail
    if "<" in plain or "_" in plain:
        small = plain.lower()
        for name in {name for block in told.system for name in _TAG.findall(block)}:
            if f"<{name}" in small or f"</{name}" in small or ("_" in name and name in small):
                return "block_tag"
    return "repeated" if told.system and repeats(plain, told.system, told.own_words) else ""


def _names_somebody_else(plain: str, contact_ids: frozenset[str]) -> bool:
    own = {each.lower() for each in contact_ids}
    return any(_DEVICE.sub("", found.lower().rstrip(".-")) not in own for found in _FOREIGN_ID.findall(plain))


def _advises(plain: str) -> str:
    folded = fold(plain)
    pieces = [folded[start : start + _CHUNK] for start in range(0, len(folded), _CHUNK - 100)]
    has_number = any(map(str.isdigit, folded))
    for pattern in _advice():
        if (has_number or not pattern.detail.startswith("dose")) and any(pattern.expression.search(piece) for piece in pieces):
            return pattern.detail
    return ""


def _matched(kind: FaultKind, plain: str) -> str:
    small = plain.lower()
    for pattern in _patterns()[kind]:
        if (not pattern.needs or any(need in small for need in pattern.needs)) and pattern.expression.search(plain):
            return pattern.detail
    return ""


@cache
def _patterns() -> dict[FaultKind, tuple[_Pattern, ...]]:
    return {FaultKind(kind): tuple(_compiled(entry) for entry in entries) for kind, entries in table("reply", "checks").items()}


def _compiled(entry: dict[str, object]) -> _Pattern:
    flags = re.MULTILINE if entry.get("exact") else re.MULTILINE | re.IGNORECASE
    patterns, needs = entry["patterns"], entry.get("needs", ())
    assert isinstance(patterns, list)
    assert isinstance(needs, list | tuple)
    return _Pattern(str(entry["detail"]), tuple(needs), re.compile("|".join(f"(?:{each})" for each in patterns), flags))


@cache
def _advice() -> tuple[_Pattern, ...]:
    source = table("reply", "advice")
    lists = {name: _advice_list(listed) for name, listed in source["lists"].items()}
    return tuple(
        _Pattern(detail, (), re.compile("|".join(f"(?:{expand(each, lists)})" for each in patterns), re.MULTILINE))
        for detail, patterns in source["patterns"].items()
    )


def _advice_list(listed: str) -> str:
    """A list whose entries may be small expressions; longest first."""
    if listed.startswith("("):
        return expand(listed, {})
    entries = sorted({entry.strip() for entry in expand(listed, {}).split("|")}, key=len, reverse=True)
    return "(?:" + "|".join(re.sub(r"(?<=\w)\*", r"\\w{0,8}", entry) for entry in entries) + ")"
