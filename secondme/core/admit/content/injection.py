"""Prompt injection: scored by rules over concepts, in several languages and through common disguises.

A score is a hint for the owner's log and nothing else: what protects is that text never decides about rights. Most attempts are written
by people who do not hide; somebody who knows this file walks around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from secondme.core.admit.content.lexicon import ConceptSpan, Lexicon, Sequence
from secondme.core.admit.content.skeleton import close_up, decode, skeleton, squeeze, unleet
from secondme.core.files import table

HEAD, TAIL = 4096, 1024
"""How much of a long text is read: its start, and its end, where an attack follows a long pretext."""
FLAGGED_FROM = 0.5

_ROLES = "system|system message|sistema|systeme|systém|assistant|admin|система|النظام|系统|系統|システム|시스템"
_ENDS = "end|end of|ende|fin|fine|fim|конец|stop"
_NEW = "new|neue|neuer|nueva|nuevo|nouvelle|nouveau|nuova|nova|новый|новая"
_TEXTS = (
    "texts?|articles?|context|prompt|conversation|chat|input|instructions?|document|message|task|session|textes|textos?|texte|testo|artikels?|articulo|articolo|artigo|"
    "unterhaltung|gesprachs?|conversacion|conversazione|conversa|aufgabe|tarea|tache|compito|tarefa|текста|разговора|задания"
)
_HIDDEN_TAGS = re.compile("(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0020-\U000e007e]{4}")
"""Invisible letters that do not spell a flag."""


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    weight: float
    sequences: tuple[Sequence, ...]
    unless: tuple[Sequence, ...]
    """What people say to each other: where one of these is found, the rule is silent."""


@dataclass(frozen=True, slots=True)
class _Rules:
    lexicon: Lexicon
    compounds: tuple[tuple[str, tuple[Sequence, ...]], ...]
    rules: tuple[_Rule, ...]
    begun_by: dict[str, list[int]]
    """Which rules can fire, by a concept that one of their sequences starts with: a message holds few, and the rest are not tried."""
    squeezed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How much a text looks like an attempt, and which rules say so."""

    score: float
    rules: tuple[str, ...]


def score_injection(text: str) -> Attempt:
    """How much `text` looks like an attempt, from 0 to 1. Linear: at most HEAD + TAIL characters are read."""
    window = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
    folded = skeleton(window)
    best = Attempt(0.0, ())
    marks = _marks(window, folded)
    hidden = decode(window)
    for view in _views(folded) if hidden is None else [*_views(folded), skeleton(hidden)]:
        attempt = _judge(view, marks)
        if attempt.score > best.score:
            best = attempt
    return best


def _views(folded: str) -> list[str]:
    closed = close_up(folded)
    views = [folded] if closed is None else [folded, closed]
    return views + [reading for reading in unleet(closed or folded) if reading not in views]


def _marks(window: str, folded: str) -> dict[str, list[ConceptSpan]]:
    marks = {name: [ConceptSpan(0, 0)] for name, pattern in _mark_patterns().items() if pattern.search(folded)}
    if _HIDDEN_TAGS.search(window):
        marks["hidden_tags"] = [ConceptSpan(0, 0)]
    return marks


def _judge(view: str, marks: dict[str, list[ConceptSpan]]) -> Attempt:
    rules = _rules()
    found = rules.lexicon.find(view) | marks
    closed = squeeze(view)
    for needle, concept in rules.squeezed:
        if needle in closed:
            found.setdefault(concept, []).append(ConceptSpan(0, 0))
    for name, sequences in rules.compounds:
        spans = [span for sequence in sequences for span in sequence.find(found)]
        if spans:
            found[name] = sorted(found.get(name, []) + spans)
    begun = {index for concept in found for index in rules.begun_by.get(concept, ())}
    innocent, hits = 1.0, []
    for rule in map(rules.rules.__getitem__, sorted(begun)):
        if any(sequence.find(found) for sequence in rule.sequences) and not any(sequence.find(found) for sequence in rule.unless):
            innocent *= 1.0 - rule.weight
            hits.append(rule.id)
    return Attempt(1.0 - innocent, tuple(hits))


@cache
def _mark_patterns() -> dict[str, re.Pattern[str]]:
    """What stands for more than words: a chat's own mark-up, typed by somebody who should not have it. Searched in folded text."""
    roles = "|".join(map(skeleton, _ROLES.split("|")))
    ends, new, texts = map(skeleton, (_ENDS, _NEW, _TEXTS))
    return {
        "chat_markup": re.compile(
            r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id)\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant)>"
            r"|^[ \t]{0,8}#{2,4} ?(?:instruction|system|response|human|assistant)s? ?:",
            re.MULTILINE,
        ),
        "role_line": re.compile(
            rf"^[ \t]{{0,8}}[\[({{<*#]{{0,3}} ?(?:{roles}) ?[\])}}>*#]{{0,3}} ?:|^[ \t]{{0,8}}\[/?system\]"
            r"|\bbegin (?:system message|override)\b|\bend of (?:user message|conversation)\b|\[(?:start|end)(?: of)? input\]",
            re.MULTILINE,
        ),
        "fenced_end": re.compile(
            rf"(?:(?<![=\-*_~<>%+#])[=\-*_~<>%+#]{{3,}}+|\"{{3}}|^[ \t]{{0,8}}\[) ?(?:(?:{ends}) (?:[a-z\u0400-\u04ff]{{1,6}} ){{0,2}}(?:{texts})|(?:{new}) (?:{texts}))\b"
            r"|</(?:context|text|prompt|user|input|document|instructions?|data|conversation|query|message)>",
            re.MULTILINE,
        ),
        "query": re.compile(r"\b(?:select [\w*,. ]{1,60} from|drop table|delete from|insert into) \w"),
        "json_role": re.compile(r"[\"']role[\"'] ?: ?[\"'](?:system|developer)[\"']"),
    }


@cache
def _rules() -> _Rules:
    source = table("admit", "injection")
    compounds = tuple((entry["name"], tuple(map(Sequence, entry["steps"]))) for entry in source["compound"])
    rules = tuple(
        _Rule(entry["id"], entry["weight"], tuple(map(Sequence, entry["steps"])), tuple(map(Sequence, entry.get("unless", ()))))
        for entry in source["rule"]
    )
    begun_by: dict[str, list[int]] = {}
    for index, rule in enumerate(rules):
        for concept in {concept for sequence in rule.sequences for concept in sequence.starts}:
            begun_by.setdefault(concept, []).append(index)
    squeezed = tuple((squeeze(skeleton(needle)), "squeezed") for needle in source["squeezed"]["phrases"])
    return _Rules(Lexicon(source["concepts"]), compounds, rules, begun_by, squeezed)
