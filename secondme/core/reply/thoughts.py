"""Thoughts: what some models write before or between their words, in any bracket, and what is left without it. Pure and linear.

Servers of other makers pass on what a chat template has marked (`<think>`, `[THINK]`, `◁think▷`, `<|START_THINKING|>`), and small models
write labels (`Thought: ... Reply: ...`).
"""

# ruff: noqa: RUF001 - brackets and colons of many scripts

from __future__ import annotations

import re

_SAID = (
    r"(?:think(?:ing)?|thoughts?|thought[ _-]process|reasoning|chain[ _-]of[ _-]thoughts?|(?:inner|internal)[ _-]?"
    r"(?:monologue|thoughts?|reasoning)|gedanken?|pensée|pensamientos?|pensiero|мысли|思考)"
)
_NAME = rf"(?:{_SAID}|reason|reflection|scratch[ _-]?pad|analysis|cot)"
"""In brackets. As a label, `Reason: the train was late` is somebody's message."""
_CLOSING = r"(?P<{}>(?:/|end)\s{{0,3}}(?:[ _]?(?:of)?[ _])?)?(?:(?:start|begin)[ _](?:of[ _])?)?(?:[a-z]{{2,12}}:)?"
_TAG = re.compile(
    rf"[<＜]\s{{0,3}}\|?\s{{0,3}}{_CLOSING.format('close')}(?:{_NAME}|details)(?:\s[^<>\n]{{0,300}})?\|?\s{{0,3}}[>＞]"
    rf"|[\[({{◁〈《【（]\s{{0,3}}{_CLOSING.format('end')}{_NAME}\s{{0,3}}[\])}}▷〉》】）]",
    re.IGNORECASE,
)
_SECTION = re.compile(
    r"[\[<(【*]{1,2}\s{0,3}(?:final[ _])?(?:reply|response|answer|message|output)\s{0,3}[:：]?[\])>】*]{1,2}[:：]?[*_]{0,2}\s*(?=\S)",
    re.IGNORECASE,
)
"""What ends thoughts that no closing tag ends."""
_FENCE = re.compile(
    r"(?P<fence>```|~~~)\s{0,3}(?:think(?:ing)?|thoughts?|reasoning|scratchpad)\s*\n(?:(?!(?P=fence)).){0,20000}(?P=fence)\s*"
    r"|\A\s*thinking\.\.\.\s(?:(?!\.\.\.done).){0,20000}\.\.\.done thinking\.\s*",
    re.IGNORECASE | re.DOTALL,
)
"""Between fences, and as Ollama's command shows them."""
_UNFINISHED = re.compile(rf"[<◁＜]\s{{0,3}}\|?/?{_NAME}\b[^<>◁▷＜＞]{{0,300}}\Z", re.IGNORECASE)
"""A tag that the end of the text cut."""
_NOTE_START = rf"^[ \t]{{0,8}}[*_]{{0,2}}[(\[（【*][*_\s]{{0,3}}{_SAID}\s{{0,3}}[:：…,—–-](?=\s{{0,3}}[^\s*])"
_NOTE = re.compile(
    rf"{_NOTE_START}(?:[^()\[\]（）【】*]|\([^()]{{0,300}}\)){{0,4000}}[)\]）】*][*_]{{0,2}}\s*", re.IGNORECASE | re.MULTILINE
)
_IS_NOTE = re.compile(_NOTE_START, re.IGNORECASE | re.MULTILINE)
_LABEL = re.compile(rf"\A[^\w\n]{{0,6}}(?:my\s)?{_SAID}[^\w\n]{{0,4}}[:：]", re.IGNORECASE)
_BARE = re.compile(r"\A[^\w\n]{0,6}(?:thought|thinking|reasoning|thought process|chain of thought)[^\w\n]{0,4}[:：]", re.IGNORECASE)
"""A label that may begin nobody's message; `my thoughts: go!` may."""
_REPLY = re.compile(
    r"(?:^|(?<=[.!?。])\s{1,3}|\s(?=\*\*))[^\w\n]{0,6}(?:final\s|my\s|the\s|actual\s|chat\s)?"
    r"(?:reply|response|answer|message|output|final|antwort|nachricht|réponse|respuesta|mensaje|risposta|resposta|ответ|回复|返信)"
    r"[^\w\n]{0,4}[:：][*_]{0,3}\s*(?=\S)",
    re.IGNORECASE | re.MULTILINE,
)
_MOST_ROUNDS = 8
_HARMONY = re.compile(r"<\|channel\|>\s{0,3}final[^<]{0,60}<\|message\|>", re.IGNORECASE)
_HARMONY_END = re.compile(r"<\|(?:end|return)\|>\s*\Z")
_WRAP = r"(?:answer|response|reply|output|final|message|solution)"
_WRAPPED = re.compile(rf"\A\s*<\|?(?:start_|begin_of_)?{_WRAP}\|?>", re.IGNORECASE)
_WRAP_END = re.compile(rf"<(?:/|\|end_(?:of_)?){_WRAP}\|?>\s*\Z", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """The words that follow the thoughts in `text`. As it was where none follow, or nobody can tell which are which. Repeatable."""
    words = text
    for _ in range(_MOST_ROUNDS):
        before, words = words, _outside(words)
        words = _behind_labels(_NOTE.sub("", words))
        if words != before and (wrapped := _WRAPPED.match(words)):
            words = _WRAP_END.sub("", words[wrapped.end() :])
        if not words.strip():
            return text
        if words == before:
            return words
    return text


def _behind_labels(text: str) -> str:
    if found := list(_HARMONY.finditer(text)):
        return _HARMONY_END.sub("", text[found[-1].end() :])
    label = _LABEL.match(text)
    reply = _REPLY.search(text, label.end()) if label else None
    return text[reply.end() :] if reply else text


def has_thoughts(text: str) -> bool:
    """True when there are thoughts in `text` that could not be taken off."""
    return any(marks.search(text) for marks in (_TAG, _UNFINISHED, _IS_NOTE, _BARE))


def _outside(text: str) -> str:
    """What stands outside of tags. A closing one without its opening one ends thoughts that the server began before the first word."""
    kept, start, is_inside = "", 0, False
    text = _FENCE.sub("", text)
    for tag in _TAG.finditer(text):
        if not (tag["close"] or tag["end"]):
            kept += "" if is_inside else text[start : tag.start()]
            start, is_inside = tag.end(), True
            continue
        if not is_inside and kept.strip():
            return text
        start, is_inside = tag.end(), False
    if not is_inside:
        return kept + text[start:]
    section = _SECTION.search(text, start)
    return kept + _WRAP_END.sub("", text[section.end() :]) if section else text
