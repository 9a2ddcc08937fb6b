"""What of a model's manners is taken off before its words are looked at? Quotation marks around the whole, a name in front, markdown.

What a person would send stays: lists with dashes, single stars, a quotation inside.
"""

from __future__ import annotations

import re

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
    """`text` as a person types: nothing that a terminal obeys, no quotation marks around the whole, no `name:` in front, markdown
    emphasis, headers and links as plain text. Repeatable; linear. What is no manner but a fault stays for the check to find."""
    plain = safe_text(text).strip()
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
